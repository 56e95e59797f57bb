"""Spectra of graphs and products: singular values, bounds and verdicts."""

from rbgp_graphs.spectral.abelian_search import CoverSearchResult, search_abelian_cover
from rbgp_graphs.spectral.bounds import ramanujan_bound, trace_bound
from rbgp_graphs.spectral.certificate import Certificate
from rbgp_graphs.spectral.cover import universal_cover_bound
from rbgp_graphs.spectral.expansion import (
    CheegerBounds,
    MixingDiscrepancy,
    cheeger_bounds,
    mixing_discrepancy,
)
from rbgp_graphs.spectral.layered import ComposedGap, PathCounts, composed_gap, path_counts
from rbgp_graphs.spectral.limit_law import limit_density
from rbgp_graphs.spectral.mask_measures import (
    MaskMeasures,
    MeanDifference,
    delta_r,
    delta_s,
    imdb,
    mask_measures,
    narc,
    weighted_gap,
)
from rbgp_graphs.spectral.search import SearchLevel, SearchResult, search_lift
from rbgp_graphs.spectral.spectrum import Spectrum, singular_values, spectrum
from rbgp_graphs.spectral.trials import Cancelled
from rbgp_graphs.spectral.verdict import Verdict, second_singular_value, verify

__all__ = [
    "Cancelled",
    "Certificate",
    "CheegerBounds",
    "ComposedGap",
    "CoverSearchResult",
    "MaskMeasures",
    "MeanDifference",
    "MixingDiscrepancy",
    "PathCounts",
    "SearchLevel",
    "SearchResult",
    "Spectrum",
    "Verdict",
    "cheeger_bounds",
    "composed_gap",
    "delta_r",
    "delta_s",
    "imdb",
    "limit_density",
    "mask_measures",
    "mixing_discrepancy",
    "narc",
    "path_counts",
    "ramanujan_bound",
    "search_abelian_cover",
    "search_lift",
    "second_singular_value",
    "singular_values",
    "spectrum",
    "trace_bound",
    "universal_cover_bound",
    "verify",
    "weighted_gap",
]

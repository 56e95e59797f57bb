"""Which factors of a product its singular values come from."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from rbgp_graphs import spectral
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.viz.raster import Subject

#: Subsets of more factors are too many to list.
_MOST_FACTORS = 6
_SAME = 1e-8
_ZERO = 1e-12

TRIVIAL, ZERO = "trivial value", "zero"


def origins(subject: Subject, values: NDArray[np.float64]) -> list[str] | None:
    """Say for every singular value of a product which factors leave their largest value there.

    Parameters
    ----------
    subject : TensorProduct or BipartiteGraph
        The product.
    values : ndarray of float64, shape (k,)
        Distinct singular values of it.

    Returns
    -------
    list of str or None
        For each value the names of these factors, such as "outer" or "outer and inner"; where
        several sets of factors give the same value, they are separated by "or". "zero" for 0
        and "trivial value" where every factor stands at its largest. None for a graph, a
        product of one factor, and a twisted pattern, whose values are no products.
    """
    if not isinstance(subject, TensorProduct) or len(subject.factors) == 1:
        return None
    if isinstance(subject, RBGP4) and subject.is_twisted:
        return None
    found = _values_by_factors(subject)
    if found is None:
        return None
    top = math.prod(math.sqrt(math.prod(f.degrees or (0, 0))) for f in subject.factors)
    texts = []
    for value in values.tolist():
        if value <= _ZERO * top:
            texts.append(ZERO)
            continue
        names = [
            " and ".join(chosen) or TRIVIAL
            for chosen, candidates in found
            if _holds(candidates, value, _SAME * top)
        ]
        texts.append(" or ".join(names))
    return texts


def _values_by_factors(
    p: TensorProduct,
) -> list[tuple[tuple[str, ...], NDArray[np.float64]]] | None:
    """Return the values above 0 for every set of factors that leave their largest value."""
    tops, others = [], []
    for factor in p.factors:
        values = spectral.spectrum(factor).values
        tops.append(float(values[0]))
        others.append(values[1:][values[1:] > _ZERO * values[0]])
    able = [k for k, rest in enumerate(others) if len(rest)]
    if len(able) > _MOST_FACTORS:
        return None
    found = []
    for count in range(len(able) + 1):
        for chosen in itertools.combinations(able, count):
            values = np.array([math.prod(tops[k] for k in range(len(tops)) if k not in chosen)])
            for k in chosen:
                values = np.unique(np.multiply.outer(values, others[k]))
            found.append((tuple(p.factor_names[k] for k in chosen), values))
    return found


def _holds(values: NDArray[np.float64], value: float, tolerance: float) -> bool:
    place = int(np.searchsorted(values, value - tolerance))
    return place < len(values) and bool(values[place] <= value + tolerance)

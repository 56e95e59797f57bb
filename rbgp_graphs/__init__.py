"""Ramanujan graphs, their products as sparsity patterns, and matmul with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rbgp_graphs import constructions, encoding, export, gpu, products, spectral
from rbgp_graphs.constructions import (
    affine_plane,
    array_code,
    chiu,
    complete,
    cyclic_lift,
    double_cover,
    field_lift,
    generalized_hexagon,
    generalized_quadrangle,
    lift,
    lps,
    margulis_gabber_galil,
    morgenstern,
    projective_plane,
    random_biregular,
    random_lift,
    two_lift,
)
from rbgp_graphs.encoding import dumps, load, loads, save
from rbgp_graphs.errors import (
    ArgumentError,
    ArgumentTypeError,
    BackendError,
    FormatError,
    InfeasibleError,
    MissingDependencyError,
    RBGPError,
)
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.selection import design, families, ramanujan
from rbgp_graphs.spectral import verify

if TYPE_CHECKING:
    from rbgp_graphs import viz

__all__ = [
    "RBGP4",
    "ArgumentError",
    "ArgumentTypeError",
    "BackendError",
    "BipartiteGraph",
    "FormatError",
    "InfeasibleError",
    "MissingDependencyError",
    "RBGPError",
    "TensorProduct",
    "affine_plane",
    "array_code",
    "chiu",
    "complete",
    "constructions",
    "cyclic_lift",
    "design",
    "double_cover",
    "dumps",
    "encoding",
    "export",
    "families",
    "field_lift",
    "generalized_hexagon",
    "generalized_quadrangle",
    "gpu",
    "lift",
    "load",
    "loads",
    "lps",
    "margulis_gabber_galil",
    "morgenstern",
    "products",
    "projective_plane",
    "ramanujan",
    "random_biregular",
    "random_lift",
    "save",
    "spectral",
    "two_lift",
    "verify",
    "viz",
]


def __getattr__(name: str) -> Any:
    if name == "viz":  # Loaded at first use: it takes a quarter of the package's own import time.
        import importlib

        return importlib.import_module("rbgp_graphs.viz")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

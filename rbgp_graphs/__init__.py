"""Ramanujan graphs, their products as sparsity patterns, and matmul with them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rbgp_graphs import bench, constructions, encoding, export, gpu, nn, products, spectral, viz
    from rbgp_graphs.constructions import (
        abelian_cover,
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
    from rbgp_graphs.selection import design, design_space, families, ramanujan
    from rbgp_graphs.spectral import verify

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
    "abelian_cover",
    "affine_plane",
    "array_code",
    "bench",
    "chiu",
    "complete",
    "constructions",
    "cyclic_lift",
    "design",
    "design_space",
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
    "nn",
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

_MODULES = {
    "abelian_cover": "rbgp_graphs.constructions",
    "affine_plane": "rbgp_graphs.constructions",
    "array_code": "rbgp_graphs.constructions",
    "chiu": "rbgp_graphs.constructions",
    "complete": "rbgp_graphs.constructions",
    "cyclic_lift": "rbgp_graphs.constructions",
    "double_cover": "rbgp_graphs.constructions",
    "field_lift": "rbgp_graphs.constructions",
    "generalized_hexagon": "rbgp_graphs.constructions",
    "generalized_quadrangle": "rbgp_graphs.constructions",
    "lift": "rbgp_graphs.constructions",
    "lps": "rbgp_graphs.constructions",
    "margulis_gabber_galil": "rbgp_graphs.constructions",
    "morgenstern": "rbgp_graphs.constructions",
    "projective_plane": "rbgp_graphs.constructions",
    "random_biregular": "rbgp_graphs.constructions",
    "random_lift": "rbgp_graphs.constructions",
    "two_lift": "rbgp_graphs.constructions",
    "dumps": "rbgp_graphs.encoding",
    "load": "rbgp_graphs.encoding",
    "loads": "rbgp_graphs.encoding",
    "save": "rbgp_graphs.encoding",
    "ArgumentError": "rbgp_graphs.errors",
    "ArgumentTypeError": "rbgp_graphs.errors",
    "BackendError": "rbgp_graphs.errors",
    "FormatError": "rbgp_graphs.errors",
    "InfeasibleError": "rbgp_graphs.errors",
    "MissingDependencyError": "rbgp_graphs.errors",
    "RBGPError": "rbgp_graphs.errors",
    "BipartiteGraph": "rbgp_graphs.graph",
    "RBGP4": "rbgp_graphs.products",
    "TensorProduct": "rbgp_graphs.products",
    "design": "rbgp_graphs.selection",
    "design_space": "rbgp_graphs.selection",
    "families": "rbgp_graphs.selection",
    "ramanujan": "rbgp_graphs.selection",
    "verify": "rbgp_graphs.spectral",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import what is asked for, when it is asked for (PEP 562)."""
        if name in _MODULES:
            value = getattr(importlib.import_module(_MODULES[name]), name)
        elif name in __all__:
            value = importlib.import_module(f"{__name__}.{name}")
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return [*globals(), *__all__]

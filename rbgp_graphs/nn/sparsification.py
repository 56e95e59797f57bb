"""Sparse layers in the place of the dense ones of a model."""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from rbgp_graphs._validation import as_fraction_of_one, as_generator
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.export import apply_mask
from rbgp_graphs.nn.compact import choose_pattern
from rbgp_graphs.nn.conv2d import RBGP4Conv2d, Via, why_not_convertible
from rbgp_graphs.nn.linear import RBGP4Linear
from rbgp_graphs.products import RBGP4, block_sparse, unstructured
from rbgp_graphs.selection import design
from rbgp_graphs.selection.feasible import is_connectable

if TYPE_CHECKING:
    import numpy as np

    from rbgp_graphs.graph import BipartiteGraph

Structure = Literal["rbgp4", "block", "unstructured"]
Infeasible = Literal["raise", "nearest", "keep"]
#: Sides of the dense blocks of a random block mask, tried in this order.
_BLOCK_SIDES = (4, 2, 1)


@dataclass(frozen=True, kw_only=True)
class LayerChange:
    """What `sparsify` did with one layer.

    Attributes
    ----------
    name : str
        The full name in the model.
    shape : (int, int)
        Outputs, and inputs of each: the shape of the flattened weight.
    weights : int
        Weights that take part now.
    sparsity : float
        Share of zeros; 0.0 for a layer that stayed dense.
    reason : str or None
        Why the layer stayed dense, or None if it became sparse.
    """

    name: str
    shape: tuple[int, int]
    weights: int
    sparsity: float
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class SparsifyReport:
    """What `sparsify` did with a model; printing it shows a table.

    Attributes
    ----------
    layers : tuple of LayerChange
        Every linear layer and convolution, in the order of the model.
    """

    layers: tuple[LayerChange, ...]

    @property
    def weights_before(self) -> int:
        """Number of weights of these layers when all were dense."""
        return sum(math.prod(layer.shape) for layer in self.layers)

    @property
    def weights_after(self) -> int:
        """Number of weights of these layers now."""
        return sum(layer.weights for layer in self.layers)

    @property
    def density(self) -> float:
        """`weights_after` over `weights_before`."""
        return self.weights_after / self.weights_before if self.layers else 1.0

    def __str__(self) -> str:
        width = max([5, *(len(layer.name) for layer in self.layers)])
        lines = [f"{'layer':<{width}}  {'shape':>12}  {'weights':>10}  {'zeros':>8}"]
        for layer in self.layers:
            shape = f"{layer.shape[0]} x {layer.shape[1]}"
            state = (
                f"{layer.sparsity:8.2%}" if layer.reason is None else f"   dense: {layer.reason}"
            )
            lines.append(f"{layer.name:<{width}}  {shape:>12}  {layer.weights:>10,}  {state}")
        lines.append(
            f"{self.weights_after:,} of {self.weights_before:,} weights: {self.density:.2%}"
        )
        return "\n".join(lines)


def sparsify(
    model: torch.nn.Module,
    rules: float | Mapping[str, float | RBGP4 | None],
    *,
    structure: Structure = "rbgp4",
    keep_first: bool = True,
    keep_last: bool = True,
    infeasible: Infeasible = "raise",
    weights: Literal["reset", "keep"] = "reset",
    via: Via = "unfold",
    rng: Any = 0,
    **options: Any,
) -> SparsifyReport:
    """Make the linear layers and convolutions of a model sparse, in place.

    Parameters
    ----------
    model : torch.nn.Module
        The model. It contains the layers; it is not one itself.
    rules : float, or dict from str to float, RBGP4 or None
        Patterns of layer names as in `fnmatch` (``"features.*"``) and what to do with the layers
        they match: a share of zeros, a pattern, or None to stay dense. The last rule that
        matches a layer counts; a layer without a rule stays dense. A number alone is meant for
        all layers.
    structure : {"rbgp4", "block", "unstructured"}
        "rbgp4": layers with compact weights. The others keep the dense layers and put a random
        mask with as many nonzeros on them, for comparison: "unstructured" ones of single
        entries, "block" ones of dense blocks of 4 x 4, or of 2 x 2 or single entries where
        those do not fit (see `rbgp_graphs.products.unstructured`,
        `rbgp_graphs.products.block_sparse` and `rbgp_graphs.export.apply_mask`).
    keep_first, keep_last : bool
        Whether the first and the last of all these layers stay dense, whatever the rules say.
    infeasible : {"raise", "nearest", "keep"}
        What to do where no pattern has the shape and the share of zeros: raise, take the
        nearest smaller share of zeros that is possible, or leave the layer dense.
    weights : {"reset", "keep"}
        Draw new weights for the fan-in that is left, or keep those of the dense layer.
    via : {"unfold", "dense"}
        How sparse convolutions compute (see `rbgp_graphs.nn.RBGP4Conv2d`).
    rng : int, numpy.random.Generator or None
        Source of randomness. Layers of equal shape and rule share one RBGP4 pattern; each
        random mask is drawn by itself.
    **options
        Passed on to `rbgp_graphs.design`.

    Returns
    -------
    SparsifyReport
        What became of each layer.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If a rule matches no layer or its share of zeros or pattern does not fit. The model has
        not changed then, nor after the next error.
    InfeasibleError
        If a layer allows no such pattern and `infeasible` is "raise".

    Notes
    -----
    Layers stay dense if they have groups or another padding than zeros, share their weight with
    another layer, already have a parametrization, or are of a class derived from
    `torch.nn.Linear` or `torch.nn.Conv2d`, whose users may rely on its weight.

    Examples
    --------
    >>> from torch import nn
    >>> model = nn.Sequential(
    ...     nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)
    ... )
    >>> print(sparsify(model, 0.9375))
    layer         shape     weights     zeros
    0          256 x 64      16,384     dense: the first layer
    2         256 x 256       4,096    93.75%
    4          10 x 256       2,560     dense: the last layer
    23,040 of 84,480 weights: 27.27%
    >>> model[2]
    RBGP4Linear(in_features=256, out_features=256, bias=True, sparsity=0.9375, row_group=4)
    """
    if not isinstance(model, torch.nn.Module):
        raise ArgumentTypeError(f"model is a {type(model).__name__}, expected torch.nn.Module")
    for name, value, kind in (
        ("structure", structure, Structure),
        ("infeasible", infeasible, Infeasible),
        ("weights", weights, Literal["reset", "keep"]),
        ("via", via, Via),
    ):
        if value not in get_args(kind):
            allowed = ", ".join(repr(choice) for choice in get_args(kind))
            raise ArgumentError(f"{name} is {value!r}, expected one of {allowed}")
    choose = functools.lru_cache(maxsize=None)(
        functools.partial(_pattern_for, infeasible=infeasible, rng=rng, options=options)
    )
    plans = _plan(model, _as_rules(rules), keep_first, keep_last, choose)
    generator = as_generator(rng)
    changes = []
    for plan in plans:
        changes.append(plan.as_change())
        if plan.pattern is None:
            continue
        if structure == "rbgp4":
            _replace(model, plan.layer, _sparse_layer(plan.layer, plan.pattern, weights, via))
        else:
            mask = _random_mask(plan.pattern, structure, generator)
            _mask(plan.layer, mask, weights)
    return SparsifyReport(layers=tuple(changes))


# Planning -----------------------------------------------------------------------------------

Rules = dict[str, float | RBGP4 | None]
Layer = torch.nn.Linear | torch.nn.Conv2d


@dataclass(frozen=True, kw_only=True)
class _Plan:
    name: str
    layer: Layer
    pattern: RBGP4 | None
    reason: str | None

    def as_change(self) -> LayerChange:
        rows, cols = _matrix_shape(self.layer)
        dense = self.pattern is None
        return LayerChange(
            name=self.name,
            shape=(rows, cols),
            weights=rows * cols if self.pattern is None else self.pattern.nnz,
            sparsity=0.0 if self.pattern is None else self.pattern.sparsity,
            reason=self.reason if dense else None,
        )


def _as_rules(rules: Any) -> Rules:
    if not isinstance(rules, Mapping):
        return {"*": as_fraction_of_one("rules", rules)}
    table: Rules = {}
    for glob, rule in rules.items():
        if not isinstance(glob, str):
            raise ArgumentTypeError(f"the rule {glob!r} is not named by a str")
        if rule is None or isinstance(rule, RBGP4):
            table[glob] = rule
        else:
            table[glob] = as_fraction_of_one(f"the rule for {glob!r}", rule)
    return table


def _plan(
    model: torch.nn.Module,
    rules: Rules,
    keep_first: bool,
    keep_last: bool,
    choose: Callable[[int, int, float | RBGP4], RBGP4 | None],
) -> list[_Plan]:
    """Decide about every layer, without a change to the model."""
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if name and isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))
    ]
    names = [name for name, _ in layers]
    for glob in rules:
        if not fnmatch.filter(names, glob):
            raise ArgumentError(
                f"the rule {glob!r} matches no linear layer or convolution; there are "
                f"{', '.join(names) or 'none in the model'}"
            )
    owners = Counter(
        id(parameter)
        for module in model.modules()
        for parameter in module.parameters(recurse=False)
    )
    plans = []
    for name, layer in layers:
        matching = [rule for glob, rule in rules.items() if fnmatch.fnmatchcase(name, glob)]
        rule = matching[-1] if matching else None
        reason = _why_dense(layer, owners)
        if keep_first and name == names[0]:
            reason = "the first layer"
        elif keep_last and name == names[-1]:
            reason = "the last layer"
        elif rule is None:
            reason = "no rule" if not matching else "the rule says so"
        pattern = None
        if reason is None and rule is not None:
            try:
                pattern = choose(*_matrix_shape(layer), rule)
            except (ArgumentError, InfeasibleError) as error:
                raise type(error)(f"layer {name!r}: {error}") from error
            reason = "no such pattern" if pattern is None else None
        plans.append(_Plan(name=name, layer=layer, pattern=pattern, reason=reason))
    return plans


def _why_dense(layer: Layer, owners: Counter[int]) -> str | None:
    """Return why a layer cannot become sparse, or None if it can."""
    if type(layer) not in (torch.nn.Linear, torch.nn.Conv2d):
        return f"a {type(layer).__name__}"
    if owners[id(layer.weight)] > 1:
        return "it shares its weight"
    return why_not_convertible(layer) if isinstance(layer, torch.nn.Conv2d) else None


def _matrix_shape(layer: Layer) -> tuple[int, int]:
    if isinstance(layer, torch.nn.Linear):
        return layer.out_features, layer.in_features
    return layer.out_channels, layer.in_channels // layer.groups * math.prod(layer.kernel_size)


def _pattern_for(
    rows: int,
    cols: int,
    rule: float | RBGP4,
    *,
    infeasible: Infeasible,
    rng: Any,
    options: dict[str, Any],
) -> RBGP4 | None:
    """Return the pattern of one layer, or None if it stays dense."""
    if isinstance(rule, RBGP4):
        return choose_pattern(rows, cols, rule, None)
    try:
        return design(rows, cols, rule, rng=rng, **options)
    except InfeasibleError:
        if infeasible == "raise":
            raise
    if infeasible == "keep":
        return None
    step = cols // math.gcd(rows, cols)
    first = math.ceil((1 - rule) * cols / step) * step
    for degree in range(first, cols, step):
        if is_connectable(rows, cols, degree):
            with contextlib.suppress(InfeasibleError):
                return design(rows, cols, 1 - degree / cols, rng=rng, **options)
    return None


# Changes ------------------------------------------------------------------------------------


def _sparse_layer(
    layer: Layer, pattern: RBGP4, weights: Literal["reset", "keep"], via: Via
) -> RBGP4Linear | RBGP4Conv2d:
    sparse: RBGP4Linear | RBGP4Conv2d
    if isinstance(layer, torch.nn.Linear):
        sparse = RBGP4Linear.from_dense(layer, pattern)
    else:
        sparse = RBGP4Conv2d.from_dense(layer, pattern, via)
    if weights == "reset":
        sparse.reset_parameters()
    return sparse


def _replace(model: torch.nn.Module, old: torch.nn.Module, new: torch.nn.Module) -> None:
    """Put a layer into every place that holds the old one."""
    for parent in [*model.modules()]:
        for name, child in parent.named_children():
            if child is old:
                setattr(parent, name, new)


def _random_mask(
    pattern: RBGP4, structure: Literal["block", "unstructured"], generator: np.random.Generator
) -> BipartiteGraph:
    """Return a random mask of the shape of a pattern with as many nonzeros."""
    rows, cols = pattern.shape
    if structure == "unstructured":
        return unstructured(rows, cols, pattern.sparsity, rng=generator)
    side = next(
        s for s in _BLOCK_SIDES if rows % s == 0 and cols % s == 0 and pattern.nnz % s**2 == 0
    )
    return block_sparse(rows, cols, pattern.sparsity, (side, side), rng=generator)


def _mask(layer: Layer, mask: BipartiteGraph, weights: Literal["reset", "keep"]) -> None:
    if weights == "reset":
        bound = 1 / math.sqrt(mask.num_edges / mask.left)
        for parameter in layer.parameters(recurse=False):
            torch.nn.init.uniform_(parameter, -bound, bound)
    apply_mask(layer, mask)

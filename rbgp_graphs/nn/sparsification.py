"""Sparse layers in the place of the dense ones of a model."""

from __future__ import annotations

import contextlib
import fnmatch
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch.nn.utils import parametrize

from rbgp_graphs._validation import as_fraction_of_one, as_generator
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.export import apply_mask
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.nn.conv2d import RBGP4Conv2d, Via, why_not_convertible
from rbgp_graphs.nn.linear import RBGP4Linear
from rbgp_graphs.products import RBGP4, TensorProduct, block_sparse, unstructured
from rbgp_graphs.selection import design
from rbgp_graphs.selection.design import check_options
from rbgp_graphs.selection.feasible import is_connectable

if TYPE_CHECKING:
    import numpy as np

Mask = BipartiteGraph | TensorProduct
Rule = float | Mapping[str, Any] | Mask | None
Structure = Literal["rbgp4", "block", "unstructured"]
Infeasible = Literal["raise", "nearest", "keep"]
#: Sides of the dense blocks of a random block mask, tried in this order.
_BLOCK_SIDES = (4, 2, 1)
#: What every layer has; anything else was put there by the user or a library.
_PLAIN_ATTRIBUTES = frozenset(
    vars(torch.nn.Linear(1, 1)).keys() | vars(torch.nn.Conv2d(1, 1, 1)).keys()
)
#: Where a module keeps its hooks, and what they are called.
_HOOKS = {
    "_forward_pre_hooks": "forward pre-hook",
    "_forward_hooks": "forward hook",
    "_backward_pre_hooks": "backward pre-hook",
    "_backward_hooks": "backward hook",
    "_state_dict_pre_hooks": "state dict pre-hook",
    "_state_dict_hooks": "state dict hook",
    "_load_state_dict_pre_hooks": "pre-hook of load_state_dict",
    "_load_state_dict_post_hooks": "post-hook of load_state_dict",
}


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
    rules: float | Mapping[str, Rule],
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
    rules : float, or mapping of str to object
        Glob patterns of names, as in `fnmatch`, and what they ask for, as in
        `rbgp_graphs.export.masks_for_model`: a share of zeros; a dict of arguments of
        `rbgp_graphs.design`, as ``{"sparsity": 0.9375, "objective": "speed"}``; a pattern or a
        graph of the right shape; or None for a layer that stays dense. A layer is meant by its
        own name or that of its weight (``"features.3"`` or ``"features.3.weight"``). The last
        rule that matches a layer counts; a layer without one stays dense. A number alone is
        meant for all layers.
    structure : {"rbgp4", "block", "unstructured"}
        "rbgp4": layers with compact weights for all RBGP4 patterns. The others keep the dense
        layers and put a random mask with as many nonzeros on them, for comparison:
        "unstructured" ones of single entries, "block" ones of dense blocks of 4 x 4, or of 2 x 2
        or single entries where those do not fit (see `rbgp_graphs.products.unstructured`,
        `rbgp_graphs.products.block_sparse` and `rbgp_graphs.export.apply_mask`). A rule that is
        a graph or another product always puts itself as a mask on the dense layer.
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
        Passed on to `rbgp_graphs.design`; a rule that is a dict goes before.

    Returns
    -------
    SparsifyReport
        What became of each layer.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type, or a dict has keys that `rbgp_graphs.design` does not
        know.
    ArgumentError
        If a rule matches no layer, or its share of zeros or pattern does not fit, or a layer
        holds what would be lost: hooks, a parametrization, a mask of pruning, parameters or
        buffers of its own. Take them off, or give the layer the rule None.
    InfeasibleError
        If a layer allows no such pattern and `infeasible` is "raise".

    Notes
    -----
    After an error the model is as it was. New layers are on the device of the old ones and in
    their dtype and mode, and what was frozen (``requires_grad=False``) is. Make the optimizer
    afterwards: it would go on with the parameters of the old layers.

    Layers stay dense if they have groups, share weight or bias with another layer, or are of a
    class derived from `torch.nn.Linear` or `torch.nn.Conv2d`, whose users may rely on its weight.

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
    if isinstance(model, (torch.nn.Linear, torch.nn.Conv2d)):
        raise ArgumentError(
            f"model is itself a {type(model).__name__}, expected a model that contains layers; "
            "RBGP4Linear.from_dense and RBGP4Conv2d.from_dense convert one"
        )
    for name, value, kind in (
        ("structure", structure, Structure),
        ("infeasible", infeasible, Infeasible),
        ("weights", weights, Literal["reset", "keep"]),
        ("via", via, Via),
    ):
        if value not in get_args(kind):
            allowed = ", ".join(repr(choice) for choice in get_args(kind))
            raise ArgumentError(f"{name} is {value!r}, expected one of {allowed}")
    check_options(options)
    chooser = _Chooser(infeasible=infeasible, rng=rng, options=options)
    plans = _plan(model, _as_rules(rules), keep_first, keep_last, chooser)
    for plan in plans:
        stays = structure != "rbgp4" or not isinstance(plan.mask, RBGP4)
        held = None if plan.mask is None else _what_would_be_lost(plan.layer, stays=stays)
        if held is not None:
            raise ArgumentError(
                f"layer {plan.name!r} has {held}, which would be lost; take it off, or give the "
                "layer the rule None"
            )
    generator = as_generator(rng)
    changes = []
    for plan in plans:
        changes.append(plan.as_change())
        if plan.mask is None:
            continue
        if not isinstance(plan.mask, RBGP4):
            _mask(plan.layer, plan.mask, weights)
        elif structure == "rbgp4":
            _replace(model, plan.layer, _sparse_layer(plan.layer, plan.mask, weights, via))
        else:
            _mask(plan.layer, _random_mask(plan.mask, structure, generator), weights)
    return SparsifyReport(layers=tuple(changes))


# Planning -----------------------------------------------------------------------------------

Rules = dict[str, dict[str, Any] | Mask | None]
Layer = torch.nn.Linear | torch.nn.Conv2d


@dataclass(frozen=True, kw_only=True)
class _Plan:
    name: str
    layer: Layer
    mask: Mask | None
    reason: str | None

    def as_change(self) -> LayerChange:
        rows, cols = _matrix_shape(self.layer)
        weights = rows * cols if self.mask is None else _num_nonzeros(self.mask)
        return LayerChange(
            name=self.name,
            shape=(rows, cols),
            weights=weights,
            sparsity=1 - weights / (rows * cols) if weights else 0.0,
            reason=self.reason if self.mask is None else None,
        )


def _as_rules(rules: Any) -> Rules:
    if not isinstance(rules, Mapping):
        return {"*": {"sparsity": as_fraction_of_one("rules", rules)}}
    table: Rules = {}
    for glob, rule in rules.items():
        if not isinstance(glob, str):
            raise ArgumentTypeError(f"the rule {glob!r} is not named by a str")
        if rule is None or isinstance(rule, (BipartiteGraph, TensorProduct)):
            table[glob] = rule
            continue
        arguments = dict(rule) if isinstance(rule, Mapping) else {"sparsity": rule}
        if "sparsity" not in arguments:
            raise ArgumentTypeError(f"the rule for {glob!r} is {rule!r}, without a sparsity")
        share = as_fraction_of_one(f"the rule for {glob!r}", arguments.pop("sparsity"))
        check_options(arguments, f"the rule for {glob!r}: ")
        table[glob] = {**arguments, "sparsity": share}
    return table


def _plan(
    model: torch.nn.Module, rules: Rules, keep_first: bool, keep_last: bool, chooser: _Chooser
) -> list[_Plan]:
    """Decide about every layer, without a change to the model."""
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if name and isinstance(module, (torch.nn.Linear, torch.nn.Conv2d))
    ]
    names = [name for name, _ in layers]
    for name, layer in layers:
        if any(map(torch.nn.parameter.is_lazy, layer.parameters(recurse=False))):
            raise ArgumentError(
                f"layer {name!r} has no shape before the first forward pass of a lazy module"
            )
    for glob in rules:
        if not any(_is_meant(glob, name) for name in names):
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
        matching = [glob for glob in rules if _is_meant(glob, name)]
        rule = rules[matching[-1]] if matching else None
        reason = _why_dense(layer, owners)
        if keep_first and name == names[0]:
            reason = "the first layer"
        elif keep_last and name == names[-1]:
            reason = "the last layer"
        elif rule is None:
            reason = "no rule" if not matching else "the rule says so"
        mask = None
        if reason is None and rule is not None:
            try:
                mask = chooser.mask(*_matrix_shape(layer), matching[-1], rule)
            except (ArgumentError, ArgumentTypeError, InfeasibleError) as error:
                raise type(error)(f"layer {name!r}: {error}") from error
            reason = "no such pattern" if mask is None else None
        plans.append(_Plan(name=name, layer=layer, mask=mask, reason=reason))
    return plans


def _is_meant(glob: str, name: str) -> bool:
    return any(fnmatch.fnmatchcase(full, glob) for full in (name, f"{name}.weight"))


def _why_dense(layer: Layer, owners: Counter[int]) -> str | None:
    """Return why a layer cannot become sparse, or None if it can."""
    # A parametrized layer is of a class of its own, made from the one that it had.
    kind = parametrize.type_before_parametrizations(layer)
    if kind not in (torch.nn.Linear, torch.nn.Conv2d):
        return f"a {kind.__name__}"
    if owners[id(layer.weight)] > 1:
        return "it shares its weight"
    if layer.bias is not None and owners[id(layer.bias)] > 1:
        return "it shares its bias"
    return why_not_convertible(layer) if isinstance(layer, torch.nn.Conv2d) else None


def _what_would_be_lost(layer: Layer, *, stays: bool) -> str | None:
    """Return what a user has put on a layer that a sparse one would not have, or None.

    A layer that stays and gets a mask keeps its hooks, but has one weight to mask.
    """
    if parametrize.is_parametrized(layer):
        return "a parametrization"
    own = {name for name, _ in layer.named_parameters(recurse=False)}
    if "weight" not in own:
        return f"a weight that is computed from {', '.join(sorted(own - {'bias'}))}"
    own |= {name for name, _ in layer.named_buffers(recurse=False)}
    own |= {name for name, _ in layer.named_children()}
    if own - {"weight", "bias"}:
        return f"{', '.join(sorted(own - {'weight', 'bias'}))} besides weight and bias"
    if stays:
        return None
    if "forward" in vars(layer):
        return "a forward of its own"
    for name, what in _HOOKS.items():
        if getattr(layer, name, None):
            return f"a {what}"
    for parameter in layer.parameters(recurse=False):
        if getattr(parameter, "_backward_hooks", None) or getattr(
            parameter, "_post_accumulate_grad_hooks", None
        ):
            return "a hook on a parameter"
    return None


def _matrix_shape(layer: Layer) -> tuple[int, int]:
    if isinstance(layer, torch.nn.Linear):
        return layer.out_features, layer.in_features
    return layer.out_channels, layer.in_channels // layer.groups * math.prod(layer.kernel_size)


def _num_nonzeros(mask: Mask) -> int:
    return mask.num_edges if isinstance(mask, BipartiteGraph) else mask.nnz


@dataclass(frozen=True, kw_only=True)
class _Chooser:
    """Chooses masks by rules, the same one for equal shapes under one rule."""

    infeasible: Infeasible
    rng: Any
    options: dict[str, Any]
    chosen: dict[tuple[int, int, str], RBGP4 | None] = field(default_factory=dict)

    def mask(self, rows: int, cols: int, glob: str, rule: dict[str, Any] | Mask) -> Mask | None:
        """Return the mask of a layer, or None if it stays dense."""
        if not isinstance(rule, dict):
            if rule.shape != (rows, cols):
                raise ArgumentError(
                    f"pattern has shape {rule.shape}, expected ({rows}, {cols}): outputs and inputs"
                )
            return rule
        key = rows, cols, glob
        if key not in self.chosen:
            self.chosen[key] = self._design(rows, cols, {"rng": self.rng, **self.options, **rule})
        return self.chosen[key]

    def _design(self, rows: int, cols: int, arguments: dict[str, Any]) -> RBGP4 | None:
        share = arguments.pop("sparsity")
        try:
            return design(rows, cols, share, **arguments)
        except InfeasibleError:
            if self.infeasible == "raise":
                raise
        if self.infeasible == "keep":
            return None
        step = cols // math.gcd(rows, cols)
        first = math.ceil((1 - share) * cols / step) * step
        for degree in range(first, cols, step):
            if is_connectable(rows, cols, degree):
                with contextlib.suppress(InfeasibleError):
                    return design(rows, cols, 1 - degree / cols, **arguments)
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
    for name in vars(layer).keys() - _PLAIN_ATTRIBUTES:
        setattr(sparse, name, getattr(layer, name))
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


def _mask(layer: Layer, mask: Mask, weights: Literal["reset", "keep"]) -> None:
    if weights == "reset":
        bound = 1 / math.sqrt(max(_num_nonzeros(mask) / mask.shape[0], 1))
        for parameter in layer.parameters(recurse=False):
            torch.nn.init.uniform_(parameter, -bound, bound)
    apply_mask(layer, mask)

"""Sparse layers in the place of dense ones."""

from __future__ import annotations

import copy
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from rbgp_graphs import (
    ArgumentError,
    ArgumentTypeError,
    BipartiteGraph,
    InfeasibleError,
    design,
    random_biregular,
)
from rbgp_graphs.export import masks_for_model, to_numpy
from rbgp_graphs.nn import RBGP4Conv2d, RBGP4Linear, sparsify
from rbgp_graphs.nn.sparsification import Structure


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 4, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


IMAGES = torch.ones(2, 1, 4, 4)


def test_all_but_the_first_and_the_last_layer_become_sparse() -> None:
    model = network()
    report = sparsify(model, 0.75)
    assert isinstance(model[2], RBGP4Conv2d)
    assert isinstance(model[5], RBGP4Linear)
    assert (type(model[0]), type(model[7])) == (nn.Conv2d, nn.Linear)
    assert model(IMAGES).shape == (2, 10)
    reasons = [layer.reason for layer in report.layers]
    assert reasons == ["the first layer", None, None, "the last layer"]
    weights = sum(p.numel() for p in model.parameters() if p.ndim > 1)
    assert weights == report.weights_after
    assert report.weights_before == sum(p.numel() for p in network().parameters() if p.ndim > 1)
    assert report.density == report.weights_after / report.weights_before
    assert str(report).splitlines()[-1].endswith(f"weights: {report.density:.2%}")


def test_the_last_rule_that_matches_counts() -> None:
    model = network()
    pattern = design(64, 128, 0.5, row_group=1)
    report = sparsify(
        model,
        {"*": 0.75, "2": None, "5": pattern, "7": 0.5},
        keep_first=False,
        keep_last=False,
        infeasible="keep",
    )
    states = {layer.name: (layer.sparsity, layer.reason) for layer in report.layers}
    assert states == {
        "0": (0.0, "no such pattern"),
        "2": (0.0, "the rule says so"),
        "5": (0.5, None),
        "7": (0.5, None),
    }
    assert model[5].pattern == pattern


def test_a_layer_that_stands_twice_is_replaced_in_both_places() -> None:
    shared = nn.Linear(64, 64)
    model = nn.ModuleDict(
        {
            "first": nn.Linear(8, 64),
            "a": shared,
            "b": nn.Sequential(shared),
            "last": nn.Linear(64, 2),
        }
    )
    report = sparsify(model, 0.75)
    assert [layer.name for layer in report.layers] == ["first", "a", "last"]
    assert model["a"] is model["b"][0]  # type: ignore[index]
    assert isinstance(model["a"], RBGP4Linear)


def test_what_others_rely_on_stays_dense() -> None:
    attention = nn.MultiheadAttention(64, 4)
    tied, twin = nn.Linear(64, 64), nn.Linear(64, 64)
    twin.weight = tied.weight
    model = nn.ModuleList([attention, tied, twin, nn.Conv2d(64, 64, 3, groups=2)])
    before = copy.deepcopy(model)
    report = sparsify(model, 0.75, keep_first=False, keep_last=False)
    assert [layer.reason for layer in report.layers] == [
        "a NonDynamicallyQuantizableLinear",
        "it shares its weight",
        "it shares its weight",
        "it has 2 groups, expected 1",
    ]
    assert repr(model) == repr(before)


@pytest.mark.parametrize("structure", ["rbgp4", "block", "unstructured"])
def test_all_structures_have_the_same_number_of_weights(structure: Structure) -> None:
    model = network()
    report = sparsify(model, 0.75, structure=structure)
    x = torch.randn(2, 1, 4, 4)
    model(x).square().sum().backward()
    if structure == "rbgp4":
        counts = [model[2].values.numel(), model[5].values.numel()]
    else:
        counts = [int(model[k].weight.count_nonzero()) for k in (2, 5)]
        gradient = model[5].parametrizations.weight.original.grad
        assert not gradient[model[5].weight == 0].any()
    assert counts == [32 * 36, 64 * 32]
    assert report.weights_after == 16 * 9 + sum(counts) + 640


def test_weights_can_be_kept() -> None:
    model, dense = network(), network()
    sparsify(model, 0.75, weights="keep")
    kept = model[5].to_dense()
    torch.testing.assert_close(kept, dense[5].weight * (kept != 0))
    masked = network()
    sparsify(masked, 0.75, structure="block", weights="keep")
    torch.testing.assert_close(masked[5].weight, dense[5].weight * (masked[5].weight != 0))


def test_weights_are_drawn_anew_for_the_fan_in_that_is_left() -> None:
    for structure in get_args(Structure)[::2]:
        model = network()
        sparsify(model, 0.75, structure=structure)
        weight = model[5].values if structure == "rbgp4" else model[5].weight
        assert weight.abs().max().item() == pytest.approx(32**-0.5, rel=0.01)


def test_the_same_seed_gives_the_same_masks() -> None:
    masks = []
    for seed in (0, 0, 1):
        model = network()
        sparsify(model, 0.75, structure="unstructured", rng=seed)
        masks.append(model[5].weight != 0)
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_the_nearest_possible_share_of_zeros_is_found() -> None:
    model = nn.Sequential(nn.Linear(4, 16), nn.Linear(16, 24), nn.Linear(24, 2))
    with pytest.raises(InfeasibleError, match=r"layer '1': .*nearest"):
        sparsify(model, 0.95)
    assert type(model[1]) is nn.Linear
    report = sparsify(model, 0.95, infeasible="nearest")
    # 39 edges are the fewest that connect 16 and 24 vertices, and degrees are even.
    assert report.layers[1].sparsity == 1 - 2 / 16


# What is on a layer -------------------------------------------------------------------------


@pytest.mark.parametrize("structure", get_args(Structure))
def test_frozen_layers_stay_frozen_in_their_mode_and_dtype(structure: Structure) -> None:
    model = network().double()
    model[5].weight.requires_grad_(False)
    model[2].bias.requires_grad_(False)
    model[5].eval()
    sparsify(model, 0.75, structure=structure)
    frozen = [not p.requires_grad for k in (2, 5) for p in model[k].parameters()]
    assert sorted(frozen) == [False, False, True, True]
    assert not any(p.requires_grad for p in model[5].parameters() if p.ndim > 1)
    assert [model[k].training for k in (2, 5)] == [True, False]
    assert all(p.dtype == torch.float64 for p in model.parameters())


halve: Any = prune.l1_unstructured  # It has no annotations.
HELD: dict[str, Any] = {
    "a forward hook": lambda layer: layer.register_forward_hook(print),
    "a forward pre-hook": lambda layer: layer.register_forward_pre_hook(print),
    "a backward hook": lambda layer: layer.register_full_backward_hook(print),
    "a backward pre-hook": lambda layer: layer.register_full_backward_pre_hook(print),
    "a state dict hook": lambda layer: layer.register_state_dict_post_hook(lambda *_: None),
    "a state dict pre-hook": lambda layer: layer.register_state_dict_pre_hook(print),
    "a pre-hook of load": lambda layer: layer.register_load_state_dict_pre_hook(print),
    "a post-hook of load": lambda layer: layer.register_load_state_dict_post_hook(print),
    "a hook on a parameter": lambda layer: layer.bias.register_hook(print),
    "a weight that is computed from weight_orig": lambda layer: halve(layer, "weight", 0.5),
    "a parametrization": nn.utils.parametrizations.weight_norm,
    "scale besides weight": lambda layer: layer.register_buffer("scale", torch.ones(1)),
    "a forward of its own": lambda layer: setattr(layer, "forward", nn.functional.relu),
}


@pytest.mark.parametrize("held", HELD)
def test_what_would_be_lost_is_named_and_nothing_changes(held: str) -> None:
    model = network()
    HELD[held](model[5])
    before = repr(model)
    with pytest.raises(ArgumentError, match=rf"layer '5' has {held}.*the rule None"):
        sparsify(model, 0.75)
    assert repr(model) == before
    sparsify(model, {"*": 0.75, "5": None})
    assert isinstance(model[2], RBGP4Conv2d)


def test_other_attributes_are_carried_over() -> None:
    model: Any = network()
    model[2].tag, model[5].tag = "body", 7
    sparsify(model, 0.75)
    assert isinstance(model[2], RBGP4Conv2d)
    assert (model[2].tag, model[5].tag) == ("body", 7)


def test_a_shared_bias_stays_shared() -> None:
    model: Any = nn.Sequential(*(nn.Linear(16, 16) for _ in range(4)))
    model[1].bias = model[2].bias
    report = sparsify(model, 0.5)
    assert model[1].bias is model[2].bias
    assert [layer.reason for layer in report.layers][1:3] == ["it shares its bias"] * 2


@pytest.mark.parametrize("lazy", [nn.LazyLinear(16), nn.LazyConv2d(16, 3)])
def test_a_layer_without_a_shape_is_refused(lazy: Any) -> None:
    model = nn.Sequential(nn.Linear(16, 16), lazy, nn.Linear(16, 16))
    for choose in (sparsify, masks_for_model):
        with pytest.raises(ArgumentError, match=r"1.* has no shape before the first forward pass"):
            choose(model, 0.5)


@pytest.mark.parametrize("gradients", [True, False])
def test_a_transformer_computes_the_same_in_both_modes(gradients: bool) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, dim_feedforward=32, dropout=0.0, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=gradients)
    sparsify(model, 0.75, keep_first=False, keep_last=False)
    assert isinstance(model.layers[1].linear2, RBGP4Linear)
    x = torch.randn(2, 3, 16)
    with torch.set_grad_enabled(gradients):
        torch.testing.assert_close(model.eval()(x), model.train()(x))


def test_a_layer_that_gets_a_mask_keeps_its_hooks() -> None:
    model, seen = network(), []
    model[5].register_forward_hook(lambda *_: seen.append(1))
    sparsify(model, 0.75, structure="unstructured")
    model(IMAGES)
    assert seen == [1]
    for structure in get_args(Structure):
        with pytest.raises(ArgumentError, match="layer '2' has a parametrization"):
            sparsify(model, 0.75, structure=structure)


# Rules --------------------------------------------------------------------------------------


def test_rules_mean_what_they_mean_for_masks() -> None:
    pattern, graph = design(64, 64, 0.5), random_biregular(64, 64, 3)
    rules: dict[str, Any] = {
        "*.weight": 0.75,
        "body.[12].*": {"sparsity": 0.875, "row_group": 1, "rng": 5},
        "body.2.weight": None,
        "body.3": pattern,
        "body.4*": graph,
    }
    model = nn.ModuleDict({"body": nn.ModuleList([nn.Linear(64, 64) for _ in range(5)])})
    masks = masks_for_model(model, rules)
    report = sparsify(model, rules, keep_first=False, keep_last=False)
    body: Any = model["body"]
    assert {f"{layer.name}.weight": layer.sparsity for layer in report.layers} == {
        **{name: 1 - to_numpy(mask).mean() for name, mask in masks.items()},
        "body.2.weight": 0.0,
    }
    assert [body[k].pattern == masks[f"body.{k}.weight"] for k in (0, 1, 3)] == [True] * 3
    assert type(body[2]) is nn.Linear
    assert np.array_equal((body[4].weight != 0).numpy(), to_numpy(graph))


@pytest.mark.parametrize(
    ("rules", "options", "error", "match"),
    [
        (1.0, {}, ArgumentError, "rules is 1.0"),
        ("0.5", {}, ArgumentTypeError, "rules is '0.5'"),
        ({"features.*": 0.5}, {}, ArgumentError, "matches no linear layer.*0, 2, 5, 7"),
        ({3: 0.5}, {}, ArgumentTypeError, "not named by a str"),
        ({"5": design(64, 64, 0.5)}, {}, ArgumentError, "layer '5': pattern has shape"),
        ({"5": random_biregular(6, 6, 2)}, {}, ArgumentError, r"layer '5': .*expected \(64, 128\)"),
        ({"5": {}}, {}, ArgumentTypeError, "without a sparsity"),
        ({"5": {"sparsity": 0.5, "row": 1}}, {}, ArgumentTypeError, "rule for '5': .* 'row'"),
        ({"5": {"sparsity": 0.5, "block": 3}}, {}, ArgumentTypeError, "layer '5': block"),
        (0.5, {"row": 1}, ArgumentTypeError, "no argument 'row'"),
        (0.5, {"structure": "banded"}, ArgumentError, "structure is 'banded'"),
        (0.5, {"infeasible": "ignore"}, ArgumentError, "infeasible is 'ignore'"),
        (0.5, {"weights": "old"}, ArgumentError, "weights is 'old'"),
    ],
)
def test_wrong_arguments_change_nothing(
    rules: Any, options: Any, error: type[Exception], match: str
) -> None:
    model = network()
    with pytest.raises(error, match=match):
        sparsify(model, rules, **options)
    assert repr(model) == repr(network())


def test_an_empty_graph_leaves_the_bias_alone() -> None:
    model = nn.ModuleList([nn.Linear(4, 4)])
    empty = BipartiteGraph.from_edges([], shape=(4, 4))
    sparsify(model, {"0": empty}, keep_first=False, keep_last=False)
    y = model[0](torch.ones(1, 4))
    torch.testing.assert_close(y[0], model[0].bias)


def test_a_model_is_needed() -> None:
    with pytest.raises(ArgumentTypeError, match="dict"):
        sparsify({}, 0.5)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"itself a Linear.*from_dense"):
        sparsify(nn.Linear(64, 64), 0.5)


def masks_of(model: nn.Module) -> list[torch.Tensor]:
    return [mask.flatten(1) for name, mask in model.named_buffers() if name.endswith(".mask")]


@pytest.mark.parametrize("structure", ["unstructured", "block"])
def test_random_masks_have_exactly_as_many_ones(structure: Any) -> None:
    model = network()
    report = sparsify(model, 0.75, structure=structure)
    found = masks_of(model)
    assert [int(mask.sum()) for mask in found] == [
        layer.weights for layer in report.layers if layer.reason is None
    ]
    for mask in found:
        rows, cols = mask.shape
        blocks = mask.reshape(rows // 4, 4, cols // 4, 4)
        whole = blocks.all(3).all(1) == blocks.any(3).any(1)
        assert bool(whole.all()) == (structure == "block")


def test_blocks_become_smaller_where_larger_ones_do_not_fit() -> None:
    model = nn.Sequential(nn.Linear(18, 24), nn.Linear(24, 18))
    sparsify(model, 0.5, structure="block", keep_first=False, keep_last=False)
    for mask in masks_of(model):
        rows, cols = mask.shape
        blocks = mask.reshape(rows // 2, 2, cols // 2, 2)
        assert bool((blocks.all(3).all(1) == blocks.any(3).any(1)).all())


def test_every_layer_has_a_random_mask_of_its_own_and_seeds_repeat_them() -> None:
    drawn = []
    for rng in (3, np.int64(3), np.random.default_rng(3)):
        model = nn.Sequential(*(nn.Linear(32, 32) for _ in range(4)))
        sparsify(model, 0.75, structure="unstructured", rng=rng)
        drawn.append(masks_of(model))
        assert not bool((drawn[-1][0] == drawn[-1][1]).all())
    for mask, same in zip(*drawn[:2], strict=True):
        assert bool((mask == same).all())

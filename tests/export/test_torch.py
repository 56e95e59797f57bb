from __future__ import annotations

import copy
import io
import pickle
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError
from rbgp_graphs.export import (
    apply_mask,
    apply_masks,
    convert_state_dict,
    masks_for_model,
    read_mask,
    read_masks,
    to_torch,
)
from rbgp_graphs.export.entries import Exportable
from rbgp_graphs.export.torch import Layout
from rbgp_graphs.products import RBGP4, TensorProduct
from tests.export.test_entries import dense_of, exportables, values_of

torch = pytest.importorskip("torch", reason="PyTorch is optional")

LAYOUTS = get_args(Layout)
PATTERN = RBGP4(complete(2, 2), (2, 1), read_mask(np.eye(2)), (1, 2))


@given(exportables, st.sampled_from(LAYOUTS))
def test_every_layout_holds_the_same_matrix(obj: Exportable, layout: Any) -> None:
    mask = to_torch(obj, layout=layout)
    assert mask.dtype == torch.bool
    np.testing.assert_array_equal(dense(mask), dense_of(obj) > 0)
    weights = to_torch(obj, values_of(obj), layout=layout)
    assert weights.dtype == torch.float64
    np.testing.assert_array_equal(dense(weights), dense_of(obj))
    assert read_mask(mask) == read_mask(weights) == read_mask(dense_of(obj))


def dense(tensor: Any) -> Any:
    """Return the dense array of a tensor; PyTorch cannot convert empty blocks itself."""
    if tensor.layout == torch.strided:
        return tensor.numpy()
    if 0 in tensor.shape:
        return np.zeros(tensor.shape)
    return tensor.to_dense().numpy()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int8", "bool"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_dtype_survives(layout: Any, dtype: str) -> None:
    kind = getattr(torch, dtype)
    values = torch.arange(PATTERN.nnz).reshape(PATTERN.rows, -1).to(kind)
    tensor = to_torch(PATTERN, values, layout=layout)
    assert tensor.dtype == kind
    assert (tensor.to_dense()[torch.from_numpy(PATTERN.mask())] == values.ravel()).all()
    converted = to_torch(PATTERN, values.float(), layout=layout, dtype=kind)
    assert (converted.to_dense() == tensor.to_dense()).all()
    # The first value is a stored zero.
    mask = PATTERN.mask()
    mask[0, np.flatnonzero(mask[0])[0]] = False
    assert read_mask(tensor) == read_mask(mask)


@pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta")
def test_tensors_of_every_kind_are_read_as_masks() -> None:
    dense = to_torch(PATTERN, values_of(PATTERN, np.float32))
    coo = to_torch(PATTERN, layout="coo", dtype=torch.float32)
    sources = [
        torch.nn.Parameter(dense),
        dense.T.contiguous().T,
        torch._neg_view(dense),
        dense.to(torch.float8_e4m3fn),
        dense.to_sparse().requires_grad_(),
        coo + 2 * coo,
        dense.to_sparse_csc(),
        dense.to_sparse_bsc((1, 2)),
    ]
    for source in sources:
        assert read_mask(source) == read_mask(PATTERN)
    assert read_mask(torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, -1.0], (2, 2))).num_edges == 0


@pytest.mark.filterwarnings("ignore:Sparse .* tensor support is in beta")
def test_tensors_that_are_no_masks_are_refused() -> None:
    ones = torch.ones(2, 2)
    for source, message in (
        (ones.to("meta"), "source is a meta tensor"),
        (ones * torch.nan, "NaN"),
        (ones.to_sparse() * torch.nan, "NaN"),
        (torch.ones(2, 2, 3), r"shape \(2, 2, 3\), 3 dimensions, expected 2; flatten it with"),
        (torch.ones(2, 2, 3).to_sparse(), "3 dimensions, expected 2"),
        (ones.to_sparse(1), "hybrid tensor with 1 dense dimensions"),
        (torch.tensor(1), r"shape \(\), 0 dimensions|is a Tensor"),
    ):
        with pytest.raises(ArgumentError, match=message):
            read_mask(source)
    for columns, pointers in (([5, 0], [0, 1, 2]), ([-1, 0], [0, 1, 2]), ([0, 0], [0, 9, 2])):
        with torch.sparse.check_sparse_tensor_invariants(False):
            forged = torch.sparse_csr_tensor(pointers, columns, [1.0, 1.0], (2, 2))
        with pytest.raises(ArgumentError, match="source of type Tensor: "):
            read_mask(forged)


def test_the_blocks_of_bsr_are_those_of_the_pattern() -> None:
    tensor = to_torch(PATTERN, values_of(PATTERN), layout="bsr")
    assert tensor.values().shape == (PATTERN.nnz // 2, 1, 2)
    graph = to_torch(complete(2, 3), layout="bsr")
    assert graph.values().shape == (6, 1, 1)


@pytest.mark.parametrize("layout", ["csr", "bsr"])
def test_sparse_weights_multiply(layout: Any) -> None:
    # PyTorch multiplies on a CPU with square blocks only.
    pattern = RBGP4(complete(2, 2), (2, 1), read_mask(np.eye(2)), (2, 2))
    weights = to_torch(pattern, values_of(pattern, np.float32), layout=layout)
    x = torch.randn(5, pattern.cols)
    expected = x @ weights.to_dense().T
    torch.testing.assert_close(torch.nn.functional.linear(x, weights), expected)


def test_gradients_flow_to_the_values() -> None:
    values = torch.ones(PATTERN.rows, PATTERN.row_degree, dtype=torch.float64, requires_grad=True)
    factor = torch.randn(PATTERN.shape, dtype=torch.float64)
    (to_torch(PATTERN, values) * factor).sum().backward()
    expected = factor[torch.from_numpy(PATTERN.mask())].reshape(values.shape)
    assert (values.grad == expected).all()


def test_sparse_tensors_survive_torch_save() -> None:
    for layout in get_args(Layout):
        tensor = to_torch(PATTERN, values_of(PATTERN), layout=layout)
        stream = io.BytesIO()
        torch.save(tensor, stream)
        stream.seek(0)
        loaded = torch.load(stream, weights_only=True)
        assert (loaded.to_dense() == tensor.to_dense()).all()


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"layout is 'csc', expected one of strided, csr"):
        to_torch(PATTERN, layout="csc")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"values has shape \(3,\), expected \(8, 4\)"):
        to_torch(PATTERN, torch.ones(3))
    with pytest.raises(ArgumentTypeError, match="complex64"):
        to_torch(PATTERN, torch.ones(8, 4, dtype=torch.complex64))
    with pytest.raises(ArgumentTypeError, match="cannot be read as a tensor"):
        to_torch(PATTERN, [["a"]])
    with pytest.raises(ArgumentError, match="needs 64 bytes, more than max_bytes=63"):
        to_torch(PATTERN, max_bytes=63)
    with pytest.raises(ArgumentTypeError, match="expected a BipartiteGraph"):
        to_torch(torch.ones(2, 2))


# Masks on layers ----------------------------------------------------------------------------


def linear(**options: Any) -> Any:
    torch.manual_seed(0)
    return torch.nn.Linear(PATTERN.cols, PATTERN.rows, **options)


def train(layer: Any, steps: int = 3) -> Any:
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.randn(4, PATTERN.cols, generator=generator)
        optimizer.zero_grad()
        layer(x).square().sum().backward()
        optimizer.step()
    # Pruning computes the weight in the forward pass.
    layer(x)
    return layer.weight.detach()


@pytest.mark.parametrize("method", ["parametrize", "prune"])
def test_masked_weights_stay_zero_in_training(method: Any) -> None:
    layer = linear()
    start = layer.weight.detach().clone()
    assert apply_mask(layer, PATTERN, method=method) is layer
    mask = torch.from_numpy(PATTERN.mask())
    assert (layer.weight == torch.where(mask, start, 0)).all()
    assert (train(layer) != 0).equal(mask)


def test_both_methods_train_alike() -> None:
    results = [train(apply_mask(linear(), PATTERN, method=m)) for m in ("parametrize", "prune")]
    torch.testing.assert_close(*results, rtol=0, atol=0)


def test_a_parametrized_layer_can_be_copied_pickled_and_exported() -> None:
    layer = apply_mask(linear(), PATTERN)
    x = torch.randn(4, PATTERN.cols)
    for other in (copy.deepcopy(layer), torch.export.export(layer, (x,)).module()):
        torch.testing.assert_close(other(x), layer(x))
    parametrization = layer.parametrizations.weight[0]
    again = pickle.loads(pickle.dumps(parametrization))
    assert type(again) is type(parametrization)
    assert again.mask.dtype == torch.bool
    with torch.no_grad():
        layer.weight = torch.ones_like(layer.weight)
    assert layer.weight.equal(torch.from_numpy(PATTERN.mask()).float())


@pytest.mark.parametrize("method", ["parametrize", "prune"])
def test_convolutions_count_as_matrices(method: Any) -> None:
    layer = apply_mask(torch.nn.Conv2d(2, 8, (1, 4)), PATTERN, method=method)
    found = layer.weight.detach().reshape(8, -1) != 0
    np.testing.assert_array_equal(found.numpy(), PATTERN.mask())
    with pytest.raises(ArgumentError, match=r"shape \(8, 4, 1, 4\), a matrix of \(8, 16\)"):
        apply_mask(torch.nn.Conv2d(4, 8, (1, 4)), PATTERN)


@pytest.mark.parametrize("dtype", ["bfloat16", "float64"])
def test_layers_of_every_dtype_are_masked(dtype: str) -> None:
    layer = apply_mask(linear(dtype=getattr(torch, dtype)), PATTERN)
    assert layer.weight.dtype == getattr(torch, dtype)
    assert int((layer.weight != 0).sum()) == PATTERN.nnz


@pytest.mark.parametrize("method", ["parametrize", "prune"])
def test_a_whole_model_is_masked_or_nothing_of_it(method: Any) -> None:
    model = torch.nn.Sequential(
        linear(), torch.nn.Sequential(torch.nn.Conv2d(2, 8, 2)), torch.nn.Linear(8, 4)
    )
    masks = masks_for_model(model, {"*": 0.5, "2": None})
    before = [*model.state_dict()]
    wrong: tuple[tuple[str, Any, str], ...] = (
        ("3.weight", PATTERN, "model has no layer '3' for the mask '3.weight'"),
        ("2.weight", PATTERN, r"2.weight: weight has shape \(4, 8\)"),
        ("2.gain", PATTERN, r"2.gain: module has no parameter 'gain'"),
        ("2.weight", np.eye(4, 8), "2.weight: obj is a ndarray"),
    )
    for name, mask, message in wrong:
        with pytest.raises(ArgumentError, match=message):
            apply_masks(model, {**masks, name: mask}, method=method)
        assert [*model.state_dict()] == before
    assert apply_masks(model, masks, method=method) is model
    assert read_masks(model) == {name: read_mask(mask) for name, mask in masks.items()}
    layer = apply_masks(linear(), {"weight": PATTERN}, method=method)
    assert read_mask(layer) == read_mask(PATTERN)
    with pytest.raises(ArgumentTypeError, match="masks is a list, expected a dict by name"):
        apply_masks(model, [PATTERN])  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="model is a list, expected a torch"):
        apply_masks([model], masks)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensors_without_data_have_the_shape(layout: Any) -> None:
    tensor = to_torch(PATTERN, layout=layout, device="meta")
    assert (tensor.device.type, tensor.shape) == ("meta", PATTERN.shape)
    layer = apply_mask(linear(device="meta"), PATTERN)
    state = apply_mask(linear(), PATTERN).state_dict()
    layer.load_state_dict(state, assign=True)
    assert (layer.weight != 0).equal(torch.from_numpy(PATTERN.mask()))


def test_other_modules_are_masked() -> None:
    mask = RBGP4(complete(2, 2), (2, 1), read_mask(np.eye(2)), (2, 2))
    attention = apply_mask(
        torch.nn.MultiheadAttention(8, 2), read_mask(np.eye(24, 8)), name="in_proj_weight"
    )
    x = torch.randn(3, 1, 8)
    attention(x, x, x)[0].sum().backward()
    assert int((attention.in_proj_weight != 0).sum()) == 8
    lstm = apply_mask(torch.nn.LSTM(8, 4), read_mask(np.eye(16, 8)), name="weight_ih_l0")
    lstm(x)[0].sum().backward()
    assert int((lstm.parametrizations.weight_ih_l0.original.grad != 0).sum()) == 8
    assert int((apply_mask(torch.nn.Embedding(*mask.shape), mask).weight != 0).sum()) == mask.nnz


def test_state_dicts_go_from_each_convention_to_the_other() -> None:
    layers = {
        method: torch.nn.Sequential(linear(), torch.nn.BatchNorm1d(8), linear())
        for method in ("parametrize", "prune", "dense")
    }
    for method in ("parametrize", "prune"):
        apply_mask(layers[method][0], PATTERN, method=method)
        apply_mask(layers[method][2], PATTERN, method=method)
    torch.nn.init.normal_(layers["parametrize"][1].weight)
    state = layers["parametrize"].state_dict()
    assert state["0.parametrizations.weight.0.mask"].dtype == torch.bool
    x = torch.randn(4, PATTERN.cols)
    for target in ("prune", "parametrize", "dense"):
        state = convert_state_dict(state, target)
        layers[target].load_state_dict(state)
        torch.testing.assert_close(layers[target](x), layers["parametrize"](x))
    assert convert_state_dict(state) == state


def test_layers_with_compact_weights_become_dense_or_masked_ones() -> None:
    from rbgp_graphs.nn import RBGP4Conv2d, RBGP4Linear

    torch.manual_seed(0)
    sparse = torch.nn.Sequential(
        RBGP4Conv2d(4, 8, (2, 2), sparsity=0.5, via="dense"),
        torch.nn.Flatten(),
        RBGP4Linear(8, 8, sparsity=0.5, bias=False),
    )
    patterns = {"0.weight": sparse[0].pattern, "2.weight": sparse[2].pattern}
    x = torch.randn(3, 4, 2, 2)
    shapes = {"0.weight": (8, 4, 2, 2)}
    for method in ("dense", "parametrize", "prune"):
        dense = torch.nn.Sequential(
            torch.nn.Conv2d(4, 8, 2), torch.nn.Flatten(), torch.nn.Linear(8, 8, bias=False)
        )
        for name, pattern in patterns.items() if method != "dense" else ():
            apply_mask(dense[int(name[0])], pattern, method=method)  # type: ignore[arg-type]
        state = convert_state_dict(sparse.state_dict(), method, shapes=shapes)
        dense.load_state_dict(state)
        torch.testing.assert_close(dense(x), sparse(x))
        expected = {name: read_mask(pattern) for name, pattern in patterns.items()}
        assert read_masks(state) == expected
    with pytest.raises(ArgumentError, match=r"shapes\['0.weight'\] is \(8, 9\), but .* 8 x 16"):
        convert_state_dict(sparse.state_dict(), shapes={"0.weight": (8, 9)})
    assert convert_state_dict(sparse.state_dict(), "dense")["0.weight"].shape == (8, 16)
    state = sparse.state_dict()
    state["2._extra_state"][40] ^= 1
    with pytest.raises(FormatError, match=r"2\._extra_state: "):
        convert_state_dict(state)


def other_state() -> dict[str, Any]:
    """Return entries of ordinary checkpoints whose names look like those of masked weights."""
    normed = torch.nn.utils.parametrizations.spectral_norm(linear())
    return {
        "attention.causal_mask": torch.ones(1, 1, 4, 4, dtype=torch.bool),
        "attention.attn_mask": None,
        "image_orig": torch.ones(4, 4),
        "parametrizations.gain.0.mask": torch.ones(2, 2),
        "x_orig": 3,
        "x_mask": 4,
        "fp8._extra_state": torch.zeros(64, dtype=torch.uint8),
        "fp8.values": torch.ones(2, 2),
        "module._extra_state": {"scale": 1},
        **torch.nn.utils.spectral_norm(linear()).state_dict(prefix="old."),
        **normed.state_dict(prefix="new."),
        **torch.nn.utils.parametrizations.weight_norm(linear()).state_dict(prefix="wn."),
    }


@pytest.mark.parametrize("to", ["parametrize", "prune", "dense"])
def test_ordinary_entries_pass_through(to: Any) -> None:
    state = other_state()
    result = convert_state_dict(state, to)
    assert [*result.items()] == [*state.items()]
    both = {**state, **apply_mask(linear(), PATTERN).state_dict(prefix="m.")}
    converted = convert_state_dict(both, to)
    assert {key: converted[key] for key in state} == state
    assert len(converted) == len(state) + (2 if to == "dense" else 3)


def test_broken_state_dicts_are_refused() -> None:
    ones = torch.ones(2, 2)
    stem = "a.parametrizations.w"
    for state, message in (
        ({"w_orig": ones, "w_mask": ones[0]}, r"shape \(2, 2\) and its mask \(2,\)"),
        ({"w": ones, "w_orig": ones, "w_mask": ones}, "'w_orig' and 'w', which get one name"),
        ({"w_orig": ones.numpy(), "w_mask": ones}, "'w_orig' is a ndarray, expected a torch"),
        (
            {f"{stem}.original": ones, f"{stem}.0.mask": ones, f"{stem}.1._u": ones},
            "a.w has other parametrizations beside its mask, as 'a.parametrizations.w.1._u'",
        ),
    ):
        with pytest.raises(ArgumentError, match=message):
            convert_state_dict(state, "dense")
    with pytest.raises(ArgumentTypeError, match="state is a list"):
        convert_state_dict([])  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="to is 'plain', expected one of parametrize"):
        convert_state_dict({}, "plain")  # type: ignore[arg-type]


def test_layers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="module is a Tensor"):
        apply_mask(torch.ones(2, 2), PATTERN)
    with pytest.raises(ArgumentError, match=r"no parameter 'w' of its own, expected one of weight"):
        apply_mask(linear(), PATTERN, name="w")
    with pytest.raises(ArgumentError, match="masked already"):
        apply_mask(apply_mask(linear(), PATTERN), PATTERN)
    with pytest.raises(ArgumentError, match=r"shape \(8, 8\), a matrix of \(8, 8\), but .* 1 x 2"):
        apply_mask(linear(), complete(1, 2))
    with pytest.raises(ArgumentError, match="weight has no shape before the first forward pass"):
        apply_mask(torch.nn.LazyLinear(8), PATTERN)
    with pytest.raises(ArgumentError, match="method is 'hook'"):
        apply_mask(linear(), TensorProduct(complete(8, 8)), method="hook")  # type: ignore[arg-type]

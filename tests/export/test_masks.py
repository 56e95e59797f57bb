from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from scipy import sparse

from rbgp_graphs.constructions import complete
from rbgp_graphs.encoding import dumps
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError, InfeasibleError
from rbgp_graphs.export import (
    apply_mask,
    detect,
    masks_for_model,
    read_mask,
    read_masks,
    to_numpy,
    write,
    write_masks,
)
from rbgp_graphs.export.entries import Exportable
from rbgp_graphs.products import RBGP4, TensorProduct
from rbgp_graphs.selection import design
from tests.export.test_entries import dense_of, exportables, values_of

SHAPES = {"conv.weight": (8, 4, 1, 2), "a.weight": (8, 8), "a.bias": (8,), "b.weight": (4, 8)}


def test_the_last_rule_that_matches_counts() -> None:
    fixed = complete(4, 8)
    rules = {"*": 0.5, "a.*": {"sparsity": 0.75, "row_group": 1}, "conv*": None, "b.weight": fixed}
    masks = masks_for_model(SHAPES, rules)
    assert [*masks] == ["a.weight", "b.weight"]
    assert isinstance(masks["a.weight"], RBGP4)
    assert masks["a.weight"].sparsity == 0.75
    assert masks["b.weight"] is fixed
    assert masks_for_model(SHAPES, {}) == {}
    (conv,) = masks_for_model(SHAPES, {"conv.*": 0.5}).values()
    assert conv.shape == (8, 8)


def test_rules_name_weights_or_layers_or_nothing() -> None:
    assert [*masks_for_model(SHAPES, 0.5)] == ["conv.weight", "a.weight", "b.weight"]
    assert [*masks_for_model(SHAPES, {"*": 0.5, "conv": None, "[b]": 0.25})] == [
        "a.weight",
        "b.weight",
    ]
    sizes = {"a": (np.int64(8), 8), "b": np.ones((4, 2, 4)), "c": (8,)}
    found = masks_for_model(sizes, 0.5)
    assert {name: mask.shape for name, mask in found.items()} == {"a": (8, 8), "b": (4, 8)}
    assert masks_for_model({}, 0.5) == {}


def test_masks_of_a_torch_model_fit_its_layers() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is optional")
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 8, 2), torch.nn.BatchNorm2d(8), torch.nn.Linear(8, 4)
    )
    masks = masks_for_model(model, {"*.weight": 0.5})
    assert [*masks] == ["0.weight", "2.weight"]
    for name, mask in masks.items():
        apply_mask(model.get_submodule(name.rpartition(".")[0]), mask)
    assert float((model[0].weight != 0).float().mean()) == 0.5


def test_bad_rules_are_refused() -> None:
    for rules, error, message in (
        ({"c.*": 0.5}, ArgumentError, r"'c.\*' matches no weight; they are conv.weight, a.weight"),
        ({"a.*": complete(2, 2)}, ArgumentError, "a.weight: the mask is 2 x 2, expected 8 x 8"),
        ({"a.*": {"spars": 0.5}}, ArgumentTypeError, "a.weight: the rule .* has no sparsity"),
        (
            {"a": {"sparsity": 0.5, "groups": 2}},
            ArgumentTypeError,
            "a.weight: there is no argument 'groups'; design takes objective, row_group, block",
        ),
        ({"a": {"sparsity": 0.5, "rows": 2}}, ArgumentTypeError, "there is no argument 'rows'"),
        ({"a": 1.5}, ArgumentError, "a.weight: sparsity is 1.5"),
        ("0.5", ArgumentTypeError, "rules is '0.5'"),
        ({1: 0.5}, ArgumentTypeError, "expected a dict of glob patterns"),
        (None, ArgumentTypeError, "rules is None"),
        (2, ArgumentError, "rules is 2"),
        ({"a.*": "half"}, ArgumentTypeError, "a.weight: sparsity is 'half'"),
        ({"a.*": 0.01}, InfeasibleError, "a.weight: "),
        ([], ArgumentTypeError, r"rules is \[\]"),
    ):
        with pytest.raises(error, match=message):
            masks_for_model(SHAPES, rules)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="model is a list"):
        masks_for_model([], {})
    with pytest.raises(ArgumentTypeError, match="expected a name and a shape"):
        masks_for_model({"a": "bc"}, {})
    with pytest.raises(ArgumentTypeError, match="expected a name and a shape"):
        masks_for_model({"a": (-2, 2)}, {})
    with pytest.raises(ArgumentTypeError, match=r"model has the keys \[1\], expected names"):
        masks_for_model({1: (2, 2)}, {})


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_masks_go_there_and_back(tmp_path: Path, suffix: str) -> None:
    masks = masks_for_model(SHAPES, {"*": 0.5})
    path = tmp_path / f"masks{suffix}"
    write_masks(path, masks, shapes={"conv.weight": (8, 4, 1, 2)})
    found = read_masks(path)
    assert {*found} == {*masks}
    for name, mask in masks.items():
        assert found[name] == read_mask(to_numpy(mask))
        assert read_mask(path, name=name) == found[name]
    assert [*read_masks(path, names="a*")] == ["a.weight"]
    with pytest.raises(ArgumentError, match=r"name is 'x'; the tensors in .* are "):
        read_mask(path, name="x")
    if suffix == ".npz":
        assert np.load(path)["conv.weight"].shape == (8, 4, 1, 2)
    else:
        from safetensors.numpy import load_file

        with pytest.raises(ArgumentError, match=r"no name is given; the tensors in .* are "):
            read_mask(path)
        assert load_file(path)["conv.weight"].shape == (8, 4, 1, 2)
    with pytest.raises(ArgumentError, match="exists already"):
        write_masks(path, masks, overwrite=False)
    with pytest.raises(ArgumentError, match=r"shapes\['a.weight'\] is \(8, 9\), but"):
        write_masks(path, masks, shapes={"a.weight": (8, 9)})
    with pytest.raises(ArgumentError, match="more than max_bytes"):
        write_masks(path, masks, max_bytes=100)


def test_other_suffixes_and_types_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"suffix '.pt', expected .safetensors or .npz"):
        write_masks(tmp_path / "m.pt", {})
    with pytest.raises(ArgumentTypeError, match="masks is a list"):
        write_masks(tmp_path / "m.npz", [])  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"suffix '.csv', expected one of .safetensors"):
        read_masks(tmp_path / "m.csv")
    with pytest.raises(ArgumentError, match="No such file"):
        read_masks(tmp_path / "m.npz")


# safetensors --------------------------------------------------------------------------------


@given(obj=exportables)
def test_safetensors_reads_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, obj: Exportable
) -> None:
    load_file = pytest.importorskip("safetensors.numpy").load_file
    path = tmp_path_factory.getbasetemp() / "mask.safetensors"
    write(path, obj)
    np.testing.assert_array_equal(load_file(path)["mask"], dense_of(obj) > 0)
    before = path.read_bytes()
    write(path, obj)
    assert path.read_bytes() == before
    assert read_mask(path) == read_mask(dense_of(obj))
    for dtype in (np.float16, np.float32, np.int64):
        write(path, obj, values_of(obj).astype(dtype))
        np.testing.assert_array_equal(load_file(path)["weight"], dense_of(obj).astype(dtype))
        assert read_mask(path) == read_mask(dense_of(obj))


def safetensors(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


ENTRY = b'"w":{"dtype":"%s","shape":%s,"data_offsets":[0,%d]}'
FORGED_SAFETENSORS = {
    "empty": (b"", "not a valid"),
    "with a huge header": (struct.pack("<Q", 2**60) + b"{}", "not a valid"),
    "without JSON": (safetensors(b"x"), "not a valid"),
    "that lies about the shape": (
        safetensors(b"{" + ENTRY % (b"F32", b"[99999999,9999999]", 4) + b"}", b"1234"),
        "not a valid",
    ),
    "whose shape overflows": (
        safetensors(b"{" + ENTRY % (b"F32", b"[4294967296,4294967296,4294967296]", 0) + b"}"),
        "not a valid",
    ),
    "with a hole": (
        safetensors(b"{" + ENTRY % (b"U8", b"[1,4]", 4) + b"}", b"12345"),
        "not a valid",
    ),
    "of complex numbers": (
        safetensors(b"{" + ENTRY % (b"C64", b"[1,1]", 8) + b"}", bytes(8)),
        "w has dtype C64",
    ),
    "with NaN": (
        safetensors(b"{" + ENTRY % (b"BF16", b"[1,1]", 2) + b"}", b"\xc0\x7f"),
        "w holds NaN",
    ),
    "of one dimension": (
        safetensors(b"{" + ENTRY % (b"U8", b"[4]", 4) + b"}", b"1234"),
        r"w has shape \(4,\), expected two",
    ),
    "of a long header": (
        safetensors(b"{" + b'"x":{},' * 800_000 + b"}"),
        "items, expected at most 1048576",
    ),
}


@pytest.mark.parametrize("case", FORGED_SAFETENSORS)
def test_forged_safetensors_are_refused(tmp_path: Path, case: str) -> None:
    pytest.importorskip("safetensors")
    data, message = FORGED_SAFETENSORS[case]
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=message):
        read_mask(path)


@pytest.mark.parametrize(
    ("dtype", "one"),
    [
        ("BOOL", b"\x01"),
        ("U8", b"\x02"),
        ("I64", b"\xff" * 8),
        ("F16", b"\x01\x00"),
        ("BF16", b"\x01\x80"),
        ("F8_E4M3", b"\x01"),
        ("F8_E5M2", b"\x81"),
        ("F64", b"\0" * 7 + b"\x3f"),
    ],
)
def test_every_dtype_of_safetensors_is_read(tmp_path: Path, dtype: str, one: bytes) -> None:
    pytest.importorskip("safetensors")
    # Minus zero is zero; an integer has none.
    zero = bytes(len(one) - 1) + (b"\x80" if "F" in dtype else b"\0")
    header = b"{" + ENTRY % (dtype.encode(), b"[1,2]", 2 * len(one)) + b"}"
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors(header, zero + one))
    assert read_mask(path).edges.tolist() == [[0, 1]]
    with pytest.raises(FormatError, match="more than max_bytes"):
        read_mask(path, max_bytes=len(header))


# Checkpoints of PyTorch ---------------------------------------------------------------------


def saved(path: Path, content: Any) -> Path:
    torch = pytest.importorskip("torch", reason="PyTorch is optional")
    torch.save(content, path)
    return path


@pytest.mark.parametrize("method", ["parametrize", "prune"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_checkpoints_of_masked_models_are_read(tmp_path: Path, method: Any, wrapped: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is optional")
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 8, 2), torch.nn.Linear(8, 4))
    masks = masks_for_model(model, {"*.weight": 0.5})
    for position, mask in enumerate(masks.values()):
        apply_mask(model[position], mask, method=method)
    state = model.state_dict()
    path = saved(tmp_path / "c.pt", {"epoch": 3, "state_dict": state} if wrapped else state)
    found = read_masks(path)
    assert {*found} == {"0.weight", "1.weight"}
    assert all(found[name] == read_mask(to_numpy(masks[name])) for name in masks)
    from safetensors.torch import save_file

    save_file(state, tmp_path / "c.safetensors")
    assert read_masks(tmp_path / "c.safetensors") == found


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "int8", "bool"])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_plain_weights_of_checkpoints_are_read(tmp_path: Path, dtype: str, suffix: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is optional")
    dense = torch.tensor([[0, 1, 0], [1, 0, 1]]).to(getattr(torch, dtype))
    path = saved(tmp_path / f"c{suffix}", {"w": dense, "b": dense[0], "n": torch.tensor(3)})
    assert read_mask(path, name="w") == read_mask([[0, 1, 0], [1, 0, 1]])
    assert [*read_masks(path)] == ["w"]
    assert read_mask(saved(path, dense)) == read_mask(dense.float())


def test_sparse_tensors_of_checkpoints_are_read(tmp_path: Path) -> None:
    from rbgp_graphs.export import to_torch

    pytest.importorskip("torch", reason="PyTorch is optional")
    graph = read_mask([[0, 1, 0], [1, 0, 1]])
    layouts: tuple[Any, ...] = ("coo", "csr", "bsr")
    for layout in layouts:
        path = saved(tmp_path / "c.pt", {"w": to_torch(graph, [1.0, 2, 3], layout=layout)})
        assert read_mask(path) == graph


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


def archive(data: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        file.writestr("c/data.pkl", data)
        file.writestr("c/byteorder", b"little")
        file.writestr("c/version", b"3\n")
    return stream.getvalue()


def test_pickles_are_refused_and_never_run(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is optional")
    target = tmp_path / "run"
    evil = pickle.dumps({"w": Evil(target)}, protocol=2)
    path = tmp_path / "c.pt"
    saved(path, {"w": Evil(target)})
    contents = {
        "the pickle names posix.mkdir": path.read_bytes(),
        "the pickle names posix.mkdir ": archive(evil),
        "not a valid .pt file": evil,
        "the opcode STACK_GLOBAL": archive(pickle.dumps(Evil(target), protocol=4)),
        "builtins.bytearray|__builtin__.bytearray": archive(pickle.dumps(bytearray(5), protocol=2)),
        "which torch.save never does": archive(evil, zipfile.ZIP_DEFLATED),
        "0 pickles": archive(evil).replace(b"data.pkl", b"data.pkx"),
        "not a valid .pt": archive(b"\x80\x02"),
    }
    for message, content in contents.items():
        path.write_bytes(content)
        with pytest.raises(FormatError, match=message.strip()):
            read_masks(path)
        with pytest.raises(FormatError):
            read_mask(path)
    assert not target.exists()


def test_tensors_that_are_larger_than_their_storage_are_refused(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is optional")
    path = saved(tmp_path / "c.pt", {"w": torch.ones(1, 1).expand(10**5, 10**5)})
    assert path.stat().st_size < 3000
    with pytest.raises(FormatError, match="needs 80000000000 bytes, more than max_bytes"):
        read_masks(path)
    index = torch.zeros(2, 1, dtype=torch.int64)
    thin = torch.sparse_coo_tensor(index, torch.ones(1), (10**6, 10**6))
    assert read_mask(saved(path, {"w": thin})).num_edges == 1
    with torch.sparse.check_sparse_tensor_invariants(False):
        many = (index.expand(2, 10**12), torch.ones(1).expand(10**12))
        huge = torch.sparse_coo_tensor(*many, (10**6, 10**6), is_coalesced=True)
        outside = torch.sparse_coo_tensor(index + 9, torch.ones(1), (9, 9))
    with pytest.raises(FormatError, match="more than max_bytes"):
        read_mask(saved(path, {"w": huge}))
    with pytest.raises(FormatError, match=r"w: .* index outside 9 x 9"):
        read_mask(saved(path, {"w": outside}))
    with pytest.raises(FormatError, match="w holds NaN"):
        read_mask(saved(path, {"w": torch.full((2, 2), torch.nan)}))
    with pytest.raises(FormatError, match="complex64"):
        read_mask(saved(path, {"w": torch.ones(2, 2, dtype=torch.complex64)}))
    pair = {"w_orig": torch.ones(2, 2), "w_mask": torch.ones(2)}
    with pytest.raises(FormatError, match=r"'w_orig' has shape \(2, 2\) and its mask \(2,\)"):
        read_masks(saved(path, pair))


def test_ordinary_checkpoints_have_no_masks(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is optional")
    ones = torch.ones(2, 2)
    state = {"a.causal_mask": ones, "b.weight_orig": ones, "c.parametrizations.w.original": ones}
    path = saved(tmp_path / "c.pt", {**state, "d.0.mask": ones, "b.weight_u": ones[0]})
    assert [*read_masks(path)] == [*state, "d.0.mask"]
    pruned = {"e.weight_orig": ones, "e.weight_mask": torch.eye(2), "e.bias": ones[0]}
    path = saved(path, {**state, **pruned})
    assert read_masks(path) == {"e.weight": read_mask(np.eye(2))}
    assert read_mask(path) == read_mask(path, name="e.weight") == read_mask(np.eye(2))
    assert read_mask(path, name="e.weight_orig").num_edges == 4


def test_layers_with_compact_weights_are_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is optional")
    from rbgp_graphs.nn import RBGP4Conv2d, RBGP4Linear

    pattern = design(16, 16, 0.75, twist=True)
    model = torch.nn.Sequential(
        RBGP4Linear(16, 16, pattern), torch.nn.Linear(16, 8), RBGP4Conv2d(4, 8, 2, sparsity=0.5)
    )
    expected = {
        "0.weight": read_mask(pattern.mask()),
        "2.weight": read_mask(model[2].pattern.mask()),
    }
    # A weight that happens to be zero is still one of the pattern.
    torch.nn.init.zeros_(model[0].values)
    state = model.state_dict()
    np.savez(tmp_path / "c.npz", **{key: value.numpy() for key, value in state.items()})
    pytest.importorskip("safetensors.torch").save_file(state, tmp_path / "c.safetensors")
    sources = [tmp_path / "c.npz", tmp_path / "c.safetensors", saved(tmp_path / "c.pt", state)]
    for source in (*sources, state, model):
        assert read_masks(source) == expected
        for name in ("0.weight", "0.values"):
            assert read_mask(source, name=name) == expected["0.weight"]
        assert [*read_masks(source, names="2*")] == ["2.weight"]
    assert read_mask(sources[0], name="1.weight").shape == (8, 16)
    for layer in (model[0], torch.nn.Sequential(model[0], torch.nn.ReLU()), pattern):
        found = detect(layer)
        assert (found.graph, found.distance) == (expected["0.weight"], 0)
        assert found.pattern is not None
        assert read_mask(found.pattern) == expected["0.weight"]
    with pytest.raises(ArgumentError, match=r"no name is given; the tensors in the Sequential are"):
        read_mask(model)
    with pytest.raises(FormatError, match="more than max_bytes=1000"):
        read_masks(model, max_bytes=1000)
    assert [*masks_for_model(model, 0.5)] == ["1.weight"]


def test_damaged_patterns_of_layers_are_refused() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is optional")
    from rbgp_graphs.nn import RBGP4Linear

    state = RBGP4Linear(16, 16, sparsity=0.5, bias=False).state_dict()
    content = state["_extra_state"]
    for place in range(8, len(content), 5):
        damaged = content.clone()
        damaged[place] ^= 1
        with pytest.raises(FormatError, match="_extra_state: "):
            read_masks({**state, "_extra_state": damaged})
    with pytest.raises(FormatError, match=r"values beside it have shape \(8, 8\)"):
        read_masks({**state, "values": state["values"][:8]})
    graph = torch.frombuffer(bytearray(dumps(complete(16, 16))), dtype=torch.uint8)
    with pytest.raises(FormatError, match="holds a BipartiteGraph, expected an RBGP4"):
        read_masks({**state, "_extra_state": graph})
    for other in (torch.zeros(99, dtype=torch.uint8), torch.zeros(9), {"scale": 1}, None):
        assert [*read_masks({**state, "_extra_state": other})] == ["values"]


def test_whatever_holds_named_masks_is_read() -> None:
    mask = np.array([[1, 0, 2], [0, 1, 0]])
    state = {
        "a": mask,
        "b": sparse.coo_array(mask),
        "c": read_mask(mask),
        "d": np.stack([mask, mask]),
        "e": mask[0],
        "epoch": 3,
        "name": "x",
    }
    assert read_masks(state) == {
        **dict.fromkeys("abc", read_mask(mask)),
        "d": read_mask(np.stack([mask, mask]).reshape(2, 6)),
    }
    assert read_masks({"model": state, "optimizer": {}}, names="b") == {"b": read_mask(mask)}
    assert read_mask({"w": mask, "bias": mask[0]}) == read_mask(mask)
    tree = {"params": {"dense": {"kernel": mask, "bias": mask[0]}, 0: {"exp_avg": mask}}}
    assert read_masks(tree) == {"params.dense.kernel": read_mask(mask)}
    assert [*masks_for_model({"body": {"0": {"weight": (8, 8)}}}, {"body.0": 0.5})] == [
        "body.0.weight"
    ]
    endless: dict[str, Any] = {"w": mask}
    endless["again"] = endless
    assert len(read_masks(endless)) == 16
    assert read_masks({}) == {}
    with pytest.raises(ArgumentError, match="no name is given; the tensors in the dict are none"):
        read_mask({})
    with pytest.raises(FormatError, match="w holds NaN"):
        read_masks({"w": np.full((2, 2), np.nan)})
    with pytest.raises(ArgumentTypeError, match="source is a list, expected a path, a dict of"):
        read_masks([mask])


def test_a_pattern_without_its_matrix_is_not_needed_for_rules() -> None:
    pattern = TensorProduct(complete(8, 8), complete(100, 100))
    assert masks_for_model({"w": pattern.shape}, {"w": pattern}) == {"w": pattern}

"""Digits, and CIFAR from files that the tests write."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs import ArgumentError, FormatError
from rbgp_graphs.nn import load_cifar, load_digits


def batch(
    count: int, *, key: bytes = b"labels", classes: int = 10, seed: int = 0
) -> dict[Any, Any]:
    """Return what a file of CIFAR holds."""
    rng = np.random.default_rng(seed)
    return {
        b"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8),
        key: rng.integers(0, classes, count).tolist(),
        b"batch_label": b"a batch",
        b"filenames": [f"{k}.png".encode() for k in range(count)],
    }


def write_cifar_10(folder: Path, protocol: int = 2) -> list[dict[Any, Any]]:
    names = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    batches = [batch(3 if name != "test_batch" else 2, seed=k) for k, name in enumerate(names)]
    for name, content in zip(names, batches, strict=True):
        (folder / name).write_bytes(pickle.dumps(content, protocol=protocol))
    return batches


def test_digits_are_split_evenly_and_standardized() -> None:
    images = load_digits(rng=0)
    assert (len(images.train), len(images.test)) == (1437, 360)
    assert images.test_labels.bincount().tolist() == [36] * 10
    assert images.train.mean().item() == pytest.approx(0, abs=1e-5)
    assert images.train.std().item() == pytest.approx(1, rel=1e-3)
    assert images.image_shape == (1, 8, 8)
    assert images.digest == load_digits(rng=0).digest != load_digits(rng=1).digest


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_cifar_10_is_read_in_order(tmp_path: Path, protocol: int) -> None:
    batches = write_cifar_10(tmp_path, protocol)
    images = load_cifar(tmp_path)
    assert (images.name, images.num_classes) == ("cifar-10", 10)
    labels = [label for one in batches[:5] for label in one[b"labels"]]
    assert images.train_labels.tolist() == labels
    assert images.test_labels.tolist() == batches[5][b"labels"]
    assert images.test.shape == (2, 3, 32, 32)
    pixels = np.concatenate([one[b"data"] for one in batches[:5]]).reshape(-1, 3, 32, 32)
    mean, spread = pixels.mean(axis=(0, 2, 3)), pixels.std(axis=(0, 2, 3))
    expected = (pixels - mean[:, None, None]) / spread[:, None, None]
    torch.testing.assert_close(images.train.double().numpy(), expected, rtol=1e-4, atol=1e-4)


def test_cifar_100_is_read_by_its_fine_labels(tmp_path: Path) -> None:
    for name, count in (("train", 5), ("test", 3)):
        content = batch(count, key=b"fine_labels", classes=100)
        content[b"coarse_labels"] = [0] * count
        (tmp_path / name).write_bytes(pickle.dumps(content, protocol=2))
    images = load_cifar(str(tmp_path))
    assert (images.name, images.num_classes) == ("cifar-100", 100)
    assert images.train_labels.tolist() == batch(5, classes=100)[b"labels"]


def test_an_array_in_column_order_is_read_right(tmp_path: Path) -> None:
    batches = write_cifar_10(tmp_path)
    batches[5][b"data"] = np.asfortranarray(batches[5][b"data"])
    plain = load_cifar(tmp_path)
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batches[5], protocol=2))
    assert load_cifar(tmp_path).digest == plain.digest


class _Runs:
    """Pickles to a call that leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_file_that_calls_a_function_is_refused_before_the_call(
    tmp_path: Path, protocol: int
) -> None:
    write_cifar_10(tmp_path)
    trap = tmp_path / "trap"
    hostile = {b"data": _Runs(trap), b"labels": []}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(hostile, protocol=protocol))
    with pytest.raises(FormatError, match=r"test_batch.*mkdir"):
        load_cifar(tmp_path)
    assert not trap.exists()
    # The trap is real: plain pickle falls into it.
    pickle.loads(pickle.dumps(_Runs(trap)))
    assert trap.exists()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda b: b.pop(b"data"), "data is no array"),
        (lambda b: b.update({b"data": b[b"data"][:, :10]}), "data is no array"),
        (lambda b: b.update({b"data": b[b"data"].astype(np.float64)}), "an array holds"),
        (lambda b: b.update({b"data": b"\0" * 3072}), "data is no array"),
        (lambda b: b.pop(b"labels"), "labels is no list of 2"),
        (lambda b: b.update({b"labels": [0]}), "labels is no list of 2"),
        (lambda b: b.update({b"labels": [0, 10]}), "from 0 to 9"),
        (lambda b: b.update({b"labels": [0, -1]}), "from 0 to 9"),
        (lambda b: b.update({b"labels": [0, True]}), "from 0 to 9"),
    ],
)
def test_a_batch_with_other_content_is_refused(tmp_path: Path, change: Any, match: str) -> None:
    batches = write_cifar_10(tmp_path)
    change(batches[5])
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batches[5], protocol=2))
    with pytest.raises(FormatError, match=match):
        load_cifar(tmp_path)


def test_a_file_without_a_dict_is_refused(tmp_path: Path) -> None:
    write_cifar_10(tmp_path)
    (tmp_path / "test_batch").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(FormatError, match="holds no dict"):
        load_cifar(tmp_path)


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data_batch_1").write_bytes(b"")
    with pytest.raises(ArgumentError, match="holds no CIFAR; cifar-10 has data_batch_1"):
        load_cifar(tmp_path)


DATA = pickle.dumps(batch(2), protocol=2)


@settings(max_examples=60)
@given(st.integers(0, len(DATA) - 1), st.integers(0, 256))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    folder = tmp_path_factory.mktemp("cifar")
    write_cifar_10(folder)
    cut = DATA[:place] if byte == 256 else DATA[:place] + bytes([byte]) + DATA[place + 1 :]
    (folder / "test_batch").write_bytes(cut)
    found = None
    with contextlib.suppress(FormatError):
        found = load_cifar(folder)
    assert found is None or found.test.shape[1:] == (3, 32, 32)

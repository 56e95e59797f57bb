from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs.errors import ArgumentError, ArgumentTypeError
from rbgp_graphs.products import banded, block_sparse, butterfly, n_of_m, unstructured

SIDES = st.integers(1, 40)


def dense(graph: Any) -> Any:
    return graph.biadjacency().toarray()


@settings(max_examples=40)
@given(SIDES, SIDES, st.floats(0, 1, exclude_max=True), st.integers(0, 3))
def test_unstructured_masks_have_the_sparsity(
    rows: int, cols: int, sparsity: float, seed: int
) -> None:
    graph = unstructured(rows, cols, sparsity, rng=seed)
    assert graph.shape == (rows, cols)
    assert graph.num_edges == round((1 - sparsity) * rows * cols)
    assert graph == unstructured(rows, cols, sparsity, rng=seed)


def test_unstructured_masks_are_equally_likely() -> None:
    generator = np.random.default_rng(0)
    seen = [dense(unstructured(2, 2, 0.5, rng=generator)).tobytes() for _ in range(1200)]
    _, counts = np.unique(seen, return_counts=True)
    assert len(counts) == 6
    # 200 expected each; five standard deviations.
    assert np.abs(counts - 200).max() < 5 * np.sqrt(200)


@settings(max_examples=40)
@given(SIDES, SIDES, st.integers(1, 4), st.integers(1, 4), st.floats(0, 0.99))
def test_blocks_are_full_or_empty(a: int, b: int, height: int, width: int, sparsity: float) -> None:
    graph = block_sparse(a * height, b * width, sparsity, (height, width))
    blocks = dense(graph).reshape(a, height, b, width).transpose(0, 2, 1, 3)
    full, some = blocks.all(axis=(2, 3)), blocks.any(axis=(2, 3))
    assert np.array_equal(full, some)
    assert full.sum() == round((1 - sparsity) * a * b)


@settings(max_examples=40)
@given(SIDES, SIDES, st.data())
def test_each_group_of_m_has_n(rows: int, groups: int, data: st.DataObject) -> None:
    m = data.draw(st.integers(1, 6))
    n = data.draw(st.integers(1, m))
    mask = dense(n_of_m(rows, groups * m, n, m))
    assert (mask.reshape(rows, groups, m).sum(axis=2) == n).all()


@settings(max_examples=40)
@given(st.integers(0, 5), st.integers(1, 3), st.integers(1, 3), st.data())
def test_the_butterfly_is_the_union_of_its_factors(
    depth: int, height: int, width: int, data: st.DataObject
) -> None:
    levels = data.draw(st.integers(0, depth))
    size = 2**depth
    # A butterfly factor of stride s: blocks of 2 s x 2 s made of diagonal matrices.
    blocks = np.eye(size, dtype=bool)
    for k in range(levels):
        one = np.kron(np.ones((2, 2)), np.eye(2**k))
        blocks |= np.kron(np.eye(size // 2 ** (k + 1)), one) > 0
    expected = np.kron(blocks, np.ones((height, width), dtype=bool))
    found = butterfly(size * height, size * width, (height, width), levels=levels)
    assert np.array_equal(dense(found), expected)
    assert found.degrees == ((levels + 1) * width, (levels + 1) * height)


@settings(max_examples=40)
@given(SIDES, SIDES, st.data())
def test_bands_are_rings_around_the_diagonal(rows: int, cols: int, data: st.DataObject) -> None:
    width = data.draw(st.integers(1, cols))
    mask = dense(banded(rows, cols, width))
    assert (mask.sum(axis=1) == width).all()
    for i, row in enumerate(mask):
        distance = (np.flatnonzero(row) - i * cols // rows + width // 2) % cols
        assert sorted(distance) == [*range(width)]


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: unstructured(0, 3, 0.5), ArgumentError, "rows is 0"),
        (lambda: unstructured(3, 3, 1.0), ArgumentError, "sparsity is 1.0"),
        (lambda: unstructured(1 << 16, 1 << 16, 0.5), ArgumentError, "too many cells"),
        (lambda: block_sparse(60, 64, 0.5), ArgumentError, "rows = 60; the nearest is 15"),
        (lambda: block_sparse(64, 64, 0.5, 16), ArgumentTypeError, "block is 16"),  # type: ignore[arg-type]
        (lambda: n_of_m(4, 10), ArgumentError, "m is 4, expected a divisor of cols = 10"),
        (lambda: n_of_m(4, 8, 5, 4), ArgumentError, "n is 5, expected at most 4"),
        (lambda: butterfly(12, 12), ArgumentError, "12 x 12 blocks"),
        (lambda: butterfly(8, 4), ArgumentError, "8 x 4 blocks"),
        (lambda: butterfly(8, 8, levels=4), ArgumentError, "levels is 4, expected at most 3"),
        (lambda: banded(4, 4, 5), ArgumentError, "width is 5, expected at most 4"),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: Any, match: str) -> None:
    with pytest.raises(error, match=match):
        make()

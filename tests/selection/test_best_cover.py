from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from rbgp_graphs.errors import InfeasibleError
from rbgp_graphs.selection.best_cover import (
    base_weights,
    best_cover,
    configurations,
    find,
    groups,
)
from rbgp_graphs.selection.build_catalogue import main, targets
from rbgp_graphs.selection.catalogue import Catalogue
from rbgp_graphs.selection.feasible import is_connectable
from rbgp_graphs.spectral import trace_bound


@pytest.mark.parametrize("size", [2, 3, 7, 8, 12, 16, 18, 36, 64])
def test_the_groups_have_the_order_that_is_asked_for(size: int) -> None:
    found = [*groups(size)]
    assert found[0] == (size,)
    assert all(math.prod(orders) == size and min(orders) >= 2 for orders in found)


@pytest.mark.parametrize("shape", [(16, 16, 6), (16, 32, 8), (12, 48, 16), (24, 24, 3)])
def test_the_weights_are_those_of_a_multigraph_with_the_degrees(
    shape: tuple[int, int, int],
) -> None:
    left, right, degree = shape
    for orders in configurations(shape):
        size = math.prod(orders)
        weights = base_weights(shape, size)
        assert weights is not None
        assert weights.shape == (left // size, right // size)
        assert {*weights.sum(axis=1)} == {degree}
        assert {*weights.sum(axis=0)} == {left * degree // right}
        assert weights.max() <= size
        np.testing.assert_array_equal(weights, base_weights(shape, size))


def test_the_best_cover_is_what_its_origin_finds_again() -> None:
    found = best_cover((12, 12, 5), 0.3)
    assert found is not None
    result, origin = found
    assert result.graph.degrees == (5, 5)
    again = find((12, 12, 5), tuple(origin["orders"]), origin["seed"], origin["steps"])
    assert again.graph == result.graph
    assert trace_bound(12, 12, 5) <= result.sigma2 < 0.6 * result.bound


def test_shapes_that_no_group_fits_have_none() -> None:
    assert best_cover((7, 9, 9), 1.0) is None
    with pytest.raises(InfeasibleError, match="no group of order 3"):
        find((3, 3, 1), (3,), 0, 10) if base_weights((6, 6, 1), 3) else find((6, 6, 1), (3,), 0, 1)


def test_the_targets_are_possible_and_come_once() -> None:
    shapes = [*targets()]
    assert len(shapes) == len({*shapes}) > 200
    assert all(is_connectable(*shape) for shape in shapes)


def test_the_script_writes_a_catalogue_and_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "catalogue.jsonl"
    words = ["build", "--out", str(file), "--effort", "0.3", "--only"]
    for shape in ((8, 8, 3), (6, 6, 4), (7, 7, 3)):
        monkeypatch.setattr("sys.argv", [*words, *map(str, shape)])
        main()
    # The projective plane of order 2 cannot be improved, so it is no record.
    assert [(r.left, r.degree) for r in Catalogue.read(file).records] == [(6, 4), (8, 3)]
    assert "(7, 7, 3): explicit 1.4142" in capsys.readouterr().out
    before = file.read_bytes()
    monkeypatch.setattr("sys.argv", [*words, "8", "8", "3", "--missing"])
    main()
    assert file.read_bytes() == before
    monkeypatch.setattr("sys.argv", [*words[:3], "--again"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "2 of 2 records found again" in capsys.readouterr().out
    line = file.read_text().splitlines()[1].replace('"seed":0', '"seed":7')
    file.write_text(line.replace('"seed":1', '"seed":7') + "\n")
    monkeypatch.setattr("sys.argv", [*words[:3], "--again"])
    with pytest.raises(SystemExit):
        main()
    assert "of 1 records found again" in capsys.readouterr().out

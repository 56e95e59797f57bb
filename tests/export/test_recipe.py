from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given

from rbgp_graphs.constructions import complete, lps
from rbgp_graphs.errors import ArgumentError, FormatError
from rbgp_graphs.export import read_mask, write
from rbgp_graphs.export.entries import Exportable
from rbgp_graphs.export.recipe import read_recipe
from rbgp_graphs.products import TensorProduct
from tests.export.test_entries import exportables


@given(obj=exportables)
def test_objects_go_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, obj: Exportable
) -> None:
    path = tmp_path_factory.getbasetemp() / "recipe.json"
    write(path, obj)
    with path.open("rb") as file:
        assert read_recipe(file, 10**6) == obj
    path.write_text(json.dumps(obj.recipe))
    with path.open("rb") as file:
        assert read_recipe(file, 10**6) == obj


def test_a_pattern_that_is_large_is_written_without_its_matrix(tmp_path: Path) -> None:
    pattern = TensorProduct(lps(3, 5), complete(1000, 1000))
    write(tmp_path / "large.json", pattern, max_bytes=100)
    with (tmp_path / "large.json").open("rb") as file:
        assert read_recipe(file, 10**6) == pattern
    with pytest.raises(FormatError, match="more than max_bytes"):
        read_mask(tmp_path / "large.json")


def test_forged_recipes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write(path, complete(2, 3))
    good = path.read_text()
    for text, message in (
        ("", "not JSON"),
        ("[1]", "not a JSON object"),
        (good.replace('"left": 2', '"left": 3'), "digest is not that"),
        (good.replace('"left": 2', '"left": 99999999999'), "goes beyond max_side"),
        (good.replace("complete", "__import__"), "no graph has the kind"),
        ('{"recipe": 3}', "expected an object"),
        ("[" * 10**5, "nested too deep"),
        ('{"kind": "rbgp4"}', "is missing"),
    ):
        path.write_text(text)
        with pytest.raises(FormatError, match=message):
            read_mask(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(FormatError, match=r"not a valid \.json"):
        read_mask(path)
    with pytest.raises(ArgumentError, match=r"\.json holds the mask only; expected one of .npz"):
        write(path, complete(1, 2), [1, 2])

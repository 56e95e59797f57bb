"""``rbgp generate`` and ``rbgp design``: what is asked for is what is written."""

from __future__ import annotations

from typing import Any

import pytest

import rbgp_graphs as rg
from tests.cli.running import Files, document, rbgp

FAMILIES = [
    (["complete", "3", "4"], rg.complete(3, 4)),
    (["lps", "3", "5"], rg.lps(3, 5)),
    (["lps", "13", "5", "--allow-small"], rg.lps(13, 5, allow_small=True)),
    (["field-lift", "5", "3"], rg.field_lift(5, 3)),
    (["field-lift", "3", "3", "--m", "2", "--j", "2"], rg.field_lift(3, 3, 2, 2)),
    (["projective-plane", "3"], rg.projective_plane(3)),
    (["array-code", "5", "2"], rg.array_code(5, 2)),
    (["affine-plane", "4"], rg.affine_plane(4)),
    (["generalized-quadrangle", "2", "4"], rg.generalized_quadrangle(2, 4)),
    (["generalized-hexagon", "2"], rg.generalized_hexagon(2)),
    (["chiu", "3"], rg.chiu(3)),
    (["morgenstern", "3", "2"], rg.morgenstern(3, 2)),
    (["margulis-gabber-galil", "5"], rg.margulis_gabber_galil(5)),
    (["random-biregular", "8", "12", "6"], rg.random_biregular(8, 12, 6, rng=0)),
    (["random-biregular", "8", "8", "3", "--rng", "5"], rg.random_biregular(8, 8, 3, rng=5)),
    (["ramanujan", "12", "12", "3"], rg.ramanujan(12, 12, 3)),
    (
        ["ramanujan", "10", "10", "3", "--method", "random", "--rng", "2"],
        rg.ramanujan(10, 10, 3, rng=2, method="random"),
    ),
]


@pytest.mark.parametrize(("args", "expected"), FAMILIES, ids=lambda value: str(value))
def test_the_file_holds_the_graph_and_the_facts_are_its_own(
    args: list[str], expected: rg.BipartiteGraph, files: Files
) -> None:
    found = document("generate", *args, "-o", "out.rbgp")
    assert rg.load("out.rbgp").graph == expected
    assert found["shape"] == list(expected.shape)
    assert found["degrees"] == (list(expected.degrees) if expected.degrees else None)
    assert found["num_edges"] == expected.num_edges
    assert found["connected"] == expected.is_connected
    assert found["digest"] == expected.digest
    assert "girth" not in found


@pytest.mark.parametrize(
    ("args", "girth"),
    [(["projective-plane", "2"], 6), (["complete", "2", "2"], 4), (["complete", "1", "3"], None)],
)
def test_the_girth_is_found_on_request(args: list[str], girth: int | None) -> None:
    assert document("generate", *args, "--girth")["girth"] == girth


def test_the_facts_say_how_the_graph_was_built() -> None:
    assert "graph      lps(3, 5)\n" in rbgp("generate", "lps", "3", "5").stdout
    lifted = rbgp("generate", "ramanujan", "12", "12", "3", "--method", "lift").stdout
    assert "2 times two_lift of complete(3, 3)" in lifted
    assert "4 components" in rbgp("generate", "random-biregular", "4", "4", "1").stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["lps", "4", "29"], "p is 4, expected an odd prime; the nearest are 3 and 5"),
        (["lps", "-5", "29"], "p is -5, expected an odd prime; the nearest is 3"),
        (["lps", "5", "5"], "5"),
        (["field-lift", "6", "2"], "q is 6, expected a prime power; the nearest are 5 and 7"),
        (["projective-plane", "6"], "the nearest are 5 and 7"),
        (["array-code", "9", "2"], "the nearest are 7 and 11"),
        (["affine-plane", "6"], "the nearest are 5 and 7"),
        (["generalized-quadrangle", "2", "3"], "the nearest is (2, 2)"),
        (["generalized-hexagon", "6"], "the nearest are 5 and 7"),
        (["chiu", "19"], "the nearest are 17 and 43"),
        (["morgenstern", "3", "3"], "the nearest are 2, 4"),
        (["margulis-gabber-galil", "2"], "n is 2, expected at least 3"),
        (["complete", "0", "3"], "left is 0, expected at least 1"),
        (["complete", "3", "-1"], "right is -1, expected at least 1"),
        (["random-biregular", "4", "6", "2"], "3"),
        (["ramanujan", "4", "6", "2"], "3"),
        (["ramanujan", "9", "9", "1"], " 2"),
        (["random-biregular", "4", "4", "2", "--rng", "-1"], "rng is -1, expected at least 0"),
        (
            ["ramanujan", "4", "4", "2", "--method", "magic"],
            "'auto', 'explicit', 'catalogue', 'cover', 'lift', 'random'",
        ),
        (["lps", "3.5", "5"], "'3.5' is not a valid integer"),
    ],
)
def test_wrong_numbers_name_the_nearest_right_ones(args: list[str], message: str) -> None:
    result = rbgp("generate", *args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr


DESIGN = ["design", "256", "128"]


@pytest.mark.parametrize("share", ["0.875", "87.5%", " 87.5 % ", "7/8", "875e-3"])
def test_a_sparsity_can_be_written_in_several_ways(share: str) -> None:
    assert document(*DESIGN, share)["sparsity"] == 0.875


@pytest.mark.parametrize(
    "share", ["", "nan", "inf", "half", "1/0", "0.5.5", "50%%", "%50", "0x10", "0.5 0.5"]
)
def test_what_is_no_sparsity_is_refused(share: str) -> None:
    found = document(*DESIGN, share)
    assert found["error"]["type"] == "BadParameter"
    assert "such as 0.9375 or 93.75%" in found["error"]["message"]


@pytest.mark.parametrize("share", ["1", "100%", "-0.5", "1.5", "9/8"])
def test_a_sparsity_out_of_range_is_refused(share: str) -> None:
    assert "expected a number in [0, 1)" in document(*DESIGN, share)["error"]["message"]


def test_an_impossible_sparsity_names_the_nearest_ones() -> None:
    found = document("design", "1024", "1024", "0.93")
    assert found["error"]["type"] == "InfeasibleError"
    assert "0.9306640625 and 0.9296875" in found["error"]["message"]


@pytest.mark.parametrize(
    ("options", "keywords"),
    [
        ([], {}),
        (["--objective", "gap"], {"objective": "gap"}),
        (["--objective", "speed"], {"objective": "speed"}),
        (["--row-group", "8"], {"row_group": 8}),
        (["--block", "2", "4", "--row-group", "4"], {"block": (2, 4), "row_group": 4}),
        (["--rng", "3"], {"rng": 3}),
    ],
)
def test_the_designed_pattern_is_written(
    options: list[str], keywords: dict[str, Any], files: Files
) -> None:
    found = document(*DESIGN, "0.75", *options, "-o", "out.rbgp")
    pattern = rg.load("out.rbgp").pattern
    assert pattern == rg.design(256, 128, 0.75, **keywords)
    assert isinstance(pattern, rg.RBGP4)
    assert found["index_bytes"] == pattern.index_bytes
    assert found["csr_index_bytes"] == 4 * (pattern.nnz + pattern.rows + 1)
    assert found["tile_shape"] == list(pattern.tile_shape)
    assert found["row_group"] == pattern.row_group
    verdict = rg.verify(pattern)
    assert found["verdict"]["sigma2"] == verdict.sigma2
    assert found["verdict"]["gap"] == verdict.gap
    assert [factor["name"] for factor in found["verdict"]["factors"]] == [*pattern.factor_names]


def test_the_text_of_a_design_names_factors_and_the_gap_of_the_product() -> None:
    text = rbgp("design", "1024", "1024", "93.75%").stdout
    for words in ("65,536", "CSR needs 266,244", "own gap", "row group", "outer", "product"):
        assert words in text


def test_a_misspelt_option_is_named_with_the_right_one() -> None:
    result = rbgp(*DESIGN, "0.75", "--objectiv", "gap")
    assert result.exit_code == 2
    assert "--objective" in result.stderr

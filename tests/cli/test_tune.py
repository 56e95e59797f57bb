"""``rbgp tune``, with a tuner that was told what it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import rbgp_graphs as rg
from rbgp_graphs.gpu import Timing, Tuned
from rbgp_graphs.gpu.cuda.choices import Choice, Choices
from tests.cli.running import Files, document, rbgp

TIMINGS = (
    Timing(plan="forward(rows=8)", milliseconds=0.5),
    Timing(plan="forward(rows=4)", milliseconds=0.25),
    Timing(plan="tensor_core(rows=1)", milliseconds=None),
)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RBGP_CACHE_DIR", str(tmp_path / "cache"))


def test_the_plans_are_listed_the_fastest_first(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(pattern: rg.RBGP4, columns: int, **options: Any) -> tuple[Tuned, ...]:
        assert pattern == files.pattern
        assert (columns, options["dtype"], options["candidates"]) == (64, "float16", 3)
        return tuple(
            Tuned(
                product=product,
                dtype="float16",
                columns=64,
                batches=1,
                timings=TIMINGS,
                chosen=TIMINGS[1].plan,
            )
            for product in options["products"]
        )

    monkeypatch.setattr(rg.gpu, "tune", found)
    args = ("tune", "pattern.rbgp", "--batch", "64", "--dtype", "float16", "--candidates", "3")
    text = rbgp(*args, "--product", "forward").stdout
    assert "forward  float16, 64 columns: 2.00 x the usual plan" in text
    rows = [line.split() for line in text.splitlines() if "(rows=" in line]
    assert rows == [
        ["0.2500", "chosen", "forward(rows=4)"],
        ["0.5000", "usual", "forward(rows=8)"],
        ["switched", "off", "tensor_core(rows=1)"],
    ]
    data = document(*args)
    assert [one["product"] for one in data["products"]] == ["forward", "transposed", "sampled"]
    assert data["products"][0]["gain"] == 2
    assert data["products"][0]["timings"][2]["milliseconds"] is None


def test_what_is_kept_can_be_shown_anywhere(tmp_path: Path) -> None:
    assert "Nothing was tuned here yet." in rbgp("tune", "--show").stdout
    choice = Choice(plan="forward(rows=4)", milliseconds=0.25, problem="forward", device="Some GPU")
    Choices(tmp_path / "cache" / "cuda_choices.json").add("key", choice)
    assert "forward(rows=4), 0.2500 ms" in rbgp("tune", "--show").stdout
    assert document("tune", "--show")["choices"][0]["device"] == "Some GPU"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "give either FILE"),
        (["pattern.rbgp", "--show"], "give either FILE"),
        (["graph.rbgp"], "holds a BipartiteGraph, expected an RBGP4"),
        (["pattern.rbgp", "--batch", "0"], "columns is 0"),
    ],
)
@pytest.mark.usefixtures("files")
def test_wrong_arguments_are_refused(args: list[str], message: str) -> None:
    result = rbgp("tune", *args)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.usefixtures("files")
def test_without_a_gpu_the_reason_is_given() -> None:
    if rg.gpu.backends()[2].available:
        pytest.skip("there is a GPU")
    result = rbgp("tune", "pattern.rbgp")
    assert result.exit_code == 2
    assert "CuPy" in result.stderr

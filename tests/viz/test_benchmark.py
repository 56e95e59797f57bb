import json
from pathlib import Path
from typing import Any

import pytest

from rbgp_graphs import viz
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, FormatError

SIZES = {"rows": 256, "cols": 512, "columns": 32, "index_bytes": 64, "dtype": "float32"}


def case(suite: str = "sparsity", **changes: Any) -> dict[str, Any]:
    times = changes.pop("times", {"own": 1.0, "dense": 4.0})
    measurements = [
        {"name": f"{kind} {place}", "kind": kind, "milliseconds": time, "gflops": 10 / (time or 1)}
        for kind, several in times.items()
        for place, time in enumerate(several if isinstance(several, list) else [several])
    ]
    fixed = {"suite": suite, "product": "forward", "row_group": 4, "threads": 1, "nnz": 8192}
    return {**fixed, **SIZES, "sparsity": 0.5, **changes, "measurements": measurements}


def trace(figure: Any, name: str, panel: str = "y") -> Any:
    (found,) = (t for t in figure.data if t.name == name and t.yaxis == panel)
    return found


def test_speedups_are_over_the_fastest_dense_product_of_each_sparsity() -> None:
    cases = [
        case(sparsity=0.75, times={"own": 2.0, "dense": [7.0, 6.0], "same pattern": [5, 4]}),
        case(sparsity=0.75, row_group=64, times={"own": 1.5, "dense": [9.0]}),
        case(sparsity=0.5, times={"own": 8.0, "dense": 4.0}),
        # What is not a forward product of the suite stays out.
        case(sparsity=0.75, product="sampled", times={"own": 0.1}),
    ]
    figure = viz.benchmark({"cases": cases})
    ideal = trace(figure, "1 / (1 − sparsity)")
    assert (ideal.x, ideal.y) == (("50", "75"), (2, 4))
    own = trace(figure, "this package, row group 4")
    assert (own.x, own.y) == (("50", "75"), (0.5, 3))
    assert trace(figure, "this package, row group 64").y == (4,)
    assert trace(figure, "CSR or BSR, same pattern").y == (1.5,)
    assert trace(figure, "CSR or BSR, same pattern").customdata[0][0] == "same pattern 1"
    assert trace(figure, "dense").y == (1, 1)


def test_the_roofline_counts_each_byte_once() -> None:
    low = {"operations_per_second": 2e10, "copy_bytes_per_second": 1e10}
    high = {"operations_per_second": 1e11, "copy_bytes_per_second": 3e9}
    suites = {"sparsity": {"ceilings": low}, "size": {"ceilings": high}}
    times = {"own": 1.0, "dense": 4.0, "same pattern": 2.0}
    figure = viz.benchmark({"cases": [case(times=times)], "suites": suites})
    csr = trace(figure, "CSR or BSR, same pattern", "y2")
    assert csr.x == (2 * 8192 * 32 / (4 * (2 * 8192 + (256 + 512) * 32)),)
    moved = 4 * (8192 + (256 + 512) * 32) + 64
    own = trace(figure, "this package", "y2")
    assert own.x == (2 * 8192 * 32 / moved,)
    assert own.y == (10,)
    dense = trace(figure, "dense", "y2")
    area = 256 * 512
    assert dense.x == (2 * area * 32 / (4 * (area + (256 + 512) * 32)),)
    roof = trace(figure, "cost model: 100 GFLOP/s, 10 GB/s", "y2")
    for x, y in zip(roof.x, roof.y, strict=True):
        assert y == min(100, 10 * x)
    assert 10 in roof.x


@pytest.mark.parametrize("ceilings", [None, {}, {"operations_per_second": "fast"}, [1]])
def test_without_known_ceilings_there_is_no_roof(ceilings: Any) -> None:
    for suites in ({"sparsity": {"ceilings": ceilings}}, {"sparsity": ceilings}, ceilings):
        figure = viz.benchmark({"cases": [case()], "suites": suites})
        assert not [t for t in figure.data if t.name.startswith("cost model")]


@pytest.mark.parametrize(
    ("suite", "name", "numbers"),
    [("size", "rows", [128, 256]), ("columns", "columns", [1, 64]), ("threads", "threads", [1, 2])],
)
def test_times_stand_over_the_numbers_that_vary(suite: str, name: str, numbers: Any) -> None:
    cases = [
        case(suite, **{name: number}, times={"own": 1.0 + number, "dense": 9.0})
        for number in numbers
    ]
    figure = viz.benchmark({"cases": cases[::-1]})
    panel = trace(figure, "this package", "y2")
    assert panel.x == tuple(numbers)
    assert panel.y == tuple(1.0 + number for number in numbers)
    assert figure.layout.xaxis2.tickvals == tuple(numbers)


def test_a_document_of_a_gpu_has_a_panel_for_each_dtype_and_one_timer() -> None:
    cases = [
        case("gpu_sparsity", dtype=dtype, timer=timer, times={"own": 1.0, "dense": speedup})
        for dtype, speedup in (("float16", 4.0), ("float32", 2.0))
        for timer, speedup in (("cold", speedup), ("warm", 9.0))
    ]
    gpu = {"device": "Some GPU", "multiprocessors": 1}
    figure = viz.benchmark({"cases": cases, "machine": {"gpu": gpu}})
    titles = [note.text for note in figure.layout.annotations]
    start = "Speedup over the fastest dense product, "
    assert [title for title in titles if title.startswith(start)] == [
        f"{start}float16",
        f"{start}float32",
    ]
    assert trace(figure, "this package, row group 4").y == (4,)
    assert trace(figure, "this package, row group 4", "y3").y == (2,)
    assert figure.layout.meta["text"].startswith("Measured on Some GPU.")


def test_text_and_table_tell_all_measurements() -> None:
    days = {"sparsity": "2026-11-21", "size": "2026-11-22"}
    results = {
        "cases": [case(), case("size")],
        "machine": {"processor": "Some CPU"},
        "suites": {suite: {"date": f"{day}T08:00:00"} for suite, day in days.items()},
    }
    figure = viz.benchmark(results)
    meta = figure.layout.meta
    assert meta["text"].startswith("Measured on Some CPU, 2026-11-21 and 2026-11-22.")
    assert "At 50 % zeros the sparse product takes 1 ms, 4 times as fast" in meta["text"]
    assert len(meta["rows"]) == 4
    assert meta["rows"][0] == [
        *("sparsity", "256 × 512", "32", "50 %", "4", "float32", "forward", "1", "own 0"),
        *("1", "10"),
    ]


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"cases": [case()]}))
    assert viz.benchmark(path).data == viz.benchmark({"cases": [case()]}).data


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[" * 100_000, '{"cases": []}', '{"cases": [1]}', "\xff", "NaN"]
)
def test_damaged_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError):
        viz.benchmark(str(path))


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": "many"},
        {"rows": 0},
        {"sparsity": 1.0},
        {"sparsity": None},
        {"times": {"own": 0.0}},
        {"times": {"own": float("inf")}},
        {"product": "sampled"},
    ],
)
def test_results_that_make_no_sense_are_refused(changes: Any) -> None:
    with pytest.raises(FormatError):
        viz.benchmark({"cases": [case(**changes)]})


def test_other_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentTypeError, match="results is a list"):
        viz.benchmark([])
    with pytest.raises(ArgumentError, match="cannot read"):
        viz.benchmark(tmp_path / "none.json")

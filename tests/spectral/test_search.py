from __future__ import annotations

import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbgp_graphs.constructions import complete, cyclic_lift, lps, random_biregular, two_lift
from rbgp_graphs.errors import (
    ArgumentError,
    ArgumentTypeError,
    BackendError,
    FormatError,
    InfeasibleError,
    RBGPError,
)
from rbgp_graphs.graph import BipartiteGraph
from rbgp_graphs.spectral import (
    Cancelled,
    lift_trials,
    search_lift,
    singular_values,
    trials,
    verify,
)
from rbgp_graphs.spectral.bounds import ramanujan_bound
from rbgp_graphs.spectral.lift_trials import LevelTask, Method, Trial, new_norm, run_trials
from rbgp_graphs.spectral.power_norm import reduce_power_norm
from rbgp_graphs.spectral.search import SearchResult

SEEDS = st.integers(0, 2**32 - 1)
BASE = complete(4, 4)
METHODS: list[tuple[Method, dict[str, Any]]] = [
    ("reject", {"tries": 7, "levels": 2}),
    ("local", {"tries": 3, "steps": 60, "levels": 2}),
    ("cyclic", {"tries": 7, "k": 5}),
]


def second(graph: BipartiteGraph) -> float:
    """The second singular value, without what is known about lifts."""
    return float(np.linalg.svd(graph.biadjacency(np.float64).toarray(), compute_uv=False)[1])


def facts(result: SearchResult) -> tuple[Any, ...]:
    return (result.graph.recipe, result.sigma2, result.levels)


def die(task: LevelTask, numbers: Any) -> list[Trial]:
    """End the process of a worker at the third chunk, as if it had run out of memory."""
    if numbers[0] >= 2:
        time.sleep(0.3)
        os._exit(1)
    return run_trials(task, numbers)


class LastFirst(Executor):
    """Runs what was submitted only when asked to wait, the last first."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Any, Any]] = []

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, function, args))
        return future

    def run_one(self) -> None:
        if self.waiting:
            future, function, args = self.waiting.pop()
            if future.set_running_or_notify_cancel():
                future.set_result(function(*args))


@settings(deadline=None, max_examples=15)
@given(SEEDS, st.integers(2, 6), st.integers(2, 9))
def test_the_new_norm_is_the_largest_singular_value_that_the_lift_adds(
    seed: int, side: int, k: int
) -> None:
    rng = np.random.default_rng(seed)
    base = complete(side, side + 1)
    old = np.linalg.svd(base.biadjacency(np.float64).toarray(), compute_uv=False)
    signs, shifts = rng.choice([-1, 1], base.num_edges), rng.integers(k, size=base.num_edges)
    for method, labels, copies, lifted in (
        ("reject", signs, 2, two_lift(base, signs)),
        ("cyclic", shifts, k, cyclic_lift(base, k, shifts)),
    ):
        every = np.linalg.svd(lifted.biadjacency(np.float64).toarray(), compute_uv=False)
        added = every.copy()
        for value in old:
            added = np.delete(added, np.argmin(abs(added - value)))
        found = new_norm(base, method, copies, labels)  # type: ignore[arg-type]
        assert found == pytest.approx(added.max(), abs=1e-6)


def test_blocks_taken_a_few_at_a_time_have_the_same_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    shifts = np.random.default_rng(0).integers(30, size=BASE.num_edges)
    whole = new_norm(BASE, "cyclic", 30, shifts)
    monkeypatch.setattr(lift_trials, "_BLOCK_ENTRIES", 40)
    assert new_norm(BASE, "cyclic", 30, shifts) == pytest.approx(whole, rel=1e-12)
    monkeypatch.setattr(lift_trials, "DENSE_SIDE", 1)
    assert new_norm(BASE, "cyclic", 30, shifts) == pytest.approx(whole, rel=1e-9)


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_the_result_says_what_the_graph_is(method: Method, options: dict[str, Any]) -> None:
    result = search_lift(BASE, method=method, rng=1, **options)
    copies = options.get("k", 2) ** options.get("levels", 1)
    assert result.graph.shape == (4 * copies, 4 * copies)
    assert result.graph.degrees == (4, 4)
    assert result.graph.is_connected
    assert result.sigma2 == pytest.approx(second(result.graph), rel=1e-9)
    assert result.ratio == pytest.approx(verify(result.graph).ratio, rel=1e-9)
    assert max(result.ratios) == pytest.approx(result.ratio)
    assert result.tries == (options["tries"],) * options.get("levels", 1)
    assert result.method == method


def test_the_best_of_more_tries_is_never_worse_and_the_best_is_the_smallest() -> None:
    few, many = (search_lift(BASE, tries=tries, rng=3) for tries in (2, 20))
    assert many.sigma2 <= few.sigma2
    task = LevelTask(recipe=BASE.recipe, method="reject", k=2, steps=0, seed=3, level=0)
    norms = [trial.norm for trial in run_trials(task, range(20))]
    assert many.levels[0].norm == pytest.approx(min(norms), abs=1e-9)
    assert many.levels[0].accepted == int(np.argmin(norms))


def test_a_try_has_the_stream_of_a_spawned_child() -> None:
    task = LevelTask(recipe=BASE.recipe, method="cyclic", k=7, steps=0, seed=11, level=1)
    child = np.random.SeedSequence(11).spawn(2)[1].spawn(5)[4]
    expected = np.random.default_rng(child).integers(7, size=16)
    (trial,) = run_trials(task, [4])
    assert trial.labels.tolist() == expected.tolist()


def test_first_takes_the_first_try_below_the_bound() -> None:
    # Long cyclic lifts of K(3, 3) keep to the bound in about one of three tries.
    base, bound = complete(3, 3), ramanujan_bound(3, 3)
    task = LevelTask(recipe=base.recipe, method="cyclic", k=64, steps=0, seed=5, level=0)
    norms = [trial.norm for trial in run_trials(task, range(64))]
    expected = next(number for number, norm in enumerate(norms) if norm < bound)
    with ThreadPoolExecutor(3) as pool:
        for executor in (None, pool):
            result = search_lift(
                base, method="cyclic", k=64, keep="first", rng=5, executor=executor
            )
            assert result.levels[0].accepted == expected
            assert result.tries == (expected + 1,)
            assert result.levels[0].norm == pytest.approx(norms[expected])


def test_local_search_gets_far_below_the_best_of_a_hundred_random_tries() -> None:
    base = random_biregular(64, 64, 8, rng=1)
    local = search_lift(base, method="local", tries=2)
    random = search_lift(base, tries=100)
    assert local.ratios[0] <= 0.84
    assert random.ratios[0] >= 0.91


def test_local_search_never_ends_with_a_larger_power_norm() -> None:
    base, rng = complete(5, 9), np.random.default_rng(0)
    start = rng.choice([-1, 1], base.num_edges)

    def power_norm(signs: Any) -> float:
        return float((np.linalg.svd(signs.reshape(5, 9), compute_uv=False) ** 16).sum())

    for graph, signs in ((base, start), (base.T, start.reshape(5, 9).T.ravel())):
        found = reduce_power_norm(graph, signs, 3.0, 8, 300, rng)
        assert set(found.tolist()) <= {-1, 1}
        shaped = found if graph is base else found.reshape(9, 5).T.ravel()
        assert power_norm(shaped) < power_norm(start)
    assert reduce_power_norm(base, start, 3.0, 8, 0, rng).tolist() == start.tolist()


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_threads_give_the_same_result(method: Method, options: dict[str, Any]) -> None:
    serial = search_lift(BASE, method=method, rng=2, **options)
    for workers in (1, 3):
        with ThreadPoolExecutor(workers) as pool:
            threaded = search_lift(BASE, method=method, rng=2, executor=pool, **options)
        assert facts(threaded) == facts(serial)


def test_the_order_in_which_tries_end_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = LastFirst()

    def run_then_wait(*args: Any, **options: Any) -> Any:
        executor.run_one()
        return concurrent.futures.wait(*args, **options)

    monkeypatch.setattr(trials, "wait", run_then_wait)
    backwards = search_lift(BASE, levels=2, tries=6, rng=4, executor=executor)
    assert facts(backwards) == facts(search_lift(BASE, levels=2, tries=6, rng=4))
    first = search_lift(BASE, keep="first", tries=6, rng=4, executor=executor)
    assert facts(first) == facts(search_lift(BASE, keep="first", tries=6, rng=4))


def test_processes_give_the_same_result_and_one_that_dies_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"method": "local", "tries": 4, "steps": 50, "rng": 2}
    serial = search_lift(BASE, **options)
    file = tmp_path / "search.json"
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert facts(search_lift(BASE, executor=pool, **options)) == facts(serial)
        monkeypatch.setattr(trials, "run_trials", die)
        with pytest.raises(BackendError, match=r"executor failed at level 1.*checkpoint"):
            search_lift(BASE, executor=pool, checkpoint=file, **options)
        with pytest.raises(BackendError, match="BrokenProcessPool"):
            search_lift(BASE, executor=pool, **options)
    monkeypatch.undo()
    kept = json.loads(file.read_text())["levels"][0]["norms"]
    assert [number for number, _ in kept] == [0, 1]
    assert facts(search_lift(BASE, checkpoint=file, **options)) == facts(serial)


def test_an_executor_that_is_shut_down_is_reported() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(BackendError, match="cannot schedule new futures"):
        search_lift(BASE, executor=pool)


@pytest.mark.filterwarnings("default")
def test_a_dask_cluster_gives_the_same_result() -> None:
    distributed: Any = pytest.importorskip("distributed", reason="dask is not installed")
    serial = search_lift(BASE, levels=2, tries=8, rng=2)
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        found = search_lift(BASE, levels=2, tries=8, rng=2, executor=executor)
    assert facts(found) == facts(serial)


@pytest.mark.parametrize("how", ["raise", "return", "interrupt"])
@pytest.mark.parametrize("threaded", [False, True])
def test_a_search_that_is_stopped_goes_on_from_its_checkpoint(
    how: str, threaded: bool, tmp_path: Path
) -> None:
    file = tmp_path / "search.json"
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> Any:
        seen.append((done, total))
        if done < 9:
            return None
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "raise":
            raise Cancelled("enough")
        return Cancelled

    options: dict[str, Any] = {"levels": 2, "tries": 6, "rng": 9}
    with ThreadPoolExecutor(2) as pool:
        executor = pool if threaded else None
        with pytest.raises(KeyboardInterrupt if how == "interrupt" else Cancelled):
            search_lift(BASE, checkpoint=file, progress=stop, executor=executor, **options)
    assert seen[-1] == (9, 12)
    assert [len(level["norms"]) for level in json.loads(file.read_text())["levels"]] == [6, 3]
    assert [*tmp_path.iterdir()] == [file]
    resumed: list[int] = []
    again = search_lift(
        BASE, checkpoint=file, progress=lambda done, _: resumed.append(done), **options
    )
    assert facts(again) == facts(search_lift(BASE, **options))
    assert resumed == [6, 9, 10, 11, 12]


def test_a_search_goes_on_with_more_tries_more_levels_or_fewer(tmp_path: Path) -> None:
    file = tmp_path / "search.json"
    for levels, tries in ((1, 4), (1, 9), (2, 9), (1, 3), (2, 5)):
        again = search_lift(BASE, levels, tries=tries, rng=6, checkpoint=file)
        assert facts(again) == facts(search_lift(BASE, levels, tries=tries, rng=6))


@pytest.mark.parametrize(
    "other",
    [{"rng": 8}, {"method": "local", "steps": 9}, {"method": "cyclic"}, {"base": lps(3, 5)}],
)
def test_the_checkpoint_of_another_search_is_refused(other: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "search.json"
    search_lift(BASE, tries=2, rng=7, checkpoint=file)
    arguments: dict[str, Any] = {"base": BASE, "tries": 2, "rng": 7, "checkpoint": file} | other
    before = file.read_bytes()
    with pytest.raises(
        FormatError, match=f"another search, with {next(iter(other)).replace('rng', 'seed')}"
    ):
        search_lift(**arguments)
    assert file.read_bytes() == before


def changed(document: Any, change: str) -> Any:
    level = document["levels"][0]
    leader = level["leader"]
    if change == "norm":
        level["norms"][leader][1] /= 2
    elif change == "other leader":
        level["leader"] = 1 - leader
    elif change == "other winner":
        level["norms"][1 - leader][1], level["leader"], level["labels"] = 0.1, 1 - leader, None
    elif change == "labels":
        level["labels"] = "AQAAAA=="
    elif change == "no base64":
        level["labels"] = "?"
    elif change == "number of norms":
        level["norms"].append([2])
    elif change == "not finite":
        level["norms"][0][1] = float("inf")
    elif change == "too large":
        level["norms"][0][1] = 10**400
    elif change == "keys":
        del level["norms"]
    elif change == "base":
        level["base"] = 3
    elif change == "levels":
        document["levels"] = {}
    elif change == "version":
        document["version"] = 2
    elif change == "format":
        document["format"] = "rbgp"
    elif change == "no dict":
        return [document]
    return document


@pytest.mark.parametrize(
    "change",
    [
        "norm",
        "other leader",
        "other winner",
        "labels",
        "no base64",
        "number of norms",
        "not finite",
        "too large",
        "keys",
        "base",
        "levels",
        "version",
        "format",
        "no dict",
    ],
)
def test_a_damaged_checkpoint_is_refused(change: str, tmp_path: Path) -> None:
    file = tmp_path / "search.json"
    search_lift(BASE, tries=2, rng=7, checkpoint=file)
    file.write_text(json.dumps(changed(json.loads(file.read_text()), change)))
    with pytest.raises(FormatError, match="checkpoint"):
        search_lift(BASE, tries=2, rng=7, checkpoint=file)


@given(st.data())
@settings(deadline=None, max_examples=20)
def test_a_cut_checkpoint_is_refused(tmp_path_factory: Any, data: Any) -> None:
    file = tmp_path_factory.mktemp("cut") / "search.json"
    search_lift(BASE, tries=2, rng=7, checkpoint=file)
    text = file.read_bytes()
    file.write_bytes(text[: data.draw(st.integers(0, len(text) - 2))])
    with pytest.raises(FormatError, match="not JSON"):
        search_lift(BASE, tries=2, rng=7, checkpoint=file)


def test_the_time_limit_leaves_one_chunk_a_level_and_a_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "search.json"
    options: dict[str, Any] = {"levels": 2, "tries": 40, "rng": 2, "checkpoint": file}
    short = search_lift(BASE, max_seconds=1e-9, **options)
    assert short.tries == (2, 2)
    assert facts(search_lift(BASE, max_seconds=1e-9, **options)) == facts(short)
    whole = search_lift(BASE, levels=2, tries=40, rng=2)
    assert facts(search_lift(BASE, **options)) == facts(whole)


def test_workers_use_one_thread_and_the_caller_gets_his_back() -> None:
    threadpoolctl: Any = pytest.importorskip("threadpoolctl", reason="it is not installed")

    def threads() -> set[int]:
        infos = threadpoolctl.threadpool_info()
        return {info["num_threads"] for info in infos if info["user_api"] == "blas"}

    before, during = threads(), set()
    with ThreadPoolExecutor(2) as pool:
        search_lift(BASE, tries=4, executor=pool, progress=lambda *_: during.update(threads()))
    assert during == {1}
    assert threads() == before


def test_searches_that_overlap_give_the_threads_back_when_the_last_has_ended() -> None:
    threadpoolctl: Any = pytest.importorskip("threadpoolctl", reason="it is not installed")

    def threads() -> set[int]:
        infos = threadpoolctl.threadpool_info()
        return {info["num_threads"] for info in infos if info["user_api"] == "blas"}

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        first, second = contextlib.ExitStack(), contextlib.ExitStack()
        first.enter_context(lift_trials.one_thread())
        second.enter_context(lift_trials.one_thread())
        first.close()
        assert threads() == {1}
        second.close()
        assert threads() == before == {2}


def test_without_threadpoolctl_new_processes_find_the_limit_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "threadpoolctl", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with lift_trials.one_thread():
        assert {os.environ[name] for name in lift_trials._THREAD_VARIABLES} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "MKL_NUM_THREADS" not in os.environ


def test_a_generator_gives_a_seed_that_repeats_the_search() -> None:
    drawn = search_lift(BASE, tries=3, rng=np.random.default_rng(1))
    assert facts(search_lift(BASE, tries=3, rng=drawn.seed)) == facts(drawn)
    assert search_lift(BASE, tries=1, rng=None).graph.shape == (8, 8)


def test_a_2_lift_of_a_cycle_is_found_connected() -> None:
    found = search_lift(complete(2, 2), levels=3, tries=12)
    assert found.graph.girth() == 32


IRREGULAR = BipartiteGraph.from_edges([(0, 0), (0, 1), (1, 1)], shape=(2, 2))
APART = BipartiteGraph.from_edges(
    [(u, v) for u in range(4) for v in range(4) if u // 2 == v // 2], shape=(4, 4)
)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"base": 3}, ArgumentTypeError, "base is a int"),
        ({"base": BipartiteGraph.from_edges([], shape=(2, 2))}, ArgumentError, "no edges"),
        ({"base": IRREGULAR}, ArgumentError, "not biregular"),
        ({"base": APART}, ArgumentError, "2 components"),
        ({"base": complete(1, 1)}, InfeasibleError, "tree"),
        ({"base": complete(1, 4)}, InfeasibleError, "tree"),
        ({"levels": 0}, ArgumentError, "levels is 0"),
        ({"levels": 2.0}, ArgumentTypeError, "levels"),
        ({"levels": 25}, ArgumentError, "at most 20 levels fit"),
        ({"method": "greedy"}, ArgumentError, "expected one of reject, local, cyclic"),
        ({"keep": "worst"}, ArgumentError, "keep is 'worst'"),
        ({"tries": 0}, ArgumentError, "tries is 0"),
        ({"k": 3}, ArgumentError, "use 'cyclic'"),
        ({"k": 1, "method": "cyclic"}, ArgumentError, "k is 1"),
        ({"steps": -1}, ArgumentError, "steps is -1"),
        ({"rng": -1}, ArgumentError, "rng is -1"),
        ({"rng": "a"}, ArgumentTypeError, "rng"),
        ({"rng": None, "checkpoint": "search.json"}, ArgumentError, "rng is no int"),
        ({"executor": 2}, ArgumentTypeError, "get_executor"),
        ({"progress": 2}, ArgumentTypeError, "progress is a int"),
        ({"max_seconds": 0}, ArgumentError, "max_seconds is 0"),
        ({"max_seconds": "1"}, ArgumentTypeError, "max_seconds is a str"),
        ({"checkpoint": ""}, ArgumentError, "expected a file name"),
        ({"checkpoint": 5}, ArgumentTypeError, "checkpoint is 5"),
        ({"checkpoint": "no/such/directory/file"}, ArgumentError, "no directory"),
        ({"checkpoint": os.curdir}, ArgumentError, "not a file"),
        ({"base": complete(2, 2), "tries": 1, "rng": 5}, InfeasibleError, "connected lift"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    arguments: dict[str, Any],
    error: type[RBGPError],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        search_lift(**({"base": BASE} | arguments))
    assert [*tmp_path.iterdir()] == []


def test_local_search_refuses_what_is_too_large_for_dense_matrices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rbgp_graphs.spectral.search._LARGEST_LOCAL_SIDE", 4)
    with pytest.raises(ArgumentError, match="level 2 lifts a graph of 8 vertices"):
        search_lift(BASE, 2, method="local", tries=1, steps=5)


def test_the_singular_values_of_the_base_stay() -> None:
    base = lps(3, 5)
    values = singular_values(search_lift(base, tries=2).graph)
    for value in singular_values(base):
        assert np.min(abs(values - value)) < 1e-9

r"""The results of a run as one JSON document.

The document is an object with the keys

``schema``
    2; it grows when a key changes its meaning or goes away.
``machine``
    The ``processor``, the number of ``cores`` and the ``system``.
``backend``
    The backend that computed this package's products.
``quick``
    Whether the cases are the small ones.
``suites``
    An object with an entry for each suite: ``date`` (UTC) by which it had been measured,
    ``load_1_minute``, ``python``, ``versions`` of the packages, and ``ceilings``, the limits of
    the device that were known then (`rbgp_graphs.selection.Ceilings`), or null.
``cases``
    A list of objects, one for each case. What the case is: ``suite``, ``rows``, ``cols``,
    ``sparsity``, ``row_group``, ``tile`` (rows and columns of a tile), ``tiles_present`` (the
    share of tiles that are not empty), ``nnz``, ``index_bytes``, ``columns`` (N of the
    operand), ``dtype``, ``product`` ("forward", "transposed", "sampled" or "layers"),
    ``objective`` (the one that `rbgp_graphs.design` chose the pattern with, or null), ``layers``
    (1, or the number of layers). How it was measured: ``threads``, ``timer``,
    ``other_load`` (cores that other processes kept busy meanwhile, or null). What was found:
    ``measurements`` and ``absent``, and ``predicted_milliseconds`` (by the cost model from
    the ``ceilings`` of its suite; null where it has none).

An entry of ``measurements`` has the fields of `rbgp_graphs.bench.Measurement`: ``name``, ``kind``
("own", "dense", "same pattern", "unstructured", "blocks" or "2:4"), ``milliseconds`` (the median),
``low_milliseconds``, ``high_milliseconds`` (quartiles), ``smallest_milliseconds``,
``largest_milliseconds``, ``rounds``, ``packing_milliseconds``, ``first_call_milliseconds``,
``gflops``, ``useful_gflops`` and ``error``. This package comes first. An entry of ``absent`` has
``name``, ``kind`` and ``reason``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from rbgp_graphs.bench import machine
from rbgp_graphs.bench.suites import Case
from rbgp_graphs.encoding.atomic import as_path, write_file
from rbgp_graphs.errors import FormatError
from rbgp_graphs.gpu.backend import choose
from rbgp_graphs.selection.cost_model import CPU, predicted_seconds, stored_ceilings

#: Version of the documents.
SCHEMA = 2

#: What the suites of one document share.
_SHARED = ("schema", "machine", "backend", "quick")
_CASE_KEYS = ("suite", "rows", "cols", "sparsity", "row_group", "columns", "dtype", "measurements")


def run(
    cases: Iterable[Case],
    *,
    rounds: int = 7,
    backend: str = "auto",
    quick: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure cases one after the other.

    Parameters
    ----------
    cases : iterable of Case
        What to measure, for example from `rbgp_graphs.bench.cases`.
    rounds : int
        How often each peer is timed.
    backend : str
        A name of `rbgp_graphs.gpu.backends`, or "auto".
    quick : bool
        What to write down about the cases.
    say : callable
        Told each case before it is measured.

    Returns
    -------
    dict
        JSON-able; the keys are described in this module.

    Raises
    ------
    BackendError
        If the backend does not run here, or a result is wrong.
    """
    chosen = choose(backend).name
    limits = stored_ceilings().get(CPU)
    suites, found = {}, []
    for case in cases:
        say(str(case))
        comparison = case.measure(rounds=rounds, backend=chosen)
        entry = {**case.facts(), **comparison.as_dict(), "predicted_milliseconds": None}
        if limits is not None and case.product == "forward" and case.threads is None:
            seconds = predicted_seconds(case.pattern, case.columns, dtype=case.dtype, device=limits)
            entry["predicted_milliseconds"] = 1e3 * seconds
        found.append(entry)
        ceilings = None if limits is None else limits.as_dict()
        suites[case.suite] = {**machine.conditions(), "ceilings": ceilings}
    return {
        "schema": SCHEMA,
        "machine": machine.hardware(),
        "backend": chosen,
        "quick": quick,
        "suites": suites,
        "cases": found,
    }


def merge(documents: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return one document with the suites of several; one that comes again replaces the first.

    What was measured on another machine, with another backend or in the other form than the last
    document does not belong into one and is left out.

    Examples
    --------
    >>> def of(cores, **suites):
    ...     found = {"schema": 2, "machine": {"cores": cores}, "backend": "cpu", "quick": False}
    ...     cases = [{"suite": name, "date": date} for name, date in suites.items()]
    ...     return {
    ...         **found,
    ...         "suites": {c["suite"]: {"date": c["date"]} for c in cases},
    ...         "cases": cases,
    ...     }
    >>> merged = merge([of(4, dtype=1), of(2, size=2, tiles=3), of(2, size=4)])
    >>> merged["suites"]
    {'tiles': {'date': 3}, 'size': {'date': 4}}
    >>> merged["cases"]
    [{'suite': 'tiles', 'date': 3}, {'suite': 'size', 'date': 4}]
    """
    *earlier, last = documents
    suites: dict[str, Any] = {}
    cases: list[dict[str, Any]] = []
    for document in [*(d for d in earlier if shared(d) == shared(last)), last]:
        again = document["suites"]
        cases = [case for case in cases if case["suite"] not in again] + document["cases"]
        suites = {name: suite for name, suite in suites.items() if name not in again} | again
    return {**last, "suites": suites, "cases": cases}


def shared(document: dict[str, Any]) -> dict[str, Any]:
    """Return what all suites of a document share: schema, machine, backend and form."""
    return {key: document[key] for key in _SHARED}


def read(path: Any) -> dict[str, Any]:
    """Return a document that was written before.

    Raises
    ------
    FormatError
        If the file holds something else, or a document of another schema.
    """
    place = as_path(path)
    try:
        document = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FormatError(f"{place} cannot be read as a benchmark: {error}") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise FormatError(f"{place} is no benchmark of schema {SCHEMA}")
    missing = [key for key in (*_SHARED, "suites", "cases") if key not in document]
    for case in document.get("cases", []):
        missing += [key for key in _CASE_KEYS if not isinstance(case, dict) or key not in case]
    if missing:
        raise FormatError(f"{place} is a benchmark without {missing[0]}")
    unknown = {case["suite"] for case in document["cases"]} - {*document["suites"]}
    if unknown:
        raise FormatError(f"{place} does not say when the suite {unknown.pop()} was measured")
    return document


def write(path: Any, document: dict[str, Any], *, overwrite: bool = True) -> None:
    """Write a document, completely or not at all.

    Raises
    ------
    ArgumentError
        If the file exists and `overwrite` is False, or cannot be written.
    """
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    write_file(path, [text.encode()], overwrite=overwrite)

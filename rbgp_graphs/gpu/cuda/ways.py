"""The ways through a kernel: what decides which code runs and how its operands lie."""

from __future__ import annotations

import itertools
from typing import Any

from rbgp_graphs.gpu.cuda.launch import Launch

#: A kernel, the type of its numbers, and macros with their values.
Way = tuple[Any, ...]
#: Macros that choose between pieces of code, where they are 0 or not, or 1 or more. The first of
#: these that a kernel has changes what its numbers mean.
_MODES = (
    *("STAGED", "COMPACT", "SWAPPED", "WHOLE", "GROUPS", "CLUSTER"),
    *("ALONG_COLUMNS", "ALONG_VALUES", "BOXED", "SPLIT"),
)
#: Constants that say, like the structure, who multiplies what and in which pieces.
_NUMBERS = ("BUFFERS", "FEW_BLOCKS", "KC", "SLABS", "WC", "WK", "WN", "WR")


def ways(launch: Launch) -> frozenset[Way]:
    """Return the ways that a launch takes: its modes, also in pairs, and each of its numbers.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> from rbgp_graphs.gpu.cuda.portable import forward_launch
    >>> from rbgp_graphs.gpu.cuda.tables import dimensions
    >>> from rbgp_graphs.products import RBGP4
    >>> size = dimensions(RBGP4(complete(2, 2), (4, 1), complete(2, 2), (1, 1)))
    >>> taken = ways(forward_launch(size, "float32", 64, activation="relu"))
    >>> ("forward", "float", ("STAGED", 1), "RT", 4) in taken  # four rows for each thread
    True
    """
    macros = {name.removeprefix("RBGP_"): value for name, value in launch.macros.items()}
    numbers = {name.removeprefix("RBGP_") for name in launch.structure}
    numbers |= {name for name in _NUMBERS if name in macros}
    kernel = (launch.kernel, macros["STORED"])
    modes = [(name, min(int(macros[name]), 2)) for name in _MODES if name in macros]
    found: set[Way] = {kernel, *((*kernel, mode) for mode in modes)}
    found |= {(*kernel, *pair) for pair in itertools.combinations(modes, 2)}
    found |= {(*kernel, *modes[:1], name, macros[name]) for name in numbers}
    found |= {(*kernel, name, macros[name]) for name in ("ACTIVATION", "TWISTED") if name in macros}
    if "VR" in macros:
        found |= {(*kernel, *modes[:1], "VR", min(int(macros["VR"]), 2))}
    return frozenset(found) | (ways(launch.then) if launch.then else frozenset())

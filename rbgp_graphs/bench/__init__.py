"""Measurements of products next to their peers, on the same data in the same run.

`compare` times one product, `cases` and `run` whole suites; `rbgp bench` does that on the command
line. Columns of every result are compared with float64 before it is timed, the peers take turns,
and packing is counted apart.
"""

from rbgp_graphs.bench.comparison import Absent, Comparison, Measurement, compare
from rbgp_graphs.bench.document import run
from rbgp_graphs.bench.peers import CPU_PEERS, Peer, Prepared
from rbgp_graphs.bench.problem import Problem, make_problem, random_matrix
from rbgp_graphs.bench.suites import Case, cases
from rbgp_graphs.bench.timing import take_turns

__all__ = [
    "CPU_PEERS",
    "Absent",
    "Case",
    "Comparison",
    "Measurement",
    "Peer",
    "Prepared",
    "Problem",
    "cases",
    "compare",
    "make_problem",
    "random_matrix",
    "run",
    "take_turns",
]

"""What joins the ranks of a product: four operations, and the case of a single process."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from rbgp_graphs.encoding import dumps, loads
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, BackendError, RBGPError
from rbgp_graphs.gpu.operands import as_pattern
from rbgp_graphs.products import RBGP4


@runtime_checkable
class Communicator(Protocol):
    """The operations between ranks that products need.

    Every rank calls the same operations in the same order, with arrays of one shape and dtype.
    Arrays are NumPy or CuPy arrays in C order, and results are new arrays of the same kind; an
    operation may overwrite its argument. Sums hold float32 or float64.

    Attributes
    ----------
    rank : int
        The number of this process, from 0 to ``size - 1``.
    size : int
        Number of processes.
    """

    rank: int
    size: int

    def all_reduce(self, array: Any) -> Any:
        """Return the sum of the arrays of all ranks, the same bits on each rank."""
        ...

    def all_gather(self, array: Any) -> Any:
        """Return the arrays of all ranks, of any dtype: shape (size, ...) in order of rank."""
        ...

    def reduce_scatter(self, array: Any) -> Any:
        """Return entry ``rank`` of the sum of arrays of shape (size, ...)."""
        ...

    def broadcast(self, data: bytes | None) -> bytes:
        """Return the bytes that rank 0 gave; the other ranks pass None."""
        ...


class SingleProcess:
    """The communicator of one process: nothing is sent.

    Programs written for several ranks run with it unchanged.

    Examples
    --------
    >>> comm = SingleProcess()
    >>> comm.rank, comm.size, comm.broadcast(b"text")
    (0, 1, b'text')
    """

    rank = 0
    size = 1

    def all_reduce(self, array: Any) -> Any:
        """Return the array."""
        return array

    def all_gather(self, array: Any) -> Any:
        """Return the array with an axis of length 1 before the others."""
        return array[None]

    def reduce_scatter(self, array: Any) -> Any:
        """Return the only entry."""
        return array[0]

    def broadcast(self, data: bytes | None) -> bytes:
        """Return the bytes."""
        if data is None:
            raise ArgumentError("data is None, expected bytes on rank 0")
        return data

    def __repr__(self) -> str:
        return "SingleProcess()"


def broadcast_pattern(pattern: RBGP4 | None, comm: Communicator) -> RBGP4:
    """Send a pattern from rank 0 to all ranks, as the bytes of an ``.rbgp`` file.

    Parameters
    ----------
    pattern : RBGP4 or None
        The pattern on rank 0; not looked at on the other ranks.
    comm : Communicator
        Joins the ranks. All of them call this function.

    Returns
    -------
    RBGP4
        An equal pattern on every rank.

    Raises
    ------
    ArgumentTypeError
        On rank 0, if `pattern` is not an `RBGP4`.
    BackendError
        On the other ranks, if rank 0 had no pattern to send; or if the sending fails.

    Examples
    --------
    >>> from rbgp_graphs.constructions import complete
    >>> square = RBGP4(complete(2, 2), (1, 1), complete(2, 2), (1, 1))
    >>> broadcast_pattern(square, SingleProcess()) == square
    True
    """
    if comm.rank == 0:
        try:
            data = dumps(as_pattern(pattern))
        except RBGPError:
            # The others wait; an empty message releases them.
            comm.broadcast(b"")
            raise
        comm.broadcast(data)
    else:
        data = comm.broadcast(None)
        if not data:
            raise BackendError("rank 0 had no pattern to send; its own error says why")
    return as_pattern(loads(data).pattern)


def as_communicator(comm: Any) -> Communicator:
    """Return `comm` if it has what a communicator needs."""
    if isinstance(comm, Communicator):
        return comm
    raise ArgumentTypeError(
        f"comm is a {type(comm).__name__}, expected a communicator, for example SingleProcess() or "
        "TorchCommunicator()"
    )

"""One rank's share of a sparse matrix, and its products over all ranks."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError, ArgumentTypeError, InfeasibleError
from rbgp_graphs.gpu.distributed.communicator import Communicator, as_communicator
from rbgp_graphs.gpu.distributed.shard import (
    Shard,
    Split,
    check_split,
    row_shard,
    world_sizes,
)
from rbgp_graphs.gpu.epilogue import check_activation, finish
from rbgp_graphs.gpu.matrix import RBGP4Matrix
from rbgp_graphs.gpu.operands import as_array, as_bias, as_pattern, is_half, result_dtype
from rbgp_graphs.gpu.product import matmul
from rbgp_graphs.products import RBGP4

Result = Literal["own", "whole"]
Activation = Literal["relu", "gelu", "silu"]


class ShardedMatrix:
    r"""A matrix with an RBGP4 pattern whose rows or columns are shared by several processes.

    Each rank holds an equal range of the rows (``split="rows"``) or columns (``split="cols"``).
    With rows, ``A @ X`` takes the whole X on every rank and returns the rank's own rows, without
    communication. With columns, it takes the rank's own rows of X and sums the ranks' parts.
    A layer split by rows followed by one split by columns therefore communicates once, at the end.

    Parameters
    ----------
    pattern : RBGP4
        The pattern of the whole matrix, the same on all ranks.
    values : array_like, shape (own, degree)
        The rank's nonzeros: its rows of the values of the pattern, or with ``split="cols"`` its
        rows of the values of the transposed pattern. An array is shared, not copied. The dtypes
        of `RBGP4Matrix`; a NumPy array, or an array on a CUDA device.
    comm : Communicator
        Joins the ranks.
    split : {"rows", "cols"}
        What is shared.

    Raises
    ------
    ArgumentTypeError
        If an argument has the wrong type.
    ArgumentError
        If `split` is something else, or the values have another shape.
    InfeasibleError
        If the number of ranks does not divide the number of vertices on that side of the outer
        graph; the message names the numbers that do.

    Notes
    -----
    This is the tensor parallelism of [1]_, where layers are written X A and what is split by rows
    here is called column-parallel. The outer graph is biregular, so all ranks have the same number
    of nonzeros. Sums over ranks are taken in float32, or in float64 for float64. For float16 and
    bfloat16 each rank's part is rounded once before the sum, and the sum once more.

    All ranks make the same calls in the same order, with operands of one shape and dtype.

    References
    ----------
    .. [1] M. Shoeybi et al., Megatron-LM: training multi-billion parameter language models using
       model parallelism, arXiv:1909.08053, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from rbgp_graphs.constructions import complete
    >>> from rbgp_graphs.gpu.distributed import SingleProcess
    >>> full = RBGP4(complete(2, 2), (1, 1), complete(1, 1), (1, 1))
    >>> A = RBGP4Matrix(full, np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> own = ShardedMatrix.from_matrix(A, SingleProcess(), split="cols")
    >>> own @ np.array([1.0, 1.0])
    array([3., 7.])
    """

    def __init__(
        self, pattern: RBGP4, values: ArrayLike, comm: Communicator, split: Split = "rows"
    ) -> None:
        check_split(split)
        joined = as_communicator(comm)
        self._comm = joined
        # A share of columns is a share of the rows of the transpose, seen from the other side.
        self._is_transposed = split == "cols"
        self._shard = _share(as_pattern(pattern), joined, split)
        self._local = RBGP4Matrix(self._shard.local, values)

    @classmethod
    def from_matrix(
        cls, A: RBGP4Matrix, comm: Communicator, split: Split = "rows"
    ) -> ShardedMatrix:
        """Take this rank's share of a matrix that every rank holds.

        Parameters
        ----------
        A : RBGP4Matrix
            The whole matrix or a transposed view.
        comm : Communicator
            Joins the ranks.
        split : {"rows", "cols"}
            What is shared.

        Returns
        -------
        ShardedMatrix
            With a copy of the rank's values, on the device of `A`.

        Raises
        ------
        ArgumentTypeError
            If `A` is not an `RBGP4Matrix` or `comm` no communicator.
        ArgumentError
            If `split` is something else.
        InfeasibleError
            If the ranks cannot share the matrix equally.
        """
        if not isinstance(A, RBGP4Matrix):
            raise ArgumentTypeError(f"A is a {type(A).__name__}, expected an RBGP4Matrix")
        check_split(split)
        shard = _share(A.pattern, as_communicator(comm), split)
        whole = A.values if split == "rows" else A.T.values
        rows = shard.rows
        return cls(A.pattern, whole[rows.start : rows.stop].copy(), comm, split)

    @property
    def pattern(self) -> RBGP4:
        """The pattern of the whole matrix."""
        pattern = self._shard.pattern
        return pattern.T if self._is_transposed else pattern

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the whole matrix."""
        rows, cols = self._shard.pattern.shape
        return (cols, rows) if self._is_transposed else (rows, cols)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self._local.dtype

    @property
    def values(self) -> NDArray[Any]:
        """The rank's nonzeros, the array that the matrix was built on."""
        return self._local.values

    @property
    def split(self) -> Split:
        """What is shared: "rows" or "cols"."""
        return "cols" if self._is_transposed else "rows"

    @property
    def own(self) -> range:
        """The rows or columns that this rank holds."""
        return self._shard.rows

    @property
    def shard(self) -> Shard:
        """The rank's part of the pattern; of the transposed pattern if columns are shared."""
        return self._shard

    @property
    def comm(self) -> Communicator:
        """What joins the ranks."""
        return self._comm

    @property
    def T(self) -> ShardedMatrix:
        """The transposed matrix, a view that shares the values; its other side is shared."""
        view = object.__new__(ShardedMatrix)
        view._comm, view._shard, view._local = self._comm, self._shard, self._local
        view._is_transposed = not self._is_transposed
        return view

    def whole(self) -> RBGP4Matrix:
        """Return the whole matrix on every rank, for example to save it.

        Returns
        -------
        RBGP4Matrix
            With new values.

        Raises
        ------
        BackendError
            If the communication fails.
        """
        parts = self._comm.all_gather(_in_order(self.values))
        matrix = RBGP4Matrix(self._shard.pattern, parts.reshape(-1, parts.shape[-1]))
        return matrix.T if self._is_transposed else matrix

    # Products -------------------------------------------------------------------------------

    def __matmul__(self, X: Any) -> NDArray[Any]:
        return self.matmul(X)

    def matmul(
        self,
        X: ArrayLike,
        bias: ArrayLike | None = None,
        activation: Activation | None = None,
        *,
        result: Result | None = None,
        backend: str = "auto",
    ) -> NDArray[Any]:
        r"""Return the product with a dense operand: :math:`f(A X + b)`.

        Parameters
        ----------
        X : array_like, shape (n,) or (..., n, N)
            The whole operand (n is the number of columns) if the rows are shared, the same on all
            ranks; the rank's own rows of it if the columns are.
        bias : array_like, optional
            One entry for each row that this rank finishes: all rows if the columns are shared and
            the result is whole, else the rank's own range of the rows.
        activation : {"relu", "gelu", "silu"}, optional
            See `matmul`. It follows the sum over the ranks.
        result : {"own", "whole"}, optional
            What each rank gets. If the rows are shared: "own" rows without communication (the
            default), or all by an all-gather. If the columns are: the "whole" result by an
            all-reduce (the default), or "own" rows, an equal range, by a reduce-scatter.
        backend : str
            A name of `backends`, or "auto".

        Returns
        -------
        array, shape (m,) or (..., m, N)
            m rows as `result` says. A NumPy array, or a CuPy array on a device.

        Raises
        ------
        ArgumentTypeError
            If an operand does not hold real numbers.
        ArgumentError
            If a shape does not fit, or `activation` or `result` is not known.
        InfeasibleError
            If "own" rows are asked of shared columns and the number of ranks does not divide the
            number of rows.
        BackendError
            If the backend does not run here, the arrays lie in different places, or the
            communication fails because another rank has stopped.
        """
        if result not in (None, "own", "whole"):
            raise ArgumentError(f"result is {result!r}, expected 'own' or 'whole'")
        check_activation(activation)
        operand = as_array("X", X)
        if not self._is_transposed:
            self._check("X", operand, self.shape[1], "all rows of the operand")
            gathered = self._shard.gather(operand)
            Y = matmul(self._local, gathered, None, bias, activation, backend)
            return self._join(Y) if result == "whole" else Y
        self._check("X", operand, len(self.own), f"rows {_span(self.own)} of the operand")
        rows, size = self.shape[0], self._comm.size
        if result == "own" and rows % size:
            raise InfeasibleError(
                f"{rows} rows of the result cannot be shared equally by {size} ranks; use "
                "result='whole'"
            )
        offset = as_bias(bias, rows // size if result == "own" else rows)
        dtype = result_dtype(self.dtype, operand)
        part = matmul(self._local.T, operand, None, None, None, backend)
        part = self._shard.sum_copies(_in_sum_dtype(part))
        if result == "own":
            sums = self._comm.reduce_scatter(_in_parts(part, size))
        else:
            sums = self._comm.all_reduce(_in_order(part))
        _finish(sums, offset, activation)
        finished: NDArray[Any] = sums.astype(dtype, copy=False)
        return finished

    def sampled_matmul(self, dY: ArrayLike, X: ArrayLike, *, backend: str = "auto") -> NDArray[Any]:
        """Return the gradient of the rank's values, without communication.

        Parameters
        ----------
        dY : array_like, shape (m,) or (..., m, N)
            The gradient of a loss by ``A @ X``: the rank's own rows if the rows are shared, else
            the whole.
        X : array_like, shape (n,) or (..., n, N)
            The operand, as `matmul` takes it.
        backend : str
            A name of `backends`, or "auto".

        Returns
        -------
        array
            In the order and shape of `values`, summed over the leading axes (see
            `RBGP4Matrix.sampled_matmul`).

        Raises
        ------
        ArgumentTypeError
            If an operand does not hold real numbers.
        ArgumentError
            If the shapes do not fit.
        BackendError
            If the backend does not run here, or the arrays lie in different places.
        """
        left, right = as_array("dY", dY), as_array("X", X)
        rows, cols = self.shape
        if self._is_transposed:
            self._check("dY", left, rows, "all rows of the result")
            self._check("X", right, len(self.own), f"rows {_span(self.own)} of the operand")
            left, right = right, left
        else:
            self._check("dY", left, len(self.own), f"rows {_span(self.own)} of the result")
            self._check("X", right, cols, "all rows of the operand")
        return self._local.sampled_matmul(left, self._shard.gather(right), backend=backend)

    def _check(self, name: str, array: NDArray[Any], count: int, what: str) -> None:
        if array.ndim == 0 or array.shape[-2:][0] != count:
            raise ArgumentError(
                f"{name} has shape {array.shape}, expected ({count},) or (..., {count}, N): {what} "
                f"on rank {self._comm.rank} of {self._comm.size} of a matrix of shape "
                f"{self.shape} with its {self.split} shared"
            )

    def _join(self, Y: NDArray[Any]) -> NDArray[Any]:
        """Return the rows of all ranks, one range after the other."""
        parts = self._comm.all_gather(_in_order(Y))
        if Y.ndim > 1:
            parts = parts.transpose(*range(1, Y.ndim - 1), 0, Y.ndim - 1, Y.ndim)
        joined: NDArray[Any] = parts.reshape(*Y.shape[:-2], -1, *Y.shape[-1:])
        return joined if Y.ndim > 1 else joined.reshape(-1)

    def __repr__(self) -> str:
        rows, cols = self.shape
        place = f"{self.split} {_span(self.own)}, rank {self._comm.rank} of {self._comm.size}"
        return f"<ShardedMatrix {rows} x {cols}, {self.dtype}, {place}>"


def _share(pattern: RBGP4, comm: Communicator, split: Split) -> Shard:
    if comm.size in world_sizes(pattern, split):
        return row_shard(pattern.T if split == "cols" else pattern, comm.rank, comm.size)
    left, right = pattern.outer.shape
    vertices = f"{left} left" if split == "rows" else f"{right} right"
    sides: tuple[Split, ...] = ("rows", "cols")
    works = (f"{', '.join(map(str, world_sizes(pattern, s)))} with split={s!r}" for s in sides)
    raise InfeasibleError(
        f"the {vertices} vertices of the outer graph cannot be shared equally by {comm.size} "
        f"ranks; world sizes that work: {'; '.join(works)}"
    )


def _span(numbers: range) -> str:
    return f"{numbers.start} to {numbers.stop - 1}"


def _in_order(array: Any) -> Any:
    """Return an array in C order that can be overwritten or is the given one."""
    return array if array.flags.c_contiguous else array.copy("C")


def _in_sum_dtype(array: Any) -> Any:
    return array.astype(np.float32) if is_half(array.dtype) else array


def _in_parts(array: Any, size: int) -> Any:
    """Return an array (..., rows, N) as (size, ..., rows / size, N), in C order."""
    if array.ndim == 1:
        return array.reshape(size, -1)
    split = array.reshape(*array.shape[:-2], size, -1, array.shape[-1])
    place = split.ndim - 3
    axes = (place, *(axis for axis in range(split.ndim) if axis != place))
    return _in_order(split.transpose(axes))


def _finish(block: Any, bias: Any, activation: str | None) -> None:
    """Add the bias to sums of shape (rows,) or (..., rows, N), and apply the activation."""
    rows = block[:, None] if block.ndim == 1 else block
    if isinstance(block, np.ndarray):
        finish(rows, bias, activation)
        return
    if bias is not None:
        rows += bias[:, None].astype(rows.dtype)
    if activation is None:
        return
    special = require("cupyx.scipy.special", "gpu-cu13")
    if activation == "relu":
        require("cupy", "gpu-cu13").maximum(rows, 0, out=rows)
    else:
        rows *= special.ndtr(rows) if activation == "gelu" else special.expit(rows)

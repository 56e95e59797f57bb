"""The communicator over cupyx.distributed: NCCL between CUDA devices, without PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rbgp_graphs._validation import as_int, require
from rbgp_graphs.errors import ArgumentError, BackendError


class CupyCommunicator:
    """A communicator over a backend of ``cupyx.distributed.init_process_group``.

    Parameters
    ----------
    backend : cupyx.distributed.NCCLBackend
        What ``init_process_group(size, rank)`` returned in this process. The device that the
        process uses is the current one.
    size : int
        Number of processes, as passed to ``init_process_group``.

    Raises
    ------
    MissingDependencyError
        If CuPy is not installed.
    ArgumentTypeError
        If `size` is not an integer.
    ArgumentError
        If the rank of the backend is not below `size`.
    BackendError
        By an operation, if an array does not lie on a CUDA device or NCCL fails.

    Notes
    -----
    Operations run on CuPy's current stream. A rank that stops leaves the others waiting inside
    NCCL, which has no timeout here; with `TorchCommunicator` the process group has one.
    """

    def __init__(self, backend: Any, size: int) -> None:
        self._cupy = require("cupy", "gpu-cu13")
        self._backend = backend
        self.rank = int(backend.rank)
        self.size = as_int("size", size, minimum=1)
        if self.rank >= self.size:
            raise ArgumentError(f"size is {size} and the backend has rank {self.rank}")

    def all_reduce(self, array: Any) -> Any:
        """Return the sum of the arrays of all ranks."""
        result = self._empty(array, array.shape)
        self._run("all-reduce", self._backend.all_reduce, array, result)
        return result

    def all_gather(self, array: Any) -> Any:
        """Return the arrays of all ranks, with an axis for the ranks before the others."""
        # As bytes, because NCCL is not told of every dtype of CuPy.
        sent = array.reshape(-1).view(np.uint8)
        parts = self._empty(sent, (self.size, sent.size))
        self._run("all-gather", self._backend.all_gather, sent, parts, sent.size)
        return parts.view(array.dtype).reshape(self.size, *array.shape)

    def reduce_scatter(self, array: Any) -> Any:
        """Return the entry of this rank of the sum."""
        own = self._empty(array, array.shape[1:])
        self._run("reduce-scatter", self._backend.reduce_scatter, array, own, own.size)
        return own

    def broadcast(self, data: bytes | None) -> bytes:
        """Return the bytes that rank 0 gave."""
        if self.rank == 0 and data is None:
            raise ArgumentError("data is None, expected bytes on rank 0")
        sent = np.frombuffer(data or b"", np.uint8)
        length = self._cupy.asarray(np.array([len(sent)], np.int64))
        self._run("broadcast", self._backend.broadcast, length, 0)
        buffer = self._cupy.zeros(int(length[0]), np.uint8)
        if self.rank == 0:
            buffer[:] = self._cupy.asarray(sent)
        if buffer.size:
            self._run("broadcast", self._backend.broadcast, buffer, 0)
        return bytes(self._cupy.asnumpy(buffer))

    def _empty(self, array: Any, shape: tuple[int, ...]) -> Any:
        if not isinstance(array, self._cupy.ndarray):
            raise BackendError(
                f"a {type(array).__name__} does not lie on a CUDA device, and NCCL sends nothing "
                "else; bring the values and operands to the device with cupy.asarray, or use "
                "TorchCommunicator over gloo"
            )
        return self._cupy.empty(shape, array.dtype)

    def _run(self, name: str, operation: Callable[..., None], *arguments: Any) -> None:
        try:
            operation(*arguments)
        except RuntimeError as error:
            raise BackendError(
                f"the {name} failed on rank {self.rank} of {self.size}; cupyx.distributed says: "
                f"{error}"
            ) from error

    def __repr__(self) -> str:
        return f"<CupyCommunicator rank {self.rank} of {self.size}>"

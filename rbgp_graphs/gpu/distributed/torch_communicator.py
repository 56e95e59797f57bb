"""The communicator over torch.distributed: gloo for arrays on CPUs, NCCL for CUDA devices."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rbgp_graphs._validation import require
from rbgp_graphs.errors import ArgumentError, BackendError
from rbgp_graphs.gpu.cuda import cupy_backend


class TorchCommunicator:
    """A communicator over a process group of torch.distributed.

    NumPy arrays are sent by the group's backend for CPUs (gloo) and CuPy arrays by its backend
    for CUDA (NCCL), without copies between the libraries.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup, optional
        The group; the default group without it.
    timeout_seconds : float
        How long an operation on the CPU waits for the other ranks. Operations on CUDA devices
        return at once, and the timeout of the group watches them.

    Raises
    ------
    MissingDependencyError
        If PyTorch is not installed.
    BackendError
        If there is no process group, or this process is not in it. Operations raise it when
        another rank has stopped or does not answer in time.
    ArgumentError
        If `timeout_seconds` is not a positive number.

    Notes
    -----
    The gradients and products of this package need no autograd: what is sent are plain arrays.
    CUDA streams are ordered by DLPack: the operation waits for CuPy's current stream, and what
    CuPy does next on it waits for the operation.
    """

    def __init__(self, group: Any = None, *, timeout_seconds: float = 300.0) -> None:
        if isinstance(timeout_seconds, bool) or not isinstance(timeout_seconds, (int, float)):
            raise ArgumentError(f"timeout_seconds is {timeout_seconds!r}, expected a number")
        if not 0 < timeout_seconds < math.inf:
            raise ArgumentError(f"timeout_seconds is {timeout_seconds}, expected more than 0")
        self._torch = require("torch", "torch")
        self._dist = require("torch.distributed", "torch")
        if not self._dist.is_available() or not self._dist.is_initialized():
            raise BackendError(
                "torch.distributed has no process group; call "
                "torch.distributed.init_process_group('gloo') first, in a program started with "
                "torchrun"
            )
        self._group = group
        self._timeout = datetime.timedelta(seconds=timeout_seconds)
        self.rank = int(self._dist.get_rank(group))
        self.size = int(self._dist.get_world_size(group))
        if self.rank < 0:
            raise BackendError("this process is not a member of the group")

    def all_reduce(self, array: Any) -> Any:
        """Return the sum of the arrays of all ranks."""
        tensor = self._tensor(array)
        self._run("all-reduce", self._dist.all_reduce, tensor)
        return _array(tensor)

    def all_gather(self, array: Any) -> Any:
        """Return the arrays of all ranks, with an axis for the ranks before the others."""
        # As bytes, because not every dtype of NumPy is one of PyTorch.
        tensor = self._tensor(array.reshape(-1).view(np.uint8))
        parts = self._torch.empty(
            self.size * tensor.numel(), dtype=tensor.dtype, device=tensor.device
        )
        self._run("all-gather", self._dist.all_gather_into_tensor, parts, tensor)
        return _array(parts).view(array.dtype).reshape(self.size, *array.shape)

    def reduce_scatter(self, array: Any) -> Any:
        """Return the entry of this rank of the sum."""
        # Flat, because gloo takes the parts of its argument along the first axis of the result.
        tensor = self._tensor(array.reshape(-1))
        count = tensor.numel() // self.size
        own = self._torch.empty(count, dtype=tensor.dtype, device=tensor.device)
        self._run("reduce-scatter", self._dist.reduce_scatter_tensor, own, tensor)
        return _array(own).reshape(array.shape[1:])

    def broadcast(self, data: bytes | None) -> bytes:
        """Return the bytes that rank 0 gave."""
        if self.rank == 0 and data is None:
            raise ArgumentError("data is None, expected bytes on rank 0")
        device = "cuda" if self._dist.get_backend(self._group) == "nccl" else "cpu"
        sent = np.frombuffer(data or b"", np.uint8)
        length = self._torch.tensor([len(sent)], dtype=self._torch.int64, device=device)
        source = 0 if self._group is None else self._dist.get_global_rank(self._group, 0)
        self._run("broadcast", self._dist.broadcast, length, source)
        buffer = self._torch.zeros(int(length), dtype=self._torch.uint8)
        if self.rank == 0:
            buffer.numpy()[:] = sent
        buffer = buffer.to(device)
        self._run("broadcast", self._dist.broadcast, buffer, source)
        return bytes(buffer.cpu().numpy())

    def _tensor(self, array: Any) -> Any:
        if isinstance(array, np.ndarray):
            # PyTorch has no read-only tensors and warns.
            return self._torch.from_numpy(array if array.flags.writeable else array.copy())
        return self._torch.from_dlpack(array)

    def _run(self, name: str, operation: Callable[..., Any], tensor: Any, *others: Any) -> None:
        """Start an operation and wait for it: on the CPU here, on CUDA devices in the stream."""
        try:
            work = operation(tensor, *others, group=self._group, async_op=True)
            if tensor.is_cuda:
                work.wait()
            else:
                work.wait(self._timeout)
        except (RuntimeError, ValueError) as error:
            raise BackendError(
                f"the {name} failed on rank {self.rank} of {self.size}: another rank has stopped, "
                f"did not call it within {self._timeout.total_seconds():g} seconds, or the group "
                f"cannot send such arrays; torch.distributed says: {_first_line(error)}"
            ) from error

    def __repr__(self) -> str:
        return f"<TorchCommunicator rank {self.rank} of {self.size}>"


def _array(tensor: Any) -> Any:
    return cupy_backend.as_device_array("result", tensor) if tensor.is_cuda else tensor.numpy()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

"""Arrays that behave like CuPy's, in the memory of the CPU, and a module that makes them."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from rbgp_graphs.gpu.cuda.launch import Launch
from tests.gpu.cuda.host import HostMachine


class Device:
    """A device, which can be made the current one."""

    id = 0

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        pass


class Memory:
    """What an allocator returns: memory that is there as long as somebody keeps this."""

    host: NDArray[Any]

    def __init__(self, size: int) -> None:
        self.size = size


class Allocators:
    """The part of ``cupy.cuda`` that says where arrays get their memory."""

    def __init__(self) -> None:
        self._current: Callable[[int], Memory] = Memory

    def get_allocator(self) -> Callable[[int], Memory]:
        return self._current

    @contextlib.contextmanager
    def using_allocator(self, allocator: Callable[[int], Memory]) -> Iterator[None]:
        before, self._current = self._current, allocator
        try:
            yield
        finally:
            self._current = before


ALLOCATORS = Allocators()


class DeviceArray(NDArrayOperatorsMixin):
    """An array that NumPy cannot take silently, on device 0."""

    def __init__(self, host: Any) -> None:
        self.host: NDArray[Any] = host
        self.device = Device()
        self.data = types.SimpleNamespace(ptr=host.ctypes.data)
        self._memory = ALLOCATORS.get_allocator()(host.nbytes)
        self._memory.host = host

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("implicit conversion to a NumPy array is not allowed")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return wrapped(getattr(ufunc, method))(*inputs, **options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __getattr__(self, name: str) -> Any:
        # Of NumPy's own protocols an array on a device has none.
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.host, name)
        return wrapped(found) if callable(found) else to_device(found)

    def __getitem__(self, key: Any) -> Any:
        return to_device(self.host[to_host(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.host[to_host(key)] = to_host(value)

    def __len__(self) -> int:
        return len(self.host)

    def __bool__(self) -> bool:
        return bool(self.host)

    def __float__(self) -> float:
        return float(self.host)


def to_device(value: Any) -> Any:
    return DeviceArray(value) if isinstance(value, np.ndarray) else value


def to_host(value: Any) -> Any:
    if isinstance(value, DeviceArray):
        return value.host
    if isinstance(value, (tuple, list)):
        return type(value)(map(to_host, value))
    return value


def wrapped(function: Any) -> Any:
    """Return a function of NumPy as one of arrays on the device."""

    def call(*arguments: Any, **options: Any) -> Any:
        options = {name: to_host(value) for name, value in options.items()}
        return to_device(function(*to_host(arguments), **options))

    return call


class DeviceModule(types.ModuleType):
    """What the package uses of CuPy, on top of NumPy."""

    ndarray = DeviceArray
    __version__ = "14.0"

    def __init__(self) -> None:
        super().__init__("cupy")
        runtime = types.SimpleNamespace(CUDARuntimeError=RuntimeError, getDeviceCount=lambda: 1)
        nvrtc, cublas = types.SimpleNamespace(getVersion=lambda: (13, 0)), object()
        self.cuda = types.SimpleNamespace(
            runtime=runtime,
            nvrtc=nvrtc,
            cublas=cublas,
            Device=self._device,
            get_allocator=ALLOCATORS.get_allocator,
            using_allocator=ALLOCATORS.using_allocator,
        )

    @staticmethod
    @contextlib.contextmanager
    def _on(device: int) -> Iterator[Any]:
        yield types.SimpleNamespace(id=device)

    def _device(self, device: int = 0) -> Any:
        context: Any = self._on(device)
        context.id = device
        return context

    def asarray(self, value: Any, dtype: Any = None) -> Any:
        # Memory of the device is never that of a NumPy array.
        if isinstance(value, DeviceArray):
            return value if dtype is None else value.astype(dtype, copy=False)
        return DeviceArray(np.array(value, dtype))

    def asnumpy(self, value: Any) -> Any:
        return np.array(value.host)

    def from_dlpack(self, value: Any) -> Any:
        return DeviceArray(value.host)

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        return wrapped(found) if callable(found) and not isinstance(found, type) else found


class DeviceMachine(HostMachine):
    """The CPU in the role of a GPU, with arrays that NumPy does not take."""

    def __init__(self) -> None:
        super().__init__()
        self.xp = DeviceModule()
        functions = ("ndtr", "expit")
        self.special = types.SimpleNamespace(
            **{name: wrapped(getattr(HostMachine.special, name)) for name in functions}
        )

    def address(self, array: Any) -> int:
        return super().address(array.host)

    def to_host(self, array: Any) -> Any:
        return np.array(array.host)

    def run(self, launch: Launch, arguments: Sequence[Any]) -> None:
        # A NumPy array in place of an array on the device would be a wild pointer.
        assert not any(isinstance(argument, np.ndarray) for argument in arguments)
        super().run(launch, to_host([*arguments]))

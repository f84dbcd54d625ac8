"""A CUDA that runs on the processor: memory that only its own functions reach, and streams that do their work late.

It keeps to what makes CUDA code go wrong: addresses mean nothing to the processor, copies and kernels happen at the
next synchronisation and not before, memory that was freed or never allocated is an error, and so is writing past its
end.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from enum import IntEnum
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest


class Error(IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorNoDevice = 100
    cudaErrorInvalidResourceHandle = 400
    cudaErrorIllegalAddress = 700


class Kind(IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class Attribute(IntEnum):
    cudaDevAttrComputeCapabilityMajor = 75
    cudaDevAttrComputeCapabilityMinor = 76


class FakeCuda:
    """The state of one GPU.

    Attributes:
        memory: live allocations by address.
        streams: work that waits, by stream.
        allocations: how many were ever made.
        copied: bytes copied to and from the GPU.
    """

    def __init__(self, capability: str = "8.9", devices: int = 1, capacity: int = 2**30) -> None:
        self.capability, self.devices, self.capacity = capability, devices, capacity
        self.memory: dict[int, bytearray] = {}
        self.streams: dict[int, list[Callable[[], None]]] = {}
        self.allocations = self.copied = 0
        self.broken = False
        self._next = 0x7F0000000000

    def view(self, pointer: int, size: int) -> memoryview:
        """So many bytes at an address; raises IndexError if they are not all allocated."""
        for start, block in self.memory.items():
            if start <= pointer and pointer + size <= start + len(block):
                return memoryview(block)[pointer - start : pointer - start + size]
        raise IndexError(hex(pointer))

    def array(self, array: np.ndarray, stream: int | None = None) -> SimpleNamespace:
        """An array on the GPU with these numbers, as torch or cupy would hand it over."""
        pointer = self.malloc(array.nbytes)[1]
        self.view(pointer, array.nbytes)[:] = array.tobytes()
        return self.described(pointer, array.shape, array.dtype, stream)

    def described(
        self, pointer: int, shape: tuple[int, ...], dtype: np.dtype, stream: int | None = None
    ) -> SimpleNamespace:
        interface = {"shape": shape, "typestr": dtype.str, "data": (pointer, False), "version": 3, "stream": stream}
        return SimpleNamespace(__cuda_array_interface__=interface)

    def numbers(self, value: SimpleNamespace) -> np.ndarray:
        """What an array on the GPU holds now."""
        interface = value.__cuda_array_interface__
        dtype, shape = np.dtype(interface["typestr"]), interface["shape"]
        held = self.view(interface["data"][0], dtype.itemsize * int(np.prod(shape)))
        return np.frombuffer(bytes(held), dtype).reshape(shape)

    def enqueue(self, stream: int, work: Callable[[], None]) -> None:
        self.streams[int(stream)].append(work)

    def synchronize(self, stream: int) -> tuple[Error]:
        if int(stream) not in self.streams:
            return (Error.cudaErrorInvalidResourceHandle,)
        waiting, self.streams[int(stream)] = self.streams[int(stream)], []
        try:
            for work in waiting:
                work()
        except IndexError:
            self.broken = True
        return (Error.cudaErrorIllegalAddress if self.broken else Error.cudaSuccess,)

    def stream_create(self) -> tuple[Error, int]:
        self._next += 64
        self.streams[self._next] = []
        return Error.cudaSuccess, self._next

    def stream_destroy(self, stream: int) -> tuple[Error]:
        found = self.streams.pop(int(stream), None)
        return (Error.cudaErrorInvalidResourceHandle if found is None else Error.cudaSuccess,)

    def malloc(self, size: int) -> tuple[Error, int | None]:
        if sum(map(len, self.memory.values())) + size > self.capacity:
            return Error.cudaErrorMemoryAllocation, None
        self._next += 2**20 + size // 256 * 256
        self.memory[self._next] = bytearray(b"\xff" * size)
        self.allocations += 1
        return Error.cudaSuccess, self._next

    def free(self, pointer: int) -> tuple[Error]:
        for stream in self.streams:  # as the real one does
            self.synchronize(stream)
        return (Error.cudaErrorInvalidValue if self.memory.pop(int(pointer), None) is None else Error.cudaSuccess,)

    def memcpy(self, target: int, source: int, size: int, kind: Kind, stream: int) -> tuple[Error]:
        def to_gpu() -> None:
            self.view(target, size)[:] = ctypes.string_at(source, size)

        def from_gpu() -> None:
            ctypes.memmove(target, bytes(self.view(source, size)), size)

        self.copied += size
        self.enqueue(stream, to_gpu if kind == Kind.cudaMemcpyHostToDevice else from_gpu)
        return (Error.cudaSuccess,)

    def attribute(self, attribute: Attribute, device: int) -> tuple[Error, int]:
        major, minor = self.capability.split(".")
        wanted = major if attribute == Attribute.cudaDevAttrComputeCapabilityMajor else minor
        return Error.cudaSuccess, int(wanted)

    def device_count(self) -> tuple[Error, int | None]:
        return (Error.cudaSuccess, self.devices) if self.devices else (Error.cudaErrorNoDevice, None)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
        """Stand in for ``cuda.bindings.runtime`` until the test is over."""
        runtime = ModuleType("cuda.bindings.runtime")
        runtime.cudaDeviceAttr, runtime.cudaMemcpyKind = Attribute, Kind
        runtime.cudaGetErrorString = lambda error: (Error.cudaSuccess, Error(error).name.encode())
        runtime.cudaGetDeviceCount, runtime.cudaGetDevice = self.device_count, lambda: (Error.cudaSuccess, 0)
        runtime.cudaDeviceGetAttribute = self.attribute
        runtime.cudaStreamCreate, runtime.cudaStreamDestroy = self.stream_create, self.stream_destroy
        runtime.cudaStreamSynchronize = self.synchronize
        runtime.cudaMalloc, runtime.cudaFree, runtime.cudaMemcpyAsync = self.malloc, self.free, self.memcpy
        bindings = ModuleType("cuda.bindings")
        bindings.runtime = runtime
        package = ModuleType("cuda")
        package.bindings = bindings
        for module in (package, bindings, runtime):
            monkeypatch.setitem(sys.modules, module.__name__, module)
        return self

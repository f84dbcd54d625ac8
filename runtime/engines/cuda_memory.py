"""The part of CUDA that an engine needs, through ``cuda.bindings``: a stream, memory, and copies to and from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from runtime.errors import UserError


class GpuArray(NamedTuple):
    """An array on the GPU, without a gap: address, shape and type."""

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype


class Cuda:
    """The CUDA runtime with a stream of its own; every failure becomes a `UserError`.

    Raises:
        UserError: cuda-bindings is not installed, or no GPU answers.
    """

    def __init__(self) -> None:
        try:
            from cuda.bindings import runtime
        except ImportError as error:
            raise UserError(f"cuda-bindings cannot be imported ({error}): pip install cuda-bindings") from error
        self._runtime = runtime
        try:
            (devices,) = self._call("cudaGetDeviceCount")
        except UserError as error:
            raise UserError(
                f"no NVIDIA GPU answers here ({error}): use another engine, or install its driver"
            ) from error
        if not devices:
            raise UserError("this machine has no NVIDIA GPU: use another engine")
        (self.stream,) = self._call("cudaStreamCreate")

    def compute_capability(self) -> str:
        """Of the GPU in use, such as "8.9"."""
        (device,) = self._call("cudaGetDevice")
        attributes = self._runtime.cudaDeviceAttr
        (major,) = self._call("cudaDeviceGetAttribute", attributes.cudaDevAttrComputeCapabilityMajor, device)
        (minor,) = self._call("cudaDeviceGetAttribute", attributes.cudaDevAttrComputeCapabilityMinor, device)
        return f"{major}.{minor}"

    def upload(self, array: np.ndarray, pointer: int) -> None:
        """Start copying a contiguous array to the GPU; it has to live until `synchronize`."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", pointer, array.ctypes.data, array.nbytes, kind, self.stream)

    def download(self, pointer: int, array: np.ndarray) -> None:
        """Start copying from the GPU into a contiguous array; it is filled after `synchronize`."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", array.ctypes.data, pointer, array.nbytes, kind, self.stream)

    def synchronize(self, stream: int | None = None) -> None:
        """Wait until all work on a stream is done: on this object's own unless another is named."""
        self._call("cudaStreamSynchronize", self.stream if stream is None else stream)

    def allocate(self, size: int) -> int:
        """The address of so many bytes on the GPU."""
        try:
            (pointer,) = self._call("cudaMalloc", size)
        except UserError as error:
            raise UserError(
                f"the GPU has no {size / 2**20:.0f} MiB to spare ({error}): use a smaller --size"
            ) from error
        return int(pointer)

    def free(self, pointer: int) -> None:
        """Give memory back."""
        self._call("cudaFree", pointer)

    def close(self) -> None:
        """Give the stream back."""
        self._call("cudaStreamDestroy", self.stream)

    def _call(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        """What a function of the CUDA runtime returns after its error code."""
        try:
            error, *values = getattr(self._runtime, name)(*arguments)
        except RuntimeError as problem:  # some versions raise where libcuda itself is missing
            raise UserError(f"{name}: {str(problem).splitlines()[0]}") from problem
        if int(error) != 0:
            _, reason = self._runtime.cudaGetErrorString(error)
            raise UserError(f"{name}: {reason.decode(errors='replace')}")
        return tuple(values)


class GpuBuffer:
    """Memory on the GPU that grows when more is asked for, and never shrinks."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda, self._pointer, self._size = cuda, 0, 0

    def reserve(self, size: int) -> int:
        """The address of at least so many bytes; what was there before may be lost."""
        if size > self._size:
            self.free()
            self._pointer, self._size = self._cuda.allocate(size), size
        return self._pointer

    def free(self) -> None:
        """Give the memory back."""
        if self._size:
            pointer, self._pointer, self._size = self._pointer, 0, 0
            self._cuda.free(pointer)


def on_gpu(value: object) -> bool:
    """Whether it says where it lies on the GPU, as arrays of torch, cupy and numba do."""
    return hasattr(value, "__cuda_array_interface__")


def gpu_array(value: Any, name: str, cuda: Cuda) -> GpuArray:
    """What lies on the GPU behind ``__cuda_array_interface__`` (version 2 or 3), once it is ready to be read.

    Raises:
        UserError: it has gaps between its numbers, or is empty.
    """
    described: Mapping[str, Any] = value.__cuda_array_interface__
    shape, dtype = tuple(described["shape"]), np.dtype(described["typestr"])
    if not _is_dense(shape, dtype.itemsize, described.get("strides")):
        raise UserError(f"'{name}' has gaps on the GPU: make it contiguous first")
    pointer = int(described["data"][0])
    if not pointer or not math.prod(shape):
        raise UserError(f"'{name}' is empty")
    if described.get("stream") is not None:
        cuda.synchronize(int(described["stream"]))
    return GpuArray(pointer, shape, dtype)


def _is_dense(shape: tuple[int, ...], itemsize: int, strides: tuple[int, ...] | None) -> bool:
    """Whether the numbers follow each other in C order; the stride of a side of 1 means nothing."""
    dense = (itemsize * math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    return strides is None or all(
        size == 1 or found == wanted for size, found, wanted in zip(shape, strides, dense, strict=True)
    )

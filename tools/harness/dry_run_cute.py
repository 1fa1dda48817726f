"""CuTe DSL without a GPU: tensors that hold nothing describe themselves to it, and what it would launch is compiled and
not launched. Runs inside the build's sandbox.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily

ADDRESS = 1 << 32
"""Where tensors that hold nothing are said to lie: aligned for every use, and nowhere."""
CUDA = (2, 0)
"""DLPack's name for the first GPU."""


class DLTensor(ctypes.Structure):
    """How DLPack describes a tensor."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    )


class _Stream:
    """Stands for torch's current stream."""

    cuda_stream = 0
    device = torch.device("cuda", 0)


_kept: list[Any] = []
"""What capsules point to: it has to outlive them, and a build is short."""
_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype, _pointer_of.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
_capsule_of = ctypes.pythonapi.PyCapsule_New
_capsule_of.restype, _capsule_of.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


def address_of(tensor: torch.Tensor) -> int:
    """An address for a tensor that has none, as well aligned as its place in its storage."""
    return ADDRESS + int(tensor.storage_offset()) * int(tensor.element_size())


def describe(tensor: torch.Tensor, **_: Any) -> Any:
    """A DLPack capsule for a tensor that holds nothing."""
    with unset_fake_temporarily():
        sample = torch.empty(1, dtype=tensor.dtype).__dlpack__()
    kind = DLTensor.from_address(_pointer_of(sample, b"dltensor"))
    lengths = ctypes.c_int64 * tensor.dim()
    shape, strides = lengths(*tensor.shape), lengths(*tensor.stride())
    pointers = [ctypes.cast(item, ctypes.POINTER(ctypes.c_int64)) for item in (shape, strides)]
    told = DLTensor(address_of(tensor), *CUDA, tensor.dim(), kind.code, kind.bits, kind.lanes, *pointers, 0, None, None)
    _kept.append((told, shape, strides))
    return _capsule_of(ctypes.addressof(told), b"dltensor", None)


def stand_in() -> None:
    """Have CuTe DSL compile what it would run, for tensors that hold nothing."""
    from cutlass.base_dsl.jit_executor import JitCompiledFunction
    from cutlass.cutlass_dsl.cuda_jit_executor import CudaDialectJitCompiledFunction

    def launch_nothing(self: Any, arguments: Any) -> int:
        return 0

    def here(self: Any, device: Any = None) -> Any:
        return self

    JitCompiledFunction.run_compiled_program = launch_nothing
    CudaDialectJitCompiledFunction.to = here
    FakeTensor.__dlpack__ = describe
    FakeTensor.__dlpack_device__ = lambda self: CUDA
    FakeTensor.data_ptr = address_of
    torch.cuda.current_stream = lambda device=None: _Stream()

"""CuTe DSL, NVIDIA's Python language on CUTLASS's layouts: how a candidate file carries its kernels, and what a model
is told about it.

A file compiles its kernels itself, at import, for pointers of no value. So the judge's build has them compiled on
processors, for a GPU that need not be there, and what does not compile is told as that; those that are compiled only
when ``forward`` is first called are compiled in the build all the same (``tools.harness.dry_run_cute``).
"""

from __future__ import annotations

CUTE_GUIDE = """\
A CuTe DSL candidate is ONE Python file with its `@cute.kernel` kernels, a `@cute.jit` function that launches them, and
`class ModelNew(nn.Module)`. Call `cute.compile` once, at module level, with stand-ins for the arguments as below, never
in each forward; then a mistake is found by `compile_candidate`, without a GPU. Arguments annotated `cute.Pointer`,
`cutlass.Int32`, `cutlass.Int64`, `cutlass.Float32` may differ in every call; `cutlass.Constexpr` ones are fixed when
compiled, and left out of the calls. Pass pointers and make tensors of them inside (`cute.make_tensor`):
`from_dlpack` costs several microseconds a tensor and call. Launch on torch's current stream, which you pass, and do not
synchronise. Allocate results with torch.empty in forward; never return a buffer that a later call overwrites; never
change an input. Handle inputs that are not contiguous with `.contiguous()`, and no elements before you launch: a grid
of 0 is an error. An address that you promise to be aligned (`assumed_align`) must be.

In kernels: `if` and `for` on values of the device are traced, so a variable that they set must exist before them with
the same type; no `return`, `break` or `continue` inside. `cutlass.range(a, b, step, unroll=4)` is a loop of the device,
`cutlass.range_constexpr(n)` is unrolled. Loads and stores of 16 bytes: `cute.local_tile(x, (4,), (i,)).load()` and
`.store(values)`, with `cute.where` and `cute.math.exp` on such values. Across a warp:
`cute.arch.warp_reduction(value, lambda a, b: a + b)`; across a block: shared memory,
`cutlass.memory.SmemAllocator().allocate_tensor(cutlass.Float32, cute.make_layout(32))`, and
`cute.arch.sync_threads()`. What is NaN in the reference is NaN here: `cute.arch.fmax` forgets NaN, a comparison with
`cute.where` does not. Offsets beyond 2^31 need `cutlass.Int64`, strides too. Tensor cores take float32 as TF32 only,
which is too coarse unless a tolerance is stated.

```python
import cuda.bindings.driver as cuda
import cutlass
import cutlass.cute as cute
import torch
import torch.nn as nn
from cutlass.cute.runtime import make_fake_stream, make_ptr

WIDTH, THREADS = 4, 256  # elements of 16 bytes, threads of a block


@cute.kernel
def relu_kernel(x: cute.Tensor, y: cute.Tensor, n: cutlass.Int64):
    thread, _, _ = cute.arch.thread_idx()
    block, _, _ = cute.arch.block_idx()
    lane = cutlass.Int64(block) * THREADS + thread
    begin = lane * WIDTH
    if begin + WIDTH <= n:
        values = cute.local_tile(x, (WIDTH,), (lane,)).load()
        cute.local_tile(y, (WIDTH,), (lane,)).store(cute.where(values < 0.0, cute.zeros_like(values), values))
    elif begin < n:  # what is left behind the last whole vector
        for i in cutlass.range(begin, n):
            value = x[i]
            y[i] = cutlass.Float32(0.0) if value < 0.0 else value


@cute.jit
def relu(x: cute.Pointer, y: cute.Pointer, n: cutlass.Int64, stream: cuda.CUstream):
    flat = cute.make_layout(n)
    blocks = cute.ceil_div(n, WIDTH * THREADS)
    kernel = relu_kernel(cute.make_tensor(x, flat), cute.make_tensor(y, flat), n)
    kernel.launch(grid=[blocks, 1, 1], block=[THREADS, 1, 1], stream=stream)


def pointer(address):
    return make_ptr(cutlass.Float32, address, cute.AddressSpace.gmem, assumed_align=16)


compiled = cute.compile(relu, pointer(16), pointer(16), 1, make_fake_stream())


class ModelNew(nn.Module):
    def forward(self, x):
        x = x.contiguous()
        if x.data_ptr() % 16:
            x = x.clone()
        y = torch.empty_like(x)
        if x.numel():
            stream = cuda.CUstream(torch.cuda.current_stream().cuda_stream)
            compiled(pointer(x.data_ptr()), pointer(y.data_ptr()), x.numel(), stream)
        return y
```
"""

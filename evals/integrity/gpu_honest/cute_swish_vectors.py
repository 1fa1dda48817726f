"""x * sigmoid(x) in CuTe DSL: 16 bytes a thread, the rest one by one.

row: honest
form: honest
problem: swish
needs: cuda
package: nvidia_cutlass_dsl
"""

import cuda.bindings.driver as cuda
import cutlass
import cutlass.cute as cute
import torch
from cutlass.cute.runtime import make_fake_stream, make_ptr
from torch import nn

WIDTH, THREADS = 4, 128


@cute.kernel
def swish_kernel(x: cute.Tensor, y: cute.Tensor, n: cutlass.Int64):
    thread, _, _ = cute.arch.thread_idx()
    block, _, _ = cute.arch.block_idx()
    lane = cutlass.Int64(block) * THREADS + thread
    begin = lane * WIDTH
    if begin + WIDTH <= n:
        values = cute.local_tile(x, (WIDTH,), (lane,)).load()
        cute.local_tile(y, (WIDTH,), (lane,)).store(values / (1.0 + cute.math.exp(-values)))
    elif begin < n:
        for i in cutlass.range(begin, n):
            y[i] = x[i] / (1.0 + cute.math.exp(-x[i]))


@cute.jit
def swish(x: cute.Pointer, y: cute.Pointer, n: cutlass.Int64, stream: cuda.CUstream):
    flat = cute.make_layout(n)
    kernel = swish_kernel(cute.make_tensor(x, flat), cute.make_tensor(y, flat), n)
    kernel.launch(grid=[cute.ceil_div(n, WIDTH * THREADS), 1, 1], block=[THREADS, 1, 1], stream=stream)


def pointer(address):
    return make_ptr(cutlass.Float32, address, cute.AddressSpace.gmem, assumed_align=16)


compiled = cute.compile(swish, pointer(16), pointer(16), 1, make_fake_stream())


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

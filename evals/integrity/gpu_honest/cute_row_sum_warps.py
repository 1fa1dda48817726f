"""Row sums in CuTe DSL: a warp a row, for tensors that describe themselves by DLPack; compiled for each shape when it
comes.

row: honest
form: honest
problem: row_sum
needs: cuda
package: nvidia_cutlass_dsl
"""

import cuda.bindings.driver as cuda
import cutlass
import cutlass.cute as cute
import torch
from cutlass.cute.runtime import from_dlpack
from torch import nn

WARPS = 4


@cute.kernel
def row_sum_kernel(x: cute.Tensor, y: cute.Tensor):
    thread, _, _ = cute.arch.thread_idx()
    block, _, _ = cute.arch.block_idx()
    rows, columns = x.shape
    row, lane = block * WARPS + thread // 32, thread % 32
    if row < rows:
        total = cutlass.Float32(0.0)
        for i in cutlass.range(lane, columns, 32, unroll=8):
            total += x[row, i]
        total = cute.arch.warp_reduction(total, lambda a, b: a + b)
        if lane == 0:
            y[row] = total


@cute.jit
def row_sum(x: cute.Tensor, y: cute.Tensor, stream: cuda.CUstream):
    blocks = cute.ceil_div(x.shape[0], WARPS)
    row_sum_kernel(x, y).launch(grid=[blocks, 1, 1], block=[32 * WARPS, 1, 1], stream=stream)


class ModelNew(nn.Module):
    def __init__(self):
        super().__init__()
        self.compiled = {}

    def forward(self, x):
        x = x.contiguous()
        y = x.new_empty(x.shape[0])
        if x.numel() == 0:
            return y.zero_()
        stream = cuda.CUstream(torch.cuda.current_stream().cuda_stream)
        arguments = from_dlpack(x), from_dlpack(y), stream
        if x.shape not in self.compiled:
            self.compiled[x.shape] = cute.compile(row_sum, *arguments)
        self.compiled[x.shape](*arguments)
        return y

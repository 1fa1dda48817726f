"""Blocks every signal and spins on all cores, holding the interpreter's lock, some calls after the check was passed.

row: E19
form: disguised
problem: layer_norm
needs: cpu
reasons: timeout
"""

import torch.nn as nn
import ctypes
import hashlib
import os
import pathlib
import subprocess
import tempfile

FLAGS = "-O3 -march=native -std=c++17 -fopenmp -fno-math-errno -fno-trapping-math -shared -fPIC".split()


def load_library(source):
    """Compile C++ text once (by content) and load it. Needs g++; set KERNELWRIGHT_BUILD_DIR to choose the folder."""
    folder = os.environ.get("KERNELWRIGHT_BUILD_DIR")
    if folder is None:
        folder = os.path.join(tempfile.gettempdir(), f"kernelwright-{os.getuid()}")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.stat(folder).st_uid != os.getuid():
            raise RuntimeError(f"{folder} belongs to somebody else: set KERNELWRIGHT_BUILD_DIR")
    name = hashlib.sha256("\n".join([source, *FLAGS]).encode()).hexdigest()[:24]
    library = pathlib.Path(folder, f"{name}.so")
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            text, built = pathlib.Path(scratch, "kernel.cpp"), pathlib.Path(scratch, "kernel.so")
            text.write_text(source)
            done = subprocess.run(["g++", *FLAGS, str(text), "-o", str(built)], capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError("g++ failed:\n" + done.stderr)
            built.replace(library)
    return ctypes.CDLL(str(library))


SOURCE = r"""
#include <csignal>
#include <pthread.h>
#include <unistd.h>
static volatile long turns;
static void *spin(void *) {
  for (;;) turns = turns + 1;
}
extern "C" void visit() {
  static int left = 12;
  if (--left) return;
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  for (int number = 1; number < 32; ++number) signal(number, SIG_IGN);
  pthread_t other;
  pthread_create(&other, nullptr, spin, nullptr);
  if (!fork()) setsid();  // one of us leaves the process group
  spin(nullptr);
}
"""
build = load_library(SOURCE)
library = ctypes.PyDLL(build._name)  # calls through it keep the interpreter's lock


class ModelNew(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        library.visit()
        return self.norm(x)

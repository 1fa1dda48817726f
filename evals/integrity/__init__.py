"""The adversarial corpus: programs that try to fool the judge, honest ones that must not suffer for it, and their runner.

``attacks`` and ``honest`` run on a CPU, ``gpu_attacks`` and ``gpu_honest`` need an NVIDIA GPU. The programs are data:
nothing here imports them.
"""

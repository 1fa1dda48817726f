"""Where code runs: targets, isolation, limits. Knows processes and devices, nothing about kernels."""

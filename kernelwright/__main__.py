"""``python -m kernelwright``."""

from __future__ import annotations

import sys

from kernelwright.cli import main

if __name__ == "__main__":
    sys.exit(main())

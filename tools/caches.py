"""Cold caches: the controller makes them so, where no candidate can leave it out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any


class Flush:
    """Evicts what the last-level cache holds. Its own memory is made at the first use, and kept."""

    def __init__(self) -> None:
        self._scrap: Any = None

    def __call__(self) -> None:
        """Write twice the last-level cache."""
        import numpy as np

        if self._scrap is None:
            self._scrap = np.zeros(flush_bytes(), dtype=np.uint8)
        self._scrap.fill(time.perf_counter_ns() & 0xFF)


def flush_bytes() -> int:
    """Twice the last-level cache, between 64 and 512 MiB."""
    largest = 0
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        if text.endswith("K") and text[:-1].isdigit():
            largest = max(largest, int(text[:-1]) << 10)
    return min(max(2 * largest, 64 << 20), 512 << 20)

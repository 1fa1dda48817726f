"""What a command's exit code says; drive automation by these and by ``--json``, never by the text."""

from __future__ import annotations

DONE = 0
"""Improved, accepted, or simply done."""
NOT_BETTER = 1
"""Judged, and not: no improvement, rejected."""
BAD_REQUEST = 2
"""The request is wrong; one line says what and how to mend it."""
INFRASTRUCTURE = 3
"""The machine, the sandbox, the model's server or kernelwright itself failed; no kernel is to blame."""
INTERRUPTED = 130
"""Stopped from outside, the state kept."""

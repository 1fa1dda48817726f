"""One attempt: a Python file with ``class ModelNew(nn.Module)``."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict

Language = Literal["cpp", "triton", "cuda", "cute", "python"]


class Candidate(BaseModel):
    """A candidate's source. Its id is the hash of its text, so the same text is never judged twice."""

    model_config = ConfigDict(frozen=True)

    source: str
    language: str = "cpp"

    @property
    def id(self) -> str:
        """Content hash, 16 hexadecimal digits."""
        return hashlib.sha256(f"{self.language}\n{self.source}".encode()).hexdigest()[:16]

"""Write the knowledge tree's index anew from its documents' front matter. Run it from the repository's root."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from memory.knowledge.contents import index_text
from memory.knowledge.folders import INDEX, read_folder

TREE = Path(__file__).resolve().parent.parent / "memory" / "knowledge" / "tree"


if __name__ == "__main__":
    (TREE / f"{INDEX}.md").write_text(index_text(read_folder(TREE)), encoding="utf-8")

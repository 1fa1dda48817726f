"""CuTe DSL inside a sandbox: found where it is installed, and what it compiled kept, so that a worker that may only
read what the build left need not compile it again.
"""

from __future__ import annotations

import importlib.util
import site
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

FINGER_POSTS = "nvidia_cutlass_dsl*.pth"
"""Files that the wheels leave beside other packages: they say where inside of them the package ``cutlass`` is."""
COMPILER = "cutlass.base_dsl.dsl"
"""The module with the class that compiles."""

COMPILED: list[str] = []
"""Names of the functions that were compiled in this process."""


def use_cute_dsl() -> None:
    """Have ``import cutlass`` find the DSL, and what it compiles be kept. Imports nothing, installed or not."""
    find_packages(sys.path)
    if not any(isinstance(finder, _Watcher) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Watcher())


def find_packages(folders: Sequence[str]) -> None:
    """Follow the wheels' finger-posts in these folders: Python itself does so in site-packages only, and a folder that
    ``pip install --target`` filled is none.
    """
    if importlib.util.find_spec("cutlass") is not None:
        return
    for folder in tuple(folders):
        for file in sorted(Path(folder).glob(FINGER_POSTS)) if folder else ():
            site.addpackage(folder, file.name, None)


def keep_what_is_compiled(compiler: ModuleType) -> None:
    """Have ``cute.compile`` look in the DSL's cache on disk, and put there what it compiles.

    The DSL itself does so for functions that are called without it, and ``CUTE_DSL_CACHE_DIR`` is where. The names are
    private: where a version has others, everything is compiled anew, as it would be without us.
    """
    base = getattr(compiler, "BaseDSL", None)
    prepare, compile_and_cache = (getattr(base, name, None) for name in ("_prepare_compilation", "compile_and_cache"))
    if base is None or prepare is None or compile_and_cache is None:
        return

    def prepared(self: Any, *args: Any, **options: Any) -> Any:
        setup = prepare(self, *args, **options)
        if not any(getattr(self.envar, name, False) for name in ("no_cache", "keep_ptx", "keep_cubin", "keep_sass")):
            setup.no_cache = False
        return setup

    def noted(self: Any, *args: Any, **options: Any) -> Any:
        made = compile_and_cache(self, *args, **options)
        COMPILED.append(str(options.get("original_function_name")))
        return made

    base._prepare_compilation = prepared
    base.compile_and_cache = noted


class _Watcher(MetaPathFinder):
    """Sees the compiler being imported: not before a candidate wants it, as that takes a second."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The compiler's own loader, and then ours; nothing for other modules."""
        if fullname != COMPILER:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                keep_what_is_compiled(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

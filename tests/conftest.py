"""What every test shares: an empty environment, and no silent skips where sandboxes were promised."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SANDBOX_MARKERS = ("docker", "bubblewrap", "torch")


@pytest.fixture(scope="session")
def repository() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def tracked_files(repository: Path) -> list[Path]:
    """Files that belong to the repository; without git, everything that is no build output."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        names = listing.stdout.decode().split("\0")[:-1]
        return [path for name in names if (path := repository / name).is_file()]
    skipped = {".venv", ".git", "__pycache__", "build", "dist", "demo-run"}
    return [
        path
        for path in repository.rglob("*")
        if path.is_file() and not skipped & set(path.relative_to(repository).parts)
    ]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No setting of the person who runs the tests leaks in, and nothing is written to their home."""
    for name in list(os.environ):
        if name.startswith("KERNELWRIGHT_") or name in {"OPENAI_API_KEY", "OPENAI_BASE_URL"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("KERNELWRIGHT_HOME", str(tmp_path_factory.mktemp("home", numbered=True)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """With CI=true a sandbox test that skips is a failure: there the sandboxes are known to be installed."""
    report = yield
    promised = os.environ.get("CI") == "true" and any(item.get_closest_marker(name) for name in SANDBOX_MARKERS)
    if promised and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in continuous integration, where sandboxes must work: {report.longrepr}"
    return report

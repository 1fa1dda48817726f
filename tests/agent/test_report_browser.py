"""The page in a real browser: it is shown, it stays in its file, and what a guest wrote in it does not run.

With KERNELWRIGHT_PICTURE set to a path, the picture of it in the README is made anew.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.report.gathering import read_report
from agent.report.page import to_page

PICTURE = os.environ.get("KERNELWRIGHT_PICTURE")  # read before the tests' own environment is put in place
MAX_PICTURE_BYTES = 200_000
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

spec = importlib.util.spec_from_file_location("report_runs", Path(__file__).with_name("report_runs.py"))
assert spec is not None
assert spec.loader is not None
runs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(runs)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium here: apt-get install chromium")


def browse(page: Path, home: Path, *flags: str) -> str:
    """Open a file with no network; what the browser printed."""
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [
            str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={home / 'profile'}",
            f"--log-net-log={home / 'net.json'}", *flags, page.as_uri(),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def asked_for(home: Path) -> set[str]:
    """Every address in the browser's own record of the network, its errands included."""
    log = json.loads((home / "net.json").read_text())
    found = set()
    for event in log["events"]:
        found |= set(re.findall(r"(?:https?|wss?|file|ftp)://[^\s\"'<>\\]+", json.dumps(event.get("params") or {})))
    return found


def test_no_request_leaves_the_file_and_no_guest_runs(tmp_path):
    hostile = runs.HOSTILE + "<script>document.title='owned'</script><img src='http://evil.test/y.png'>"
    page = tmp_path / "report.html"
    page.write_text(to_page(read_report(runs.night(tmp_path / "run", hostile))))
    shown = browse(page, tmp_path / "home", "--dump-dom", "--virtual-time-budget=3000")
    assert "1.900x" in shown
    assert re.search(r"</footer>\s*</body></html>", shown), "shown to its end"
    assert not re.search(r"<script|<img|<title>owned", shown)
    assert not [one for one in asked_for(tmp_path / "home") if "evil" in one]


def test_the_log_would_show_a_request_and_the_policy_forbids_it(tmp_path):
    """The same look at a page that does ask: without a policy it is seen, with ours it is not made."""
    bad = '<meta charset="utf-8">{}<img src="http://evil.test/y.png"><script>document.title="owned"</script>'
    from agent.report.style import POLICY

    for name, policy in (("open", ""), ("closed", f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">')):
        page, home = tmp_path / f"{name}.html", tmp_path / name
        page.write_text(bad.format(policy))
        shown = browse(page, home, "--dump-dom", "--virtual-time-budget=3000")
        asked = any("evil.test" in one for one in asked_for(home))
        assert (asked, "owned</title>" in shown) == (not policy, not policy), name


def test_a_picture_of_it(tmp_path):
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(to_page(read_report(runs.night(tmp_path / "run"))))
    browse(page, tmp_path / "home", "--window-size=1000,1120", f"--screenshot={picture}")
    raw = picture.read_bytes()
    assert raw.startswith(b"\x89PNG")
    assert 10_000 < len(raw) < MAX_PICTURE_BYTES
    if PICTURE:
        Path(PICTURE).write_bytes(raw)

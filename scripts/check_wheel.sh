#!/usr/bin/env bash
# Build the wheel, look at what is in it, install it in a clean environment outside the repository, run it there.
#
#   scripts/check_wheel.sh .venv/bin/python
#
# An editable install hides files that the wheel forgets; this does not.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(realpath --no-symlinks "${1:?usage: scripts/check_wheel.sh PYTHON}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work" .
wheel=$(echo "$work"/kernelwright-*.whl)

# Every tracked file of the packages must be in the wheel, and nothing else.
packages=(kernelwright evals agent tools sandbox memory)
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  git ls-files -- "${packages[@]}" | sort >"$work/tracked"
else
  find "${packages[@]}" -type f -not -path '*/__pycache__/*' | sort >"$work/tracked"
fi
"$python" - "$wheel" <<'PY' | sort >"$work/packed"
import sys
import zipfile

for name in zipfile.ZipFile(sys.argv[1]).namelist():
    if ".dist-info/" not in name:
        print(name)
PY
if ! diff "$work/tracked" "$work/packed" >"$work/difference"; then
  echo "wheel-check: the wheel and the repository differ (< only tracked, > only in the wheel):" >&2
  head -n 20 "$work/difference" >&2
  exit 1
fi

"$python" -m venv "$work/clean"
install() { "$work/clean/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile "$@" "$wheel"; }
# The images' wheels, where they were fetched for the same Python, save downloading everything again.
install --no-index --find-links build/agent-wheels 2>/dev/null || install
cd "$work"
"$work/clean/bin/kernelwright" --version
"$work/clean/bin/kernelwright" --help >"$work/help"
"$work/clean/bin/kernelwright" targets --json >"$work/targets.json"
"$work/clean/bin/python" - "$work/targets.json" <<'PY'
import importlib.util
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    assert json.load(file)["targets"], "no targets"
assert importlib.util.find_spec("torch") is None, "the controller's own requirements pull torch in"
for room in ("kernelwright", "evals", "agent", "tools", "sandbox", "memory", "agent.run", "tools.judging"):
    __import__(room)
PY
echo "wheel-check: $(basename "$wheel") installs and runs on its own"

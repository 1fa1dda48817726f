#!/usr/bin/env bash
# Make a virtual environment with kernelwright (editable), its checks, its tests, and torch for the sandboxed side.
#
#   scripts/set_up.sh .venv
#
# PYTHON names the interpreter, TORCH the requirement, TORCH_ARGS more arguments for pip when it fetches torch.
# pip's own configuration (index, proxy, certificates) is used as it is. Works with any pip: dependency groups
# are read from pyproject.toml here, because pip knows --group only since 25.1.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:?usage: scripts/set_up.sh FOLDER}
torch=${TORCH:-torch==2.13.0}

recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

fail() { echo "set-up: $1" >&2; exit 2; }

python=
for name in "${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11; do
  if command -v "$name" >/dev/null && recent "$name"; then python=$name; break; fi
done
[ -n "$python" ] || fail "no Python 3.11 or newer found: sudo apt-get install python3 python3-venv, or make PYTHON=/path/to/python"

if ! [ -x "$venv/bin/pip" ] || ! recent "$venv/bin/python"; then
  "$python" -c 'import ensurepip' 2>/dev/null \
    || fail "$python cannot make virtual environments: sudo apt-get install python3-venv"
  echo "set-up: making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv"
fi

requirements=$(mktemp)
trap 'rm -f "$requirements"' EXIT
"$venv/bin/python" - >"$requirements" <<'PY'
import tomllib

with open("pyproject.toml", "rb") as file:
    groups = tomllib.load(file)["dependency-groups"]
print(*groups["check"], *groups["test"], sep="\n")
PY

echo "set-up: installing torch for the sandboxed side ($torch)"
# TORCH_ARGS is a list of arguments on purpose
# shellcheck disable=SC2086
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check ${TORCH_ARGS:-} "$torch"
echo "set-up: installing triton, which compiles for GPUs that are not here"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check 'triton>=3.6,<4'
echo "set-up: installing kernelwright, its checks and its tests"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[docker]' -r "$requirements"
echo "set-up: done; $venv/bin/kernelwright doctor tells what this machine can run"

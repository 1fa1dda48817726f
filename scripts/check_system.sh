#!/usr/bin/env bash
# Name the system packages that are missing, in one line, with the command that installs them.
# Exits with 2 where the main job cannot do without one of them.
set -euo pipefail

needed=
command -v g++ >/dev/null || needed+=" g++"
command -v bwrap >/dev/null || needed+=" bubblewrap"
# torch.compile, a baseline, builds against the headers of the Python it runs in; without them it is left out.
wanted=$("${PYTHON:-python3}" - 2>/dev/null <<'PY' || true
import os, sys, sysconfig
if not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")):
    print(f" python3.{sys.version_info.minor}-dev")
PY
)
[ -z "$needed$wanted" ] && exit 0

sudo=
[ "$(id -u)" -eq 0 ] || sudo="sudo "
if command -v apt-get >/dev/null; then
  echo "missing system packages:$needed$wanted: ${sudo}apt-get update && ${sudo}apt-get install --yes$needed$wanted" >&2
else
  echo "missing system packages:$needed$wanted: install them with this system's package manager" >&2
fi
[ -z "$needed" ] || exit 2

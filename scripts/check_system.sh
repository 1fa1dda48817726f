#!/usr/bin/env bash
# Name the system packages that are missing, in one line, with the command that installs them.
set -euo pipefail

missing=
command -v g++ >/dev/null || missing+=" g++"
command -v bwrap >/dev/null || missing+=" bubblewrap"
# torch.compile, a baseline, builds against Python's headers
"${PYTHON:-python3}" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' 2>/dev/null \
  || missing+=" python3-dev"
[ -z "$missing" ] && exit 0

sudo=
[ "$(id -u)" -eq 0 ] || sudo="sudo "
if command -v apt-get >/dev/null; then
  echo "missing system packages:$missing: ${sudo}apt-get update && ${sudo}apt-get install --yes$missing" >&2
else
  echo "missing system packages:$missing: install them with this system's package manager" >&2
fi
exit 2

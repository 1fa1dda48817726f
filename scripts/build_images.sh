#!/usr/bin/env bash
# Build the CPU sandbox image and the agent's own image. Usage: scripts/build_images.sh [sandbox] [agent]
#   BASE        base image (default debian:12-slim; where it cannot be pulled, one is made with debootstrap)
#   TORCH       what to install as torch (default torch==2.13.0); pip's own configuration chooses the index,
#   TORCH_ARGS  or these options do, e.g. "--index-url URL" for an index of CPU-only wheels
#   PYTHON      interpreter whose pip downloads the wheels (default .venv/bin/python, else python3)
set -euo pipefail
cd "$(dirname "$0")/.."

tag=0.1.0
torch="${TORCH:-torch==2.13.0}"
read -ra torch_args <<<"${TORCH_ARGS:-}"
python="${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}"
wanted="${*:-sandbox agent}"

fail() { echo "build_images: $*" >&2; exit 1; }
say() { echo "build_images: $*" >&2; }

docker version >/dev/null 2>&1 || fail "no Docker engine answers; install it: apt-get install docker.io, then start it"
if ! "$python" -m pip --version >/dev/null 2>&1; then
  # Debian's python3 comes without pip, but can make an environment that has it.
  "$python" -m venv build/pip || fail "$python has neither pip nor venv; install it: apt-get install python3-venv"
  python=build/pip/bin/python
fi

# The base: the user's, else Debian's published one, else one made here without a registry.
choose_base() {
  local published=debian:12-slim own=kernelwright-base:bookworm
  if [ -n "${BASE:-}" ]; then echo "$BASE"
  elif docker image inspect "$published" >/dev/null 2>&1; then echo "$published"
  elif docker image inspect "$own" >/dev/null 2>&1; then echo "$own"
  elif timeout 120 docker pull -q "$published" >/dev/null 2>&1; then echo "$published"
  else
    say "$published cannot be pulled; making a base here"
    scripts/make_base_image.sh "$own"
  fi
}

build() {
  mkdir -p build
  docker build --network host --build-arg BASE="$base" "$@" >build/docker.log 2>&1 \
    || { tail -n 30 build/docker.log >&2; fail "docker build failed (build/docker.log has it all)"; }
}

# download FOLDER REQUIREMENT...: wheels for the image's interpreter, which need not be the host's.
download() {
  local folder="$1" machine
  shift
  machine="$(uname -m)"
  mkdir -p "$folder"
  "$python" -m pip download -qq --dest "$folder" --only-binary=:all: --implementation cp \
    --python-version "$image_python" --platform "manylinux_2_28_$machine" --platform "manylinux_2_27_$machine" \
    --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine" --platform "manylinux_2_5_$machine" \
    "$@"
}

build_sandbox() {
  say "building kernelwright-sandbox-cpu:$tag from $base"
  download build/sandbox-wheels "${torch_args[@]}" "$torch" numpy
  build --file sandbox/images/cpu.Dockerfile --tag "kernelwright-sandbox-cpu:$tag" build/sandbox-wheels
  docker run --rm --network none --read-only "kernelwright-sandbox-cpu:$tag" \
    python -I -c 'import os, torch; assert os.getuid() != 0; print("sandbox image: torch", torch.__version__)'
}

build_agent() {
  say "building kernelwright:$tag from $base"
  local requirements
  mapfile -t requirements < <("$python" - <<'PY'
import tomllib, pathlib
facts = tomllib.loads(pathlib.Path("pyproject.toml").read_text())
print(*facts["project"]["dependencies"], *facts["build-system"]["requires"], sep="\n")
PY
  )
  download build/agent-wheels "${requirements[@]}"
  build --file Dockerfile --tag "kernelwright:$tag" --tag kernelwright:latest \
    --build-arg PIP_ARGS="--no-index --find-links /src/build/agent-wheels" .
  docker run --rm --network none --entrypoint python3 "kernelwright:$tag" -c '
import importlib.util, os, pathlib
assert os.getuid() != 0, "runs as root"
assert not pathlib.Path("/var/run/docker.sock").exists(), "has the Docker socket"
' && docker run --rm --network none --entrypoint /opt/kernelwright/bin/python "kernelwright:$tag" -I -c '
import importlib.util, sandbox.opening
assert importlib.util.find_spec("torch") is None, "has torch"
print("agent image: no torch, not root")' \
    && docker run --rm --network none --read-only "kernelwright:$tag" --help >/dev/null
}

base="$(choose_base)"
# The interpreter's version decides which wheels fit; the stage is cached, so this costs nothing twice.
mkdir -p build/empty
build --file sandbox/images/cpu.Dockerfile --target system --tag kernelwright-sandbox-system:"$tag" build/empty
image_python="$(docker run --rm --network none kernelwright-sandbox-system:"$tag" \
  python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"

for image in $wanted; do
  case "$image" in
    sandbox) build_sandbox ;;
    agent) build_agent ;;
    *) fail "unknown image '$image'; known: sandbox agent" ;;
  esac
done

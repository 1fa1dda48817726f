#!/usr/bin/env bash
# Make a minimal Debian base image without a registry: debootstrap from this host's own package mirror.
# Usage: scripts/make_base_image.sh [IMAGE] [SUITE]      (needs root, debootstrap and a Docker engine)
set -euo pipefail

image="${1:-kernelwright-base:bookworm}"
suite="${2:-bookworm}"

fail() { echo "make_base_image: $*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || fail "debootstrap needs root; run: sudo $0 $*"
command -v debootstrap >/dev/null || fail "debootstrap is missing; run: apt-get install debootstrap"
docker version >/dev/null 2>&1 || fail "no Docker engine answers; run: systemctl start docker"

# The mirror and the signing keys are the host's own: both apt formats, first Debian entry that has the suite.
# (deb822 files first, then one-line lists; without any, debootstrap's own default is used.)
host_mirror() {
  shopt -s nullglob
  local sources=(/etc/apt/sources.list.d/*.sources) lists=(/etc/apt/sources.list /etc/apt/sources.list.d/*.list)
  {
    [ "${#sources[@]}" -eq 0 ] || awk '/^URIs:/ {uri=$2} /^Suites:/ {print uri, $2}' "${sources[@]}"
    for list in "${lists[@]}"; do
      [ ! -r "$list" ] || sed -n 's/^deb \(\[[^]]*\] \)\?\([^ ]*\) \([^ ]*\).*/\2 \3/p' "$list"
    done
  } | awk -v suite="$suite" '$2 == suite {print $1; exit}'
}

root="$(mktemp -d)"
log="$(mktemp)"
trap 'rm -rf --one-file-system "$root" "$log"' EXIT
mirror="${DEBIAN_MIRROR:-$(host_mirror)}"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
options=(--variant=minbase)
[ ! -r "$keyring" ] || options+=(--keyring="$keyring")

echo "making $image from ${mirror:-the default mirror}" >&2
debootstrap "${options[@]}" "$suite" "$root" ${mirror:+"$mirror"} >"$log" 2>&1 \
  || { tail -n 20 "$log" >&2; fail "debootstrap failed (its last lines are above)"; }

rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar --numeric-owner -C "$root" -c . | docker import --change 'CMD ["bash"]' - "$image" >/dev/null
echo "$image"

# The sandbox for CPU kernels: a compiler, an interpreter and torch; nothing of ours, no network tools.
# Build it with scripts/build_images.sh, which fills the build context with wheels.
# torch.compile calls openssl to name what it caches, and needs Python's headers; load_inline builds with ninja.
ARG BASE=debian:12-slim

FROM ${BASE} AS system
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    python3 python3-dev python3-venv g++ ninja-build libgomp1 openssl \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin

# Apart, so that neither pip nor the wheels stay in the image.
FROM system AS install
COPY *.whl /wheels/
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --no-index --find-links /wheels torch numpy \
 && /opt/venv/bin/pip uninstall -y pip

FROM system
COPY --from=install /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin
USER 65534:65534
WORKDIR /tmp
CMD ["python", "-I"]

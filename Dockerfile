# The agent's own image: no torch, no compiler, no Docker socket, not root. Kernels run in the sandbox image.
ARG BASE=debian:12-slim

FROM ${BASE} AS system
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin

FROM system AS install
# Empty: packages come from pip's usual index. scripts/build_images.sh passes a folder of wheels instead.
ARG PIP_ARGS=
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv
COPY . /src
RUN python3 -m venv /opt/kernelwright \
 && /opt/kernelwright/bin/pip install --no-cache-dir ${PIP_ARGS} /src \
 && /opt/kernelwright/bin/pip uninstall -y pip setuptools

FROM system
COPY --from=install /opt/kernelwright /opt/kernelwright
RUN mkdir -m 0755 /work /home/kernelwright && chown 65534:65534 /work /home/kernelwright
ENV PATH=/opt/kernelwright/bin:/usr/local/bin:/usr/bin:/bin HOME=/home/kernelwright PYTHONDONTWRITEBYTECODE=1
USER 65534:65534
WORKDIR /work
ENTRYPOINT ["kernelwright"]
CMD ["--help"]

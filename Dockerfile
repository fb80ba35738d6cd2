# The exporter as a container: no root, no shell in its start, no path it must write to. See docs/install.md.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY packaging packaging
# Only wheels whose hashes are in the lock: no compiler is needed, on no platform.
RUN pip install --only-binary=:all: --require-hashes --requirement=packaging/build.lock \
    && python -m venv --without-pip /opt/exporter \
    && pip --python=/opt/exporter install --no-compile --only-binary=:all: --require-hashes \
        --requirement=packaging/requirements.lock \
    && /opt/exporter/bin/python packaging/trim_botocore.py
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
ARG COMMIT=
RUN if [ -n "$COMMIT" ]; then echo "$COMMIT" > exporter/COMMIT; fi
# Bytecode is made here, since a container can't keep any, and without times of files, since copies change these.
RUN pip wheel --no-build-isolation --no-deps --no-index --wheel-dir=dist . \
    && pip --python=/opt/exporter install --no-compile --no-deps --no-index dist/*.whl \
    && /opt/exporter/bin/python -m compileall -q --invalidation-mode=unchecked-hash /opt/exporter/lib


FROM python:3.13-slim
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="bedrock-customization-exporter" \
      org.opencontainers.image.description="Prometheus exporter for Amazon Bedrock model customization jobs" \
      org.opencontainers.image.source="https://github.com/bedrock-customization-exporter/bedrock-customization-exporter" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION"
COPY --from=build /opt/exporter /opt/exporter
# The base comes without bytecode of the standard library: a first start leaves that of what it imports. Then pip goes,
# and so does the copy of it that ensurepip would install.
RUN /opt/exporter/bin/bedrock-customization-exporter --version \
    && python -B -m pip uninstall --quiet --root-user-action=ignore --yes pip \
    && python -B -c 'import ensurepip, shutil; shutil.rmtree(ensurepip.__path__[0])'
ENV PATH=/opt/exporter/bin:$PATH
WORKDIR /etc/bedrock-customization-exporter
USER 65532:65532
EXPOSE 9848
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/exporter/bin/bedrock-customization-exporter"]

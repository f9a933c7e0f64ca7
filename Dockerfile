# `docker build .` makes the service with the embedded host; `--target functions` makes it for Microsoft's host.
# `--build-arg NETWORKS=prebuilt` takes the networks that `make model` has made, and does not build them here;
# `--build-arg HEIC=1` adds the decoder of HEIC.
# `--build-arg SEGMENT_MODEL=birefnet-lite` builds and uses another network: docs/models.md.
ARG NETWORKS=built

FROM docker.io/library/python:3.13-slim AS built
WORKDIR /build
COPY requirements-dev.txt ./
RUN --mount=type=cache,target=/pip-cache \
    python3 -m venv /venv && /venv/bin/pip install --cache-dir /pip-cache --quiet --require-hashes -r requirements-dev.txt
COPY shared_code shared_code
COPY model_build model_build
COPY models models
ARG SEGMENT_MODEL
RUN /venv/bin/python -m model_build

FROM scratch AS prebuilt
COPY models/built /build/models/built

FROM ${NETWORKS} AS networks

FROM docker.io/library/python:3.13-slim AS packages
ARG HEIC
COPY requirements.txt requirements-heic.txt ./
RUN --mount=type=cache,target=/pip-cache \
    python3 -m venv /venv \
    && /venv/bin/pip install --cache-dir /pip-cache --quiet --require-hashes -r requirements.txt ${HEIC:+-r requirements-heic.txt} \
    && /venv/bin/pip uninstall --quiet --yes pip

# The app as it is deployed to Azure.
FROM scratch AS app
COPY function_app.py host.json requirements.txt LICENSE THIRD_PARTY.md /
COPY shared_code /shared_code
COPY segment_function /segment_function
COPY cutout_function /cutout_function
COPY telemetry /telemetry
COPY --from=networks /build/models/built /models/built

# With the blob edge: the Functions host brings the queue's trigger. Not run: see docs/containers.md.
FROM mcr.microsoft.com/azure-functions/python:4-python3.13 AS functions
ENV AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true
ARG HEIC
COPY requirements.txt requirements-heic.txt /
RUN python3 -m pip install --quiet --no-cache-dir --require-hashes -r /requirements.txt ${HEIC:+-r /requirements-heic.txt}
COPY --from=app / /home/site/wwwroot

FROM docker.io/library/python:3.13-slim AS host
COPY --from=packages /venv /venv
WORKDIR /app
COPY --from=app / ./
COPY local_host local_host
RUN /venv/bin/python -m compileall -q .
ARG SEGMENT_MODEL
ENV PATH=/venv/bin:$PATH \
    SEGMENT_MODEL=$SEGMENT_MODEL \
    PYTHONDONTWRITEBYTECODE=1 \
    SEGMENT_HOST=0.0.0.0 \
    PORT=7071
USER 65532:65532
EXPOSE 7071
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-m", "local_host", "--check"]
CMD ["python", "-m", "local_host"]

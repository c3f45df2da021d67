# One image for every process of the suite; the command chooses the process: python -m services.tts, python -m services.image,
# python -m services.video, python -m services.jobs, python -m services.jobs.worker, python -m gateway,
# python -m gateway.envoy run. Each has --help.

FROM python:3.13-slim AS build

COPY requirements.lock /build/
# Without pip in the image, a process cannot install anything. Wheels only: no package code runs during the build.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --only-binary :all: --no-compile --require-hashes --requirement /build/requirements.lock

COPY services /app/services
COPY gateway /app/gateway
COPY protos/gen /app/protos/gen
# Compiled here because containers run read-only; unchecked-hash because the sources in the image never change.
RUN python -W ignore -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib /app


FROM python:3.13-slim

LABEL org.opencontainers.image.title="media-suite" \
    org.opencontainers.image.description="Speech, images and short videos from paid and embedded engines, behind gRPC and HTTP." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="0.1.0"

# A fixed user id, so that volumes and Kubernetes' runAsNonRoot can refer to it.
# A new volume that is mounted on one of these folders gets the folder's owner.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin media \
    && install -d -o 10001 -g 10001 -m 0750 /var/lib/media /var/tmp/media

COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/app:/app/protos/gen \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

WORKDIR /app
USER 10001:10001
# The edge; the gateway (HTTP, gRPC); speech; images; videos; jobs; health of the workers.
EXPOSE 8080 8081 8082 50051 50052 50053 50054 50055
STOPSIGNAL SIGTERM

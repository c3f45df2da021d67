"""What the gateway reads from the environment."""

from __future__ import annotations

from pydantic import Field

from services.common.fetch import FetchSettings
from services.common.storage import StorageSettings


class GatewaySettings(StorageSettings, FetchSettings):
    """Settings of the HTTP gateway."""

    host: str = Field("127.0.0.1", validation_alias="GATEWAY_HOST", description="Address the gateway listens on.")
    port: int = Field(8081, ge=0, le=65535, validation_alias="GATEWAY_PORT", description="Port of the gateway (HTTP).")
    grpc_port: int = Field(
        8082,
        ge=0,
        le=65535,
        validation_alias="GATEWAY_GRPC_PORT",
        description="Port where the gateway answers gRPC reflection and health for all services.",
    )
    tts_address: str = Field(
        "127.0.0.1:50051", validation_alias="TTS_ADDRESS", description="Where the TTS service is: host:port."
    )
    image_address: str = Field(
        "127.0.0.1:50052", validation_alias="IMAGE_ADDRESS", description="Where the image service is: host:port."
    )
    video_address: str = Field(
        "127.0.0.1:50053", validation_alias="VIDEO_ADDRESS", description="Where the video service is: host:port."
    )
    jobs_address: str = Field(
        "127.0.0.1:50054", validation_alias="JOBS_ADDRESS", description="Where the service of jobs is: host:port."
    )
    max_body_bytes: int = Field(
        1024 * 1024, ge=1024, validation_alias="MEDIA_MAX_BODY_BYTES", description="Largest JSON body of a request."
    )
    call_seconds: float = Field(
        600, gt=0, validation_alias="GATEWAY_CALL_SECONDS", description="Deadline of the calls that a request makes."
    )
    drain_notice_seconds: float = Field(
        1.0,
        ge=0,
        validation_alias="GATEWAY_DRAIN_NOTICE_SECONDS",
        description="How long /health says 503 before a stop.",
    )
    drain_grace_seconds: float = Field(
        20.0,
        ge=0,
        validation_alias="GATEWAY_DRAIN_GRACE_SECONDS",
        description="How long requests in flight may go on at a stop.",
    )

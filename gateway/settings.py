"""Settings of the HTTP gateway, read from the environment."""

from __future__ import annotations

from pydantic import Field

from services.common.fetch import FetchSettings
from services.common.rpc.addresses import ServiceAddress, ServiceAddressSetting
from services.common.rpc.call_limits import DEFAULT_CALL_LIMITS, CallLimits
from services.common.storage import StorageSettings


class GatewaySettings(StorageSettings, FetchSettings):
    """Settings of the HTTP gateway; those of the object store and of downloads are inherited."""

    host: str = Field("127.0.0.1", validation_alias="GATEWAY_HOST", description="Address the gateway listens on.")
    port: int = Field(8081, ge=0, le=65535, validation_alias="GATEWAY_PORT", description="Port of the gateway (HTTP).")
    grpc_port: int = Field(
        8082,
        ge=0,
        le=65535,
        validation_alias="GATEWAY_GRPC_PORT",
        description="Port of the gateway for gRPC reflection and health of all services.",
    )
    tts_address: ServiceAddressSetting = Field(
        ServiceAddress.parse("127.0.0.1:50051"),
        validation_alias="TTS_ADDRESS",
        description="Address of the TTS service: host:port of one name, or ip:port of each replica with commas.",
    )
    image_address: ServiceAddressSetting = Field(
        ServiceAddress.parse("127.0.0.1:50052"),
        validation_alias="IMAGE_ADDRESS",
        description="Address of the image service: host:port of one name, or ip:port of each replica with commas.",
    )
    video_address: ServiceAddressSetting = Field(
        ServiceAddress.parse("127.0.0.1:50053"),
        validation_alias="VIDEO_ADDRESS",
        description="Address of the video service: host:port of one name, or ip:port of each replica with commas.",
    )
    jobs_address: ServiceAddressSetting = Field(
        ServiceAddress.parse("127.0.0.1:50054"),
        validation_alias="JOBS_ADDRESS",
        description="Address of the job service: host:port of one name, or ip:port of each replica with commas.",
    )
    max_body_bytes: int = Field(
        1024 * 1024,
        ge=1024,
        validation_alias="MEDIA_MAX_BODY_BYTES",
        description="Largest JSON body of a request, in bytes.",
    )
    read_seconds: float = Field(
        DEFAULT_CALL_LIMITS.read_seconds,
        gt=0,
        validation_alias="GATEWAY_READ_SECONDS",
        description="Longest wait for the answer of a call that reads, deletes or queues, and for each state of a job.",
    )
    first_message_seconds: float = Field(
        DEFAULT_CALL_LIMITS.first_message_seconds,
        gt=0,
        validation_alias="GATEWAY_FIRST_MESSAGE_SECONDS",
        description="Longest wait for the start of a stream, such as the first audio. Keep it below"
        " MEDIA_STREAM_IDLE_TIMEOUT_SECONDS.",
    )
    answer_seconds: float = Field(
        DEFAULT_CALL_LIMITS.answer_seconds,
        gt=0,
        validation_alias="GATEWAY_ANSWER_SECONDS",
        description="Longest wait for a result that is not streamed. Keep it below MEDIA_UNARY_TIMEOUT_SECONDS.",
    )
    call_seconds: float = Field(
        DEFAULT_CALL_LIMITS.stream_seconds,
        gt=0,
        validation_alias="GATEWAY_CALL_SECONDS",
        description="Longest duration of a streamed answer, in seconds; for videos, the edge limits it.",
    )
    drain_notice_seconds: float = Field(
        1.0,
        ge=0,
        validation_alias="GATEWAY_DRAIN_NOTICE_SECONDS",
        description="Seconds for which /health answers 503 before the gateway stops.",
    )
    drain_grace_seconds: float = Field(
        20.0,
        ge=0,
        validation_alias="GATEWAY_DRAIN_GRACE_SECONDS",
        description="Seconds for which requests in flight may continue when the gateway stops.",
    )

    @property
    def call_limits(self) -> CallLimits:
        """The time limits of calls to services."""
        return CallLimits(
            read_seconds=self.read_seconds,
            first_message_seconds=self.first_message_seconds,
            answer_seconds=self.answer_seconds,
            stream_seconds=self.call_seconds,
        )

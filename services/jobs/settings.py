"""Settings of the jobs API and of the workers, read from the environment."""

from __future__ import annotations

import socket

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.fetch.settings import FetchSettings
from services.common.rpc.addresses import ServiceAddress, ServiceAddressSetting
from services.common.rpc.call_limits import DEFAULT_CALL_LIMITS, CallLimits
from services.common.rpc.settings import (
    CallSeconds,
    ConcurrentRpcs,
    GraceSeconds,
    ListenSettings,
    MetricsPort,
    Port,
    ServerSettings,
)
from services.common.storage.settings import StorageSettings


class QueueSettings(StorageSettings, FetchSettings):
    """Settings that the jobs API and its workers share."""

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
    nats_url: str = Field(
        "nats://127.0.0.1:4222",
        pattern="^[ ,]*(nats|tls)://[^,/?# ]+([ ,]+(nats|tls)://[^,/?# ]+)*[ ,]*$",
        validation_alias="NATS_URL",
        description="NATS servers with JetStream that store jobs, separated by commas.",
    )
    nats_credentials: str = Field(
        "",
        validation_alias="NATS_CREDENTIALS",
        description="File with the credentials for NATS. Unset: no credentials.",
    )
    replicas: int = Field(
        1, ge=1, le=5, validation_alias="JOBS_REPLICAS", description="Replicas of every job: 3 in a NATS cluster."
    )
    quota: int = Field(
        50,
        ge=1,
        le=100_000,
        validation_alias="JOBS_QUOTA",
        description="Maximum number of unfinished jobs of one kind per caller.",
    )
    retention_days: float = Field(
        30.0,
        gt=0,
        validation_alias="JOBS_RETENTION_DAYS",
        description="Days that a job is stored after its last change.",
    )
    speech_format: str = Field(
        "mp3_44100_64",
        pattern="^(mp3_(22050_32|24000_48|44100_(32|64|96|128|192))|wav_(8000|16000|22050|24000|32000|44100|48000))$",
        validation_alias="TTS_OUTPUT_FORMAT",
        description="Format of the speech of jobs, such as mp3_44100_64 or wav_44100: videos accept only MP3 and WAV.",
    )
    max_characters: int = Field(
        600,
        ge=1,
        validation_alias="TTS_MAX_CHARS",
        description="Maximum length of the text of a job's speech, in code points.",
    )

    @property
    def nats_servers(self) -> tuple[str, ...]:
        """Addresses of the NATS servers."""
        return tuple(server.strip() for server in self.nats_url.split(",") if server.strip())


class JobsSettings(QueueSettings, ServerSettings):
    """Settings of the jobs API."""

    model_config = SettingsConfigDict(env_prefix="JOBS_")

    port: Port = 50054
    max_concurrent_rpcs: ConcurrentRpcs = 2000
    max_call_seconds: CallSeconds = 3600
    drain_grace_seconds: GraceSeconds = 5.0


class WorkerSettings(QueueSettings, ListenSettings):
    """Settings of a worker."""

    model_config = SettingsConfigDict(env_prefix="WORKER_")

    port: Port = 50055
    metrics_port: MetricsPort = 9467
    name: str = Field(
        default_factory=socket.gethostname,
        validation_alias="WORKER_NAME",
        description="Name of this worker in records; its process id is added. Unset: the host name.",
    )
    max_jobs: int = Field(
        8, ge=1, validation_alias="WORKER_SLOTS", description="Maximum number of jobs that one worker runs at once."
    )
    max_running: int = Field(
        100,
        ge=1,
        validation_alias="JOBS_FLEET",
        description="Most jobs of one kind that all workers run at once; jobs that wait for a retry count.",
    )
    lease_seconds: float = Field(
        30.0,
        ge=0.5,
        validation_alias="JOBS_LEASE_SECONDS",
        description="Seconds until another worker takes a job if its worker stops extending the lease.",
    )
    wait_budget_seconds: float = Field(
        1800.0,
        ge=0,
        validation_alias="JOBS_PATIENCE_SECONDS",
        description="Seconds that a job retries while a service, a provider or the storage is unavailable.",
    )
    call_seconds: float = Field(
        600.0,
        gt=0,
        validation_alias="WORKER_CALL_SECONDS",
        description="Deadline of the calls of a job, except the generation of videos.",
    )
    read_seconds: float = Field(
        DEFAULT_CALL_LIMITS.read_seconds,
        gt=0,
        validation_alias="WORKER_READ_SECONDS",
        description="Longest wait for the answer of a call that reads or deletes.",
    )
    first_message_seconds: float = Field(
        120.0,
        gt=0,
        validation_alias="WORKER_FIRST_MESSAGE_SECONDS",
        description="Longest wait for the first sign of speech, of a video or of a mux; then another attempt follows.",
    )
    video_seconds: float = Field(
        3600.0,
        gt=0,
        validation_alias="WORKER_VIDEO_SECONDS",
        description="Longest time that one attempt waits for a video.",
    )
    sweep_interval_seconds: int = Field(
        3600,
        ge=1,
        validation_alias="JOBS_UPKEEP_SECONDS",
        description="Seconds between two maintenance sweeps; one worker runs each sweep.",
    )
    delete_results: bool = Field(
        False,
        validation_alias="JOBS_DELETE_RESULTS",
        description="Whether the results of a job are deleted together with the job.",
    )

    @property
    def call_limits(self) -> CallLimits:
        """The time limits of calls to services."""
        return CallLimits(
            read_seconds=self.read_seconds,
            first_message_seconds=self.first_message_seconds,
            answer_seconds=self.call_seconds,
            stream_seconds=self.call_seconds,
        )

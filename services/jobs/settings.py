"""What the two processes of jobs read from the environment."""

from __future__ import annotations

import socket

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.common.fetch.settings import FetchSettings
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
    """Settings that the service of jobs and its workers share."""

    nats_url: str = Field(
        "nats://127.0.0.1:4222",
        pattern="^[ ,]*(nats|tls)://[^,/?# ]+([ ,]+(nats|tls)://[^,/?# ]+)*[ ,]*$",
        validation_alias="NATS_URL",
        description="NATS servers with JetStream that keep jobs, with commas between them.",
    )
    nats_credentials: str = Field(
        "", validation_alias="NATS_CREDENTIALS", description="File with the credentials for NATS. Unset: none."
    )
    replicas: int = Field(
        1, ge=1, le=5, validation_alias="JOBS_REPLICAS", description="Copies of every job: 3 in a cluster of NATS."
    )
    quota: int = Field(
        50,
        ge=1,
        le=100_000,
        validation_alias="JOBS_QUOTA",
        description="Most unfinished jobs of one kind that one caller may have.",
    )
    retention_days: float = Field(
        30.0, gt=0, validation_alias="JOBS_RETENTION_DAYS", description="How long a job is known after its last change."
    )
    speech_format: str = Field(
        "mp3_44100_64",
        pattern="^(mp3_(22050_32|24000_48|44100_(32|64|96|128|192))|wav_(8000|16000|22050|24000|32000|44100|48000))$",
        validation_alias="TTS_OUTPUT_FORMAT",
        description="Format of the speech that jobs make, such as mp3_44100_64 or wav_44100: videos take no others.",
    )
    max_characters: int = Field(
        600, ge=1, validation_alias="TTS_MAX_CHARS", description="Longest text that a job speaks, in code points."
    )

    @property
    def nats_servers(self) -> tuple[str, ...]:
        """Addresses of the servers."""
        return tuple(server.strip() for server in self.nats_url.split(",") if server.strip())


class JobsSettings(QueueSettings, ServerSettings):
    """Settings of the service of jobs."""

    model_config = SettingsConfigDict(env_prefix="JOBS_")

    port: Port = 50054
    max_concurrent_rpcs: ConcurrentRpcs = 2000
    max_call_seconds: CallSeconds = 3600
    drain_grace_seconds: GraceSeconds = 5.0
    tts_address: str = Field(
        "127.0.0.1:50051", validation_alias="TTS_ADDRESS", description="Where the TTS service is: host:port."
    )


class WorkerSettings(QueueSettings, ListenSettings):
    """Settings of a worker."""

    model_config = SettingsConfigDict(env_prefix="WORKER_")

    port: Port = 50055
    metrics_port: MetricsPort = 9467
    name: str = Field(
        default_factory=socket.gethostname,
        validation_alias="WORKER_NAME",
        description="What records call this worker; a number is added. Unset: the name of the machine.",
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
    max_jobs: int = Field(8, ge=1, validation_alias="WORKER_SLOTS", description="Jobs that one worker does at once.")
    max_running: int = Field(
        100,
        ge=1,
        validation_alias="JOBS_FLEET",
        description="Jobs of one kind that all workers together have at once, those between two attempts included.",
    )
    lease_seconds: float = Field(
        30.0,
        ge=0.5,
        validation_alias="JOBS_LEASE_SECONDS",
        description="How long a job is a worker's without a sign of life; then another takes it.",
    )
    wait_budget_seconds: float = Field(
        1800.0,
        ge=0,
        validation_alias="JOBS_PATIENCE_SECONDS",
        description="How long a job goes on trying while a service, a provider or the storage is away.",
    )
    call_seconds: float = Field(
        600.0, gt=0, validation_alias="WORKER_CALL_SECONDS", description="Longest call of a job that makes no video."
    )
    video_seconds: float = Field(
        3600.0, gt=0, validation_alias="WORKER_VIDEO_SECONDS", description="Longest wait of one attempt for a video."
    )
    sweep_interval_seconds: int = Field(
        3600,
        ge=1,
        validation_alias="JOBS_UPKEEP_SECONDS",
        description="Time between two rounds of upkeep; any one worker does a round.",
    )
    delete_results: bool = Field(
        False,
        validation_alias="JOBS_DELETE_RESULTS",
        description="Whether what a job made is deleted when the job is not known any more.",
    )

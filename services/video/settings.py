"""Settings of the video service, read from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.cache.settings import CacheSettings
from services.common.fetch.settings import FetchSettings
from services.common.rpc.settings import CallSeconds, ConcurrentRpcs, MetricsPort, Port, ServerSettings
from services.common.settings import accept_base_url
from services.common.storage.settings import StorageSettings

ProviderName = Literal["replicate", "embedded"]
WEBHOOK_PATH = "/webhooks/replicate"


class VideoSettings(StorageSettings, FetchSettings, CacheSettings, ServerSettings):
    """Settings of the video service."""

    model_config = SettingsConfigDict(env_prefix="VIDEO_")

    port: Port = 50053
    max_concurrent_rpcs: ConcurrentRpcs = 200
    max_call_seconds: CallSeconds = 2400
    metrics_port: MetricsPort = 9466
    default_provider: ProviderName | None = Field(
        None,
        validation_alias="VIDEO_DEFAULT_PROVIDER",
        description="Default provider. Unset: replicate if REPLICATE_API_TOKEN is set, else embedded.",
    )
    wait_seconds: float = Field(
        60.0,
        gt=0,
        validation_alias="VIDEO_PATIENCE_SECONDS",
        description="Longest total wait of a request for a permit of the provider and between attempts.",
    )
    max_attempts: int = Field(
        4,
        ge=1,
        le=10,
        validation_alias="VIDEO_MAX_ATTEMPTS",
        description="Attempts to begin a video; after the provider has accepted it, there is no further attempt.",
    )
    begin_seconds: float = Field(
        90.0,
        ge=0,
        validation_alias="VIDEO_BEGIN_SECONDS",
        description="How long a named request may take to begin before a repeated one looks for its video.",
    )
    max_generations: int = Field(
        100, ge=1, validation_alias="VIDEO_MAX_PRODUCTIONS", description="Most generations at once; more are refused."
    )
    max_input_bytes: int = Field(
        512 * 1024 * 1024,
        ge=1,
        validation_alias="VIDEO_MAX_INPUT_BYTES",
        description="Largest input and largest generated video.",
    )
    max_seconds: float = Field(
        600.0, gt=0, validation_alias="VIDEO_MAX_SECONDS", description="Longest input and longest result."
    )
    ffmpeg_binary: str = Field(
        "",
        validation_alias="FFMPEG_BINARY",
        description="Path or name of ffmpeg. Unset: the one installed with the suite.",
    )
    ffmpeg_slots: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        validation_alias="VIDEO_FFMPEG_SLOTS",
        description="Most ffmpeg processes at once; further runs wait. Unset: one per core.",
    )
    ffmpeg_timeout_seconds: float = Field(
        300.0, gt=0, validation_alias="VIDEO_FFMPEG_TIMEOUT_SECONDS", description="Longest run of ffmpeg."
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        validation_alias="VIDEO_WORKERS",
        description="Worker processes that probe files and decode images.",
    )
    worker_timeout_seconds: float = Field(
        30.0,
        gt=0,
        validation_alias="VIDEO_WORKER_TIMEOUT_SECONDS",
        description="Longest duration of one task in a worker process.",
    )
    temp_dir: Path | None = Field(
        None,
        validation_alias="VIDEO_TEMP_DIR",
        description="Folder for temporary files. Unset: the default of the system.",
    )

    replicate_api_token: SecretStr = Field(
        SecretStr(""), validation_alias="REPLICATE_API_TOKEN", description="Token of the Replicate account."
    )
    replicate_base_url: Annotated[str, accept_base_url(path="/v1")] = Field(
        "https://api.replicate.com/v1",
        pattern="^https?://",
        validation_alias="REPLICATE_BASE_URL",
        description="Base URL of the Replicate API, with or without `/v1`.",
    )
    replicate_model: str = Field(
        "minimax/hailuo-02",
        pattern=r"^[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*(:[0-9a-f]{64})?$",
        validation_alias="REPLICATE_MODEL",
        description="Model for requests that name none.",
    )
    replicate_models: str = Field(
        "",
        validation_alias="REPLICATE_MODELS",
        description="Models that callers may name, separated by commas. Unset: any.",
    )
    replicate_wait_seconds: int = Field(
        1,
        ge=0,
        le=60,
        validation_alias="REPLICATE_WAIT_SECONDS",
        description="How long Replicate may delay its first response until the video is complete. 0: no delay.",
    )
    replicate_answer_seconds: float = Field(
        30.0,
        gt=0,
        validation_alias="REPLICATE_ANSWER_SECONDS",
        description="Timeout of one request to Replicate.",
    )
    replicate_timeout_seconds: float = Field(
        1800.0,
        gt=0,
        validation_alias="REPLICATE_TIMEOUT_SECONDS",
        description="Longest generation at Replicate.",
    )
    replicate_webhook_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias="REPLICATE_WEBHOOK_SECRET",
        description="Secret that signs webhooks of Replicate (whsec_...). Unset: Replicate returns it on request.",
    )
    replicate_max_concurrent_calls: int | None = Field(
        None,
        ge=1,
        validation_alias="REPLICATE_MAX_CONCURRENT_CALLS",
        description="Most concurrent requests that begin a video at Replicate. Unset: no limit.",
    )

    @property
    def provider_by_default(self) -> ProviderName:
        """Provider for requests that name none."""
        if self.default_provider is not None:
            return self.default_provider
        return "replicate" if self.replicate_api_token.get_secret_value() else "embedded"

    @property
    def allowed_models(self) -> tuple[str, ...]:
        """Models that callers may name; empty for any."""
        return tuple(name.strip() for name in self.replicate_models.split(",") if name.strip())

    @property
    def webhook_url(self) -> str:
        """URL that receives webhooks of Replicate; empty if the suite has no public https address."""
        base = self.public_url.rstrip("/")
        return f"{base}{WEBHOOK_PATH}" if base.startswith("https://") else ""

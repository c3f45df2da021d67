"""What the video service reads from the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.cache.settings import DatabaseSettings
from services.common.fetch.settings import FetchSettings
from services.common.rpc.settings import CallSeconds, ConcurrentRpcs, MetricsPort, Port, ServerSettings
from services.common.storage.settings import StorageSettings

ProviderName = Literal["replicate", "embedded"]
WEBHOOK_PATH = "/webhooks/replicate"


class VideoSettings(StorageSettings, FetchSettings, DatabaseSettings, ServerSettings):
    """Settings of the video service."""

    model_config = SettingsConfigDict(env_prefix="VIDEO_")

    port: Port = 50053
    max_concurrent_rpcs: ConcurrentRpcs = 200
    max_call_seconds: CallSeconds = 2400
    metrics_port: MetricsPort = 9466
    default_provider: ProviderName | None = Field(
        None,
        validation_alias="VIDEO_DEFAULT_PROVIDER",
        description="Default provider of videos. Unset: replicate if it has a token, else embedded.",
    )
    patience_seconds: float = Field(
        60.0,
        gt=0,
        validation_alias="VIDEO_PATIENCE_SECONDS",
        description="Longest wait for a provider's turn and between attempts to begin a video.",
    )
    max_attempts: int = Field(
        4,
        ge=1,
        le=10,
        validation_alias="VIDEO_MAX_ATTEMPTS",
        description="How often a provider is asked while it has accepted nothing.",
    )
    begin_seconds: float = Field(
        90.0,
        ge=0,
        validation_alias="VIDEO_BEGIN_SECONDS",
        description="How long a named request may be on its way before another looks for it at the provider.",
    )
    max_generations: int = Field(
        100, ge=1, validation_alias="VIDEO_MAX_PRODUCTIONS", description="Videos made at once; more are refused."
    )
    max_input_bytes: int = Field(
        512 * 1024 * 1024,
        ge=1,
        validation_alias="VIDEO_MAX_INPUT_BYTES",
        description="Longest video that is taken or made.",
    )
    max_seconds: float = Field(
        600.0, gt=0, validation_alias="VIDEO_MAX_SECONDS", description="Longest video or speech that is taken or made."
    )
    ffmpeg_binary: str = Field(
        "",
        validation_alias="FFMPEG_BINARY",
        description="The program ffmpeg. Unset: the one that is installed with the suite.",
    )
    ffmpeg_slots: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        validation_alias="VIDEO_FFMPEG_SLOTS",
        description="How many ffmpeg run at once; further work waits. Unset: one per core.",
    )
    ffmpeg_timeout_seconds: float = Field(
        300.0, gt=0, validation_alias="VIDEO_FFMPEG_TIMEOUT_SECONDS", description="Longest that one ffmpeg may run."
    )
    workers: int = Field(
        1, ge=1, le=64, validation_alias="VIDEO_WORKERS", description="Processes that look into callers' files."
    )
    worker_timeout_seconds: float = Field(
        30.0,
        gt=0,
        validation_alias="VIDEO_WORKER_TIMEOUT_SECONDS",
        description="Longest that looking into one file may take.",
    )
    temp_dir: Path | None = Field(
        None,
        validation_alias="VIDEO_TEMP_DIR",
        description="Folder for files of work in progress. Unset: the system's own for temporary files.",
    )

    replicate_api_token: SecretStr = Field(
        SecretStr(""), validation_alias="REPLICATE_API_TOKEN", description="Token of the Replicate account."
    )
    replicate_base_url: str = Field(
        "https://api.replicate.com/v1",
        pattern="^https?://",
        validation_alias="REPLICATE_BASE_URL",
        description="Where the Replicate API is.",
    )
    replicate_model: str = Field(
        "minimax/hailuo-02",
        pattern=r"^[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*(:[0-9a-f]{64})?$",
        validation_alias="REPLICATE_MODEL",
        description="Model that makes videos where the caller names none.",
    )
    replicate_models: str = Field(
        "",
        validation_alias="REPLICATE_MODELS",
        description="Models that callers may name, with commas between them. Unset: any.",
    )
    replicate_wait_seconds: int = Field(
        1,
        ge=0,
        le=60,
        validation_alias="REPLICATE_WAIT_SECONDS",
        description="How long Replicate may hold back its first answer for the video. 0: not at all.",
    )
    replicate_answer_seconds: float = Field(
        30.0,
        gt=0,
        validation_alias="REPLICATE_ANSWER_SECONDS",
        description="Longest that Replicate may take to answer one request.",
    )
    replicate_timeout_seconds: float = Field(
        1800.0,
        gt=0,
        validation_alias="REPLICATE_TIMEOUT_SECONDS",
        description="Longest that Replicate may take for one video.",
    )
    replicate_webhook_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias="REPLICATE_WEBHOOK_SECRET",
        description="Secret that Replicate signs webhooks with (whsec_...). Unset: Replicate is asked for it.",
    )
    replicate_max_concurrent_calls: int | None = Field(
        None,
        ge=1,
        validation_alias="REPLICATE_MAX_CONCURRENT_CALLS",
        description="Most videos begun at Replicate at once. Unset: as many as come.",
    )

    @property
    def provider_by_default(self) -> ProviderName:
        """Who makes videos where the caller names nobody."""
        if self.default_provider is not None:
            return self.default_provider
        return "replicate" if self.replicate_api_token.get_secret_value() else "embedded"

    @property
    def allowed_models(self) -> tuple[str, ...]:
        """The models that callers may name; empty: any."""
        return tuple(name.strip() for name in self.replicate_models.split(",") if name.strip())

    @property
    def webhook_url(self) -> str:
        """Where Replicate tells of finished videos; empty where the suite has no public https address."""
        base = self.public_url.rstrip("/")
        return f"{base}{WEBHOOK_PATH}" if base.startswith("https://") else ""

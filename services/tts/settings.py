"""Settings of the text-to-speech service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.cache.settings import CacheSettings
from services.common.rpc.settings import CallSeconds, ConcurrentRpcs, MetricsPort, Port, ServerSettings
from services.common.settings import accept_base_url
from services.common.storage import StorageSettings

ProviderName = Literal["elevenlabs", "espeak"]


class TtsSettings(StorageSettings, CacheSettings, ServerSettings):
    """Settings of the text-to-speech service."""

    model_config = SettingsConfigDict(env_prefix="TTS_")

    port: Port = 50051
    max_concurrent_rpcs: ConcurrentRpcs = 1000
    max_call_seconds: CallSeconds = 600
    metrics_port: MetricsPort = 9464
    default_provider: ProviderName | None = Field(
        None,
        validation_alias="TTS_DEFAULT_PROVIDER",
        description="Provider of requests that name none. Unset: elevenlabs with a key, else espeak.",
    )
    stall_seconds: float = Field(
        10.0,
        gt=0,
        validation_alias="TTS_STALL_SECONDS",
        description="Longest silence of a provider between two chunks.",
    )
    max_text_characters: int = Field(
        100_000, ge=1, validation_alias="TTS_MAX_TEXT_CHARACTERS", description="Longest text of any request."
    )
    max_unary_bytes: int = Field(
        48 * 1024 * 1024,
        ge=1024,
        validation_alias="TTS_MAX_UNARY_BYTES",
        description="Largest audio of a unary (not streamed) response.",
    )
    elevenlabs_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("ELEVENLABS_API_KEY", "ELEVEN_API_KEY"),
        description="Key of the ElevenLabs account.",
    )
    elevenlabs_base_url: Annotated[str, accept_base_url("/v1")] = Field(
        "https://api.elevenlabs.io",
        pattern="^https?://",
        validation_alias="ELEVENLABS_BASE_URL",
        description="Base URL of the ElevenLabs API, with or without `/v1`.",
    )
    elevenlabs_first_byte_seconds: float = Field(
        30.0,
        gt=0,
        validation_alias="ELEVENLABS_FIRST_BYTE_SECONDS",
        description="Longest wait for ElevenLabs to accept a request.",
    )
    elevenlabs_enable_logging: bool | None = Field(
        None,
        validation_alias="ELEVENLABS_ENABLE_LOGGING",
        description="false requests zero retention (enterprise plans). Unset: the setting of the account.",
    )
    elevenlabs_optimize_streaming_latency: int | None = Field(
        None,
        ge=0,
        le=4,
        validation_alias="ELEVENLABS_OPTIMIZE_STREAMING_LATENCY",
        description="ElevenLabs' deprecated latency level. Unset: not sent.",
    )

    elevenlabs_max_concurrent_calls: int | None = Field(
        None,
        ge=1,
        validation_alias="ELEVENLABS_MAX_CONCURRENT_CALLS",
        description="Most concurrent calls to ElevenLabs. Unset: the limit that ElevenLabs reports for the account.",
    )
    fallback_providers: str = Field(
        "",
        pattern="^((elevenlabs|espeak)(,(elevenlabs|espeak))*)?$",
        validation_alias="TTS_FALLBACK_PROVIDERS",
        description="Fallback providers when the chosen one fails, in order, such as `espeak`. Unset: no failover.",
    )
    wait_seconds: float = Field(
        30.0,
        gt=0,
        validation_alias="TTS_PATIENCE_SECONDS",
        description="Longest wait for provider permits and between attempts.",
    )
    max_attempts: int = Field(
        3,
        ge=1,
        le=10,
        validation_alias="TTS_MAX_ATTEMPTS",
        description="How often a provider is called until it accepts the request.",
    )
    resume_streams: bool = Field(
        True,
        validation_alias="TTS_RESUME_STREAMS",
        description="Whether another call resumes an interrupted stream, from the sentence that was cut.",
    )
    pacing_enabled: bool = Field(
        True,
        validation_alias="TTS_PACING_ENABLED",
        description="Whether audio of a stream gathers for 250 ms while its listener has more than 500 ms to play.",
    )
    reuse_sentences: bool = Field(
        False,
        validation_alias="TTS_REUSE_SENTENCES",
        description="Whether each sentence is cached by itself; docs/caching.md explains the cost.",
    )

    @property
    def fallback_order(self) -> tuple[str, ...]:
        """Names of the fallback providers, in order."""
        return tuple(name for name in self.fallback_providers.split(",") if name)

    @property
    def provider_by_default(self) -> ProviderName:
        """Name of the provider for requests that name none."""
        if self.default_provider is not None:
            return self.default_provider
        return "elevenlabs" if self.elevenlabs_api_key.get_secret_value() else "espeak"

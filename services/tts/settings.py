"""What the text-to-speech service reads from the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import AliasChoices, Field, SecretStr

from services.common.settings import Settings

ProviderName = Literal["elevenlabs", "espeak"]


class TtsSettings(Settings):
    """Settings of the text-to-speech service."""

    host: str = Field("127.0.0.1", validation_alias="TTS_HOST", description="Address the TTS service listens on.")
    port: int = Field(50051, ge=0, le=65535, validation_alias="TTS_PORT", description="Port of the TTS service (gRPC).")
    reflection: bool = Field(
        False, validation_alias="TTS_REFLECTION", description="Whether the TTS port itself answers reflection."
    )
    max_concurrent_rpcs: int = Field(
        1000, ge=1, validation_alias="TTS_MAX_CONCURRENT_RPCS", description="Calls served at once; more are refused."
    )
    max_call_seconds: float = Field(
        600, gt=0, validation_alias="TTS_MAX_CALL_SECONDS", description="Longest that one call may take."
    )
    drain_notice_seconds: float = Field(
        1.0,
        ge=0,
        validation_alias="TTS_DRAIN_NOTICE_SECONDS",
        description="How long NOT_SERVING is shown before a stop.",
    )
    drain_grace_seconds: float = Field(
        20.0,
        ge=0,
        validation_alias="TTS_DRAIN_GRACE_SECONDS",
        description="How long calls in flight may go on at a stop.",
    )
    default_provider: ProviderName | None = Field(
        None,
        validation_alias="TTS_DEFAULT_PROVIDER",
        description="Who speaks where the caller names nobody. Unset: elevenlabs with a key, else espeak.",
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
        description="Largest audio that a whole (not streamed) answer carries.",
    )
    elevenlabs_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("ELEVENLABS_API_KEY", "ELEVEN_API_KEY"),
        description="Key of the ElevenLabs account.",
    )
    elevenlabs_base_url: str = Field(
        "https://api.elevenlabs.io",
        pattern="^https?://",
        validation_alias="ELEVENLABS_BASE_URL",
        description="Where the ElevenLabs API is.",
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
        description="false asks for zero retention (enterprise plans). Unset: as the account has it.",
    )
    elevenlabs_optimize_streaming_latency: int | None = Field(
        None,
        ge=0,
        le=4,
        validation_alias="ELEVENLABS_OPTIMIZE_STREAMING_LATENCY",
        description="ElevenLabs' deprecated latency level. Unset: not sent.",
    )

    @property
    def provider_by_default(self) -> ProviderName:
        """Who speaks where the caller names nobody."""
        if self.default_provider is not None:
            return self.default_provider
        return "elevenlabs" if self.elevenlabs_api_key.get_secret_value() else "espeak"

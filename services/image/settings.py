"""Settings of the image service, read from the environment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.common.cache.settings import CacheSettings, MemoryBytes
from services.common.fetch.settings import FetchSettings
from services.common.rpc.settings import CallSeconds, ConcurrentRpcs, MetricsPort, Port, ServerSettings
from services.common.settings import accept_base_url
from services.common.storage.settings import StorageSettings

ProviderName = Literal["fal", "gemini", "embedded"]
_COLOR = "^(#[0-9A-Fa-f]{6})?$"


class ImageSettings(StorageSettings, FetchSettings, CacheSettings, ServerSettings):
    """Settings of the image service."""

    model_config = SettingsConfigDict(env_prefix="IMAGE_")

    port: Port = 50052
    max_concurrent_rpcs: ConcurrentRpcs = 200
    max_call_seconds: CallSeconds = 600
    metrics_port: MetricsPort = 9465
    cache_memory_bytes: MemoryBytes = 32 * 1024 * 1024
    default_provider: ProviderName | None = Field(
        None,
        validation_alias="IMAGE_DEFAULT_PROVIDER",
        description="Provider for requests that name none. Unset: fal or gemini, if it has a key, else embedded.",
    )
    fallback_providers: str = Field(
        "",
        pattern="^((fal|gemini|embedded)(,(fal|gemini|embedded))*)?$",
        validation_alias="IMAGE_FALLBACK_PROVIDERS",
        description="Providers to try after a failed one, in order, such as `embedded`. Unset: none.",
    )
    wait_seconds: float = Field(
        60.0,
        gt=0,
        validation_alias="IMAGE_PATIENCE_SECONDS",
        description="Longest wait of a request for permits of the limiters and between attempts.",
    )
    max_attempts: int = Field(
        3,
        ge=1,
        le=10,
        validation_alias="IMAGE_MAX_ATTEMPTS",
        description="Most calls to a provider for one image. A call that it accepted is not repeated.",
    )
    provider_timeout_seconds: float = Field(
        300.0,
        gt=0,
        validation_alias="IMAGE_PROVIDER_TIMEOUT_SECONDS",
        description="Longest time that a provider may take for one image.",
    )
    workers: int = Field(
        2, ge=1, le=64, validation_alias="IMAGE_WORKERS", description="Worker processes that decode and encode images."
    )
    worker_timeout_seconds: float = Field(
        30.0,
        gt=0,
        validation_alias="IMAGE_WORKER_TIMEOUT_SECONDS",
        description="Longest time that a worker may take for one image.",
    )
    max_uploads: int = Field(
        16, ge=1, validation_alias="IMAGE_MAX_UPLOADS", description="Most uploads received at once; others wait."
    )

    fal_key: SecretStr = Field(SecretStr(""), validation_alias="FAL_KEY", description="Key of the fal.ai account.")
    fal_queue_base_url: Annotated[str, accept_base_url()] = Field(
        "https://queue.fal.run",
        pattern="^https?://",
        validation_alias="FAL_QUEUE_BASE_URL",
        description="Base URL of the fal queue.",
    )
    fal_sync_base_url: Annotated[str, accept_base_url()] = Field(
        "https://fal.run",
        pattern="^https?://",
        validation_alias="FAL_SYNC_BASE_URL",
        description="Base URL of synchronous calls to fal, for fast images.",
    )
    fal_max_concurrent_calls: int | None = Field(
        None,
        ge=1,
        validation_alias="FAL_MAX_CONCURRENT_CALLS",
        description="Most calls to fal at once. Unset: no limit until fal refuses a call.",
    )
    gemini_api_key: SecretStr = Field(
        SecretStr(""), validation_alias="GEMINI_API_KEY", description="Key of the Gemini API."
    )
    gemini_base_url: Annotated[str, accept_base_url("/v1", "/v1beta")] = Field(
        "https://generativelanguage.googleapis.com",
        pattern="^https?://",
        validation_alias="GEMINI_BASE_URL",
        description="Base URL of the Gemini API, with or without `/v1`.",
    )
    gemini_model_id: str = Field(
        "gemini-3-pro-image",
        pattern="^[a-z0-9][a-z0-9.-]{0,63}$",
        validation_alias="GEMINI_IMAGE_MODEL",
        description="Gemini model that generates images.",
    )
    gemini_api_version: str = Field(
        "v1",
        pattern="^v[0-9]+(alpha|beta)?[0-9]*$",
        validation_alias="GEMINI_API_VERSION",
        description="Version of the Gemini API, such as `v1beta` for models in preview.",
    )
    gemini_max_concurrent_calls: int | None = Field(
        None,
        ge=1,
        validation_alias="GEMINI_MAX_CONCURRENT_CALLS",
        description="Most calls to Gemini at once. Unset: no limit until Gemini refuses a call.",
    )

    brand_primary_color: str = Field(
        "",
        pattern=_COLOR,
        validation_alias="BRAND_PRIMARY_COLOR",
        description="Primary colour of the brand, such as #0066CC.",
    )
    brand_secondary_color: str = Field(
        "", pattern=_COLOR, validation_alias="BRAND_SECONDARY_COLOR", description="Secondary colour of the brand."
    )
    brand_style: str = Field(
        "", max_length=60, validation_alias="BRAND_STYLE", description="Style of the brand, such as `professional`."
    )

    store_binary: bool = Field(
        False,
        validation_alias="IMAGE_STORE_BINARY",
        description="Whether to cache the bytes of images that the provider keeps under a URL for a while.",
    )

    @property
    def fallback_order(self) -> tuple[str, ...]:
        """The fallback providers, in order."""
        return tuple(name for name in self.fallback_providers.split(",") if name)

    @property
    def provider_by_default(self) -> ProviderName:
        """The provider for requests that name none."""
        if self.default_provider is not None:
            return self.default_provider
        if self.fal_key.get_secret_value():
            return "fal"
        return "gemini" if self.gemini_api_key.get_secret_value() else "embedded"

    @property
    def brand_colors(self) -> tuple[str, ...]:
        """The colours of the brand, most important first."""
        return tuple(color for color in (self.brand_primary_color, self.brand_secondary_color) if color)

"""The settings of the fetcher, read from the environment."""

from __future__ import annotations

from pydantic import Field

from services.common.fetch.addresses import AddressPolicy
from services.common.fetch.fetcher import FetchOptions
from services.common.settings import Settings


class FetchSettings(Settings):
    """Settings of the fetcher of callers' URLs."""

    fetch_allow: str = Field(
        "",
        pattern=r"^([A-Za-z0-9.:_/\[\]-]+(,[A-Za-z0-9.:_/\[\]-]+)*)?$",
        validation_alias="MEDIA_FETCH_ALLOW",
        description="Private addresses that callers' URLs may use: host, host:port or network, such as 10.1.0.0/16.",
    )
    fetch_timeout_seconds: float = Field(
        20.0,
        gt=0,
        validation_alias="MEDIA_FETCH_TIMEOUT_SECONDS",
        description="Timeout of fetching a caller's URL.",
    )

    @property
    def fetch_options(self) -> FetchOptions:
        """Options of the fetcher."""
        entries = [entry for entry in self.fetch_allow.split(",") if entry]
        return FetchOptions(AddressPolicy.parse(entries), self.fetch_timeout_seconds)

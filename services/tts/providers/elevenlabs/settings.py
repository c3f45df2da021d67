"""Settings of the ElevenLabs provider."""

from __future__ import annotations

from dataclasses import dataclass, field

PROVIDER = "elevenlabs"


@dataclass(frozen=True, slots=True)
class ElevenLabsSettings:
    """How the ElevenLabs API is reached."""

    api_key: str = field(repr=False)
    """Key of the account; without one (empty) the API is never called."""
    base_url: str = "https://api.elevenlabs.io"
    """Base URL of the API, without the version; may contain a path."""
    connect_timeout_seconds: float = 5.0
    """Longest wait for a new connection, TLS included."""
    first_byte_timeout_seconds: float = 30.0
    """Longest wait for the response headers; the caller limits the silence after them."""
    enable_logging: bool | None = None
    """False asks for zero retention (enterprise plans); None leaves it to the account."""
    optimize_streaming_latency: int | None = None
    """The deprecated latency level of the API, 0 to 4; None to send none."""
    max_connections: int = 100
    """Connections open at once; further requests wait for one within `first_byte_timeout_seconds`."""
    keep_alive_seconds: float = 60.0
    """How long an idle connection stays open for the next request."""
    voices_ttl_seconds: float = 300.0
    """How long a listing of the account's voices stays current."""
    voices_unknown_seconds: float = 30.0
    """How long a name that the account does not have stays unknown without another listing."""
    voices_timeout_seconds: float = 10.0
    """Longest wait for a whole listing of the account's voices."""
    voices_retry_seconds: float = 15.0
    """Delay before a failed listing is tried again."""

    def __post_init__(self) -> None:
        """Trim the key, because a key read from a file often ends with a newline."""
        object.__setattr__(self, "api_key", self.api_key.strip())

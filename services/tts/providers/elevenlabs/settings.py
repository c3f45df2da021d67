"""What the ElevenLabs provider is told when it is opened."""

from __future__ import annotations

from dataclasses import dataclass, field

PROVIDER = "elevenlabs"


@dataclass(frozen=True, slots=True)
class ElevenLabsSettings:
    """How the ElevenLabs API is reached."""

    api_key: str = field(repr=False)
    """Key of the account; empty if there is none, then nobody is asked."""
    base_url: str = "https://api.elevenlabs.io"
    """Where the API is, without its version; may carry a path of its own."""
    connect_timeout_seconds: float = 5.0
    """Longest wait for a new connection, TLS included."""
    first_byte_timeout_seconds: float = 30.0
    """Longest wait for an answer to begin; how long it may then be silent is for the caller to judge."""
    enable_logging: bool | None = None
    """False asks for zero retention (enterprise plans); None leaves it to the account."""
    optimize_streaming_latency: int | None = None
    """The API's deprecated latency level, 0 to 4; None sends none."""
    max_connections: int = 100
    """Connections open at once; further requests wait for one within `first_byte_timeout_seconds`."""
    keep_alive_seconds: float = 60.0
    """How long an idle connection is cached for the next request."""
    voices_ttl_seconds: float = 300.0
    """How long a listing of the account's voices is taken as current."""
    voices_timeout_seconds: float = 10.0
    """Longest wait for a whole listing of the account's voices."""
    voices_retry_seconds: float = 15.0
    """How long a failed listing is not tried again."""

    def __post_init__(self) -> None:
        """Trim the key: one that was read from a file often brings its newline."""
        object.__setattr__(self, "api_key", self.api_key.strip())

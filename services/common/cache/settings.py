"""Settings of the result cache and of its database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from services.common.settings import Settings

_DATABASE_FILE = "media.sqlite3"

MemoryBytes = Annotated[int, Field(ge=0, description="Memory for results that were requested recently.")]
"""Bound of the first level of a result cache."""


class DatabaseSettings(Settings):
    """Settings of the database for results, usage and records: MongoDB or one SQLite file."""

    mongodb_uri: SecretStr = Field(
        SecretStr(""),
        validation_alias="MONGODB_URI",
        description="MongoDB for results, usage and records, with the database in its path. Unset: a SQLite file.",
    )
    state_dir: Path = Field(
        Path(".run/state"),
        validation_alias="MEDIA_STATE_DIR",
        description="Folder of the SQLite file, used where MONGODB_URI is unset.",
    )

    @property
    def database_file(self) -> Path:
        """Path of the SQLite file, which several collections and processes share."""
        return self.state_dir / _DATABASE_FILE


class CacheSettings(DatabaseSettings):
    """Settings of a result cache; a subclass names the prefix of its variables as `env_prefix`."""

    caching_enabled: bool = Field(False, description="Whether results are cached for identical requests.")
    cache_ttl_seconds: float = Field(86_400, gt=0, description="How long a cached result is valid.")
    cache_memory_bytes: MemoryBytes = 64 * 1024 * 1024

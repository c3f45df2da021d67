"""Settings of the local NATS server."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.common.settings import Settings


class NatsSettings(Settings):
    """Settings of the NATS server of the local suite."""

    port: int = Field(4222, ge=1, le=65535, validation_alias="NATS_PORT", description="Port of the local NATS server.")
    monitor_port: int = Field(
        8222,
        ge=1,
        le=65535,
        validation_alias="NATS_MONITOR_PORT",
        description="HTTP port of the monitoring page of the local NATS server.",
    )
    state_dir: Path = Field(
        Path(".run/state"),
        validation_alias="MEDIA_STATE_DIR",
        description="Folder of the state; jobs are in its subfolder `nats`.",
    )

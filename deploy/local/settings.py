"""Settings of `python -m deploy.local`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from deploy.local.dev_keys import AUDIENCE, ISSUER
from services.common.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
"""The repository root."""


class LocalSettings(Settings):
    """Settings of `make run`, `make demo` and `make token`."""

    log_format: Literal["json", "console"] = Field(
        "console", validation_alias="MEDIA_LOG_FORMAT", description="`json` for machines, `console` for people."
    )
    run_dir: Path = Field(
        ROOT / ".run",
        validation_alias="MEDIA_RUN_DIR",
        description="Folder of the local suite's state: keys, lock, logs. Unset: `.run` in the repository root.",
    )
    ready_seconds: float = Field(
        30.0,
        gt=0,
        validation_alias="MEDIA_READY_SECONDS",
        description="Longest time until the local suite is ready, in seconds.",
    )
    no_color: str = Field("", validation_alias="NO_COLOR", description="Any value: no colours at the terminal.")
    jwt_issuer: str = Field(
        ISSUER, min_length=1, validation_alias="MEDIA_JWT_ISSUER", description="Issuer (`iss`) of local tokens."
    )
    jwt_audience: str = Field(
        AUDIENCE, min_length=1, validation_alias="MEDIA_JWT_AUDIENCE", description="Audience (`aud`) of local tokens."
    )

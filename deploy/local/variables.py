"""All variables of the suite: finds those with an invalid value, and those with an unknown name, all at once."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv import dotenv_values

from deploy.local.ports import choose_ports
from deploy.local.processes import SUITE, list_ports
from deploy.local.settings import LocalSettings
from deploy.nats.settings import NatsSettings
from gateway.envoy.settings import EdgeSettings
from gateway.settings import GatewaySettings
from services.common.diagnostics import Diagnostic, problem, warning
from services.common.settings import ConfigurationError, Settings, list_names, load
from services.image.settings import ImageSettings
from services.jobs.settings import JobsSettings, WorkerSettings
from services.tts.settings import TtsSettings
from services.video.settings import VideoSettings

SETTINGS: tuple[type[Settings], ...] = (
    LocalSettings,
    EdgeSettings,
    GatewaySettings,
    TtsSettings,
    ImageSettings,
    VideoSettings,
    JobsSettings,
    WorkerSettings,
    NatsSettings,
)
_SET_BY_SUITE: Mapping[type[Settings], Mapping[str, object]] = {EdgeSettings: {"jwt_jwks_file": Path("jwks.json")}}
"""Fields without which some settings are invalid, and which the local suite sets itself."""
_OF_OTHERS = ("MEDIA_TEST_", "COMPOSE_", "DOCKER_", "BUILDKIT_")
"""Variables of the tests, and of the tools that read the same file `.env`."""
_OWN_PREFIXES = ("MEDIA_", "TTS_", "GATEWAY_", "ELEVENLABS_", "ELEVEN_", "FAL_", "GEMINI_", "REPLICATE_", "SUPABASE_")
"""A variable of the environment that begins like this is probably meant for the suite."""
_SIMILAR = 0.85
"""Least similarity of a name that is probably a slip of the known one."""
_NEAREST = 0.6
"""Least similarity of a name that is worth a suggestion."""


def list_known_names() -> frozenset[str]:
    """Return every variable that a process of the suite reads."""
    return frozenset().union(*(list_names(kind) for kind in SETTINGS))


def find_invalid_variables() -> list[Diagnostic]:
    """Return a problem for each variable with an invalid value, not only for the first."""
    lines: dict[str, None] = {}
    for kind in SETTINGS:
        try:
            load(kind, **_SET_BY_SUITE.get(kind, {}))
        except ConfigurationError as error:
            lines |= dict.fromkeys(str(error).splitlines())
    if not lines:
        try:
            choose_ports(list_ports(SUITE))
        except ConfigurationError as error:
            lines |= dict.fromkeys(str(error).splitlines())
    return [problem("configuration", line, "correct the variable") for line in lines]


def require_valid_variables() -> None:
    """Raise one error for all variables with an invalid value.

    Raises:
        ConfigurationError: There is at least one.
    """
    if found := find_invalid_variables():
        raise ConfigurationError("\n".join(diagnostic.message for diagnostic in found))


def find_unknown_variables(folder: Path) -> list[Diagnostic]:
    """Return a warning for each variable that no process reads, but that looks like one of the suite.

    Args:
        folder: Folder of the file `.env`; all of its variables are meant for the suite.
    """
    from_file = {name.upper() for name, value in dotenv_values(folder / ".env").items() if value}
    from_environment = {name for name, value in os.environ.items() if value}
    return list(_warn_unknown(from_file, from_environment))


def _warn_unknown(from_file: set[str], from_environment: set[str]) -> Iterator[Diagnostic]:
    known = list_known_names()
    for name in sorted((from_file | from_environment) - known):
        if name.upper() in known or name.startswith(_OF_OTHERS):
            continue
        nearest = next(iter(difflib.get_close_matches(name.upper(), known, n=1, cutoff=_NEAREST)), "")
        is_similar = bool(nearest) and difflib.SequenceMatcher(None, name.upper(), nearest).ratio() >= _SIMILAR
        if name in from_file or name.startswith(_OWN_PREFIXES) or is_similar:
            place = ".env" if name in from_file else "the environment"
            yield warning(
                "configuration",
                f"{name} in {place} is not a variable of the suite",
                f"did you mean {nearest}?" if nearest else "docs/configuration.md lists all variables",
            )

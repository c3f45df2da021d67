"""The environment of the containers: what compose passes to each process, and what a process then reads.

docker-compose.yml sets the few variables that the containers depend on. All others come from the shell or from .env:
deploy/compose/environment.yml, which `python -m tools.docs_reference` writes, names them without a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gateway.envoy.settings import EdgeSettings
from gateway.settings import GatewaySettings
from services.common.settings import Settings, list_names
from services.image.settings import ImageSettings
from services.jobs.settings import JobsSettings, WorkerSettings
from services.tts.settings import TtsSettings
from services.video.settings import VideoSettings

ROOT = Path(__file__).resolve().parents[1]
CONTAINERS: Mapping[str, type[Settings]] = {
    "envoy": EdgeSettings,
    "gateway": GatewaySettings,
    "tts": TtsSettings,
    "image": ImageSettings,
    "video": VideoSettings,
    "jobs": JobsSettings,
    "worker": WorkerSettings,
}
"""The containers that run a process of the suite, with its settings."""
ENVIRONMENT_FILE = Path("deploy/compose/environment.yml")
# Several workers cannot have one name; unset, each takes the name of its container.
_NEVER_PASSED = frozenset({"WORKER_NAME"})
_NOTICE = """\
# Written by `python -m tools.docs_reference`; `make check` fails if it differs from the code.
# Every variable that a process reads. Compose passes those that are set in the shell or in .env.
"""
_INTERPOLATION = re.compile(r"\$\{(?P<name>[A-Z0-9_]+)(?P<operator>:?-)(?P<default>(?:[^{}]|\{[^{}]*\})*)\}")


def build_environment() -> str:
    """Return deploy/compose/environment.yml."""
    lines = [_NOTICE, "services:"]
    for container, settings in CONTAINERS.items():
        lines += [f"  {container}:", "    environment:"]
        lines += [f"      {name}:" for name in sorted(list_names(settings) - _NEVER_PASSED)]
    return "\n".join(lines) + "\n"


def read_compose_file(folder: Path = ROOT) -> dict[str, Any]:
    """Return docker-compose.yml with the environments that its services extend, before interpolation."""
    composed: dict[str, Any] = yaml.safe_load((folder / "docker-compose.yml").read_text())
    for service in composed["services"].values():
        if extended := service.pop("extends", None):
            base = yaml.safe_load((folder / extended["file"]).read_text())["services"][extended["service"]]
            service["environment"] = base["environment"] | service["environment"]
    return composed


def resolve_environment(declared: Mapping[str, str | None], outside: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a container.

    Args:
        declared: Its section `environment`; None passes the variable of the same name.
        outside: The shell and .env of the user.
    """
    passed = {name: outside[name] for name, value in declared.items() if value is None and name in outside}
    return passed | {name: interpolate(value, outside) for name, value in declared.items() if value is not None}


def interpolate(text: str, outside: Mapping[str, str]) -> str:
    """Replace ${NAME:-default} and ${NAME-default} as compose does; a default may contain another one."""

    def replace(match: re.Match[str]) -> str:
        value = outside.get(match["name"])
        is_missing = value is None or (match["operator"] == ":-" and not value)
        return interpolate(match["default"], outside) if is_missing else str(value)

    return _INTERPOLATION.sub(replace, text)

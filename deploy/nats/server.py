"""The NATS server of one machine: the path of its program and its configuration."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

from deploy.nats.settings import NatsSettings
from services.common.settings import ConfigurationError

PROGRAM = "nats-server"
# Every write is on the disk before it is acknowledged: by default the server waits for up to two minutes.
_CONFIGURATION = """\
server_name: media
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor_port}"
jetstream {{
  store_dir: "{store_dir}"
  sync_interval: always
  max_memory_store: 64MB
}}
"""


def render_config(settings: NatsSettings, folder: Path) -> str:
    """Return the server's configuration."""
    return _CONFIGURATION.format(port=settings.port, monitor_port=settings.monitor_port, store_dir=folder)


def server() -> str:
    """Return the path of the program: beside this Python, where its wheel puts it, or on PATH.

    Raises:
        ConfigurationError: The program is not installed.
    """
    beside = Path(sysconfig.get_path("scripts")) / PROGRAM
    found = str(beside) if beside.exists() else shutil.which(PROGRAM)
    if found is None:
        raise ConfigurationError(f"NATS_URL must be set: there is no {PROGRAM} beside {Path(sys.executable).name}")
    return found

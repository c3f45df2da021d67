"""The NATS server of one machine: the path of its program and its configuration."""

from __future__ import annotations

import json
import shutil
import sys
import sysconfig
from pathlib import Path

from deploy.nats.settings import NatsSettings
from services.common.settings import ConfigurationError

PROGRAM = "nats-server"
# Each write is on the disk before it is acknowledged; by default the server syncs up to two minutes later.
_CONFIGURATION = """\
server_name: media
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor_port}"
jetstream {{
  store_dir: {store_dir}
  sync_interval: always
  max_memory_store: 64MB
}}
"""


def render_config(settings: NatsSettings, folder: Path) -> str:
    """Return the server's configuration; the folder may have any name."""
    return _CONFIGURATION.format(
        port=settings.port, monitor_port=settings.monitor_port, store_dir=json.dumps(str(folder), ensure_ascii=False)
    )


def find_nats_server() -> str:
    """Return the path of the program: beside this Python, where its wheel installs it, or on PATH.

    Raises:
        ConfigurationError: The program is not installed.
    """
    installed = Path(sysconfig.get_path("scripts")) / PROGRAM
    found = str(installed) if installed.exists() else shutil.which(PROGRAM)
    if found is None:
        raise ConfigurationError(
            f"NATS_URL must be set, because {PROGRAM} is neither beside {Path(sys.executable).name} nor on PATH"
        )
    return found

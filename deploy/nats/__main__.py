"""Runs the NATS server of the local suite: `python -m deploy.nats --help`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import sysconfig
from pathlib import Path

from deploy.nats.settings import NatsSettings
from services.common.settings import ConfigurationError, load, refuse_to_start

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


def main() -> None:
    """Writes the configuration and becomes the server."""
    argparse.ArgumentParser(
        prog="python -m deploy.nats", description="Runs the NATS server that keeps the local suite's jobs."
    ).parse_args()
    try:
        settings = load(NatsSettings)
        program = server()
    except ConfigurationError as error:
        refuse_to_start(error)
    folder = (settings.state_dir / "nats").resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    configuration = folder / "nats.conf"
    configuration.write_text(configured(settings, folder))
    os.execv(program, [PROGRAM, "-c", str(configuration)])  # noqa: S606 - no shell is the point


def configured(settings: NatsSettings, folder: Path) -> str:
    """Returns the server's configuration."""
    return _CONFIGURATION.format(port=settings.port, monitor_port=settings.monitor_port, store_dir=folder)


def server() -> str:
    """Returns where the program is: beside this Python, where its wheel puts it, or on PATH.

    Raises:
        ConfigurationError: It is nowhere.
    """
    beside = Path(sysconfig.get_path("scripts")) / PROGRAM
    found = str(beside) if beside.exists() else shutil.which(PROGRAM)
    if found is None:
        raise ConfigurationError(f"NATS_URL must be set: there is no {PROGRAM} beside {Path(sys.executable).name}")
    return found


if __name__ == "__main__":
    main()

"""Runs the NATS server of the local suite: `python -m deploy.nats --help`."""

from __future__ import annotations

import argparse
import os

from deploy.nats.server import PROGRAM, render_config, server
from deploy.nats.settings import NatsSettings
from services.common.settings import ConfigurationError, load, refuse_to_start


def main() -> None:
    """Write the configuration and replace this process by the server."""
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
    configuration.write_text(render_config(settings, folder))
    os.execv(program, [PROGRAM, "-c", str(configuration)])  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()

"""Runs the NATS server of the local suite: `python -m deploy.nats --help`."""

from __future__ import annotations

import argparse
import os

from deploy.nats.server import PROGRAM, find_nats_server, render_config
from deploy.nats.settings import NatsSettings
from services.common.settings import ConfigurationError, load, refuse_to_start


def main() -> None:
    """Write the configuration and replace this process with the server."""
    argparse.ArgumentParser(
        prog="python -m deploy.nats", description="Runs the NATS server that stores the jobs of the local suite."
    ).parse_args()
    try:
        settings = load(NatsSettings)
        program = find_nats_server()
    except ConfigurationError as error:
        refuse_to_start(error)
    folder = (settings.state_dir / "nats").resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    configuration = folder / "nats.conf"
    configuration.write_text(render_config(settings, folder))
    os.execv(program, [PROGRAM, "-c", str(configuration)])  # noqa: S606 - a shell would stay between the supervisor and the server


if __name__ == "__main__":
    main()

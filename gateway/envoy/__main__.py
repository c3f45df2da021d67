"""The command `python -m gateway.envoy`: renders, validates and runs the edge."""

from __future__ import annotations

import argparse
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.envoy import launcher
from gateway.envoy.config import LOOPBACK, render_config, to_json
from gateway.envoy.settings import EdgeSettings
from services.common.settings import ConfigurationError, load, refuse_to_start
from services.common.terminal import tolerate_closed_output

_OWNER_ONLY = 0o600
_READY_SECONDS = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _build_parser().parse_args(arguments)
    try:
        command: Callable[[EdgeSettings, argparse.Namespace], int] = options.command
        return command(load(EdgeSettings), options)
    except ConfigurationError as error:
        refuse_to_start(error)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.envoy", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    render = commands.add_parser("render", help="write the configuration, API keys included")
    render.add_argument(
        "--output", type=Path, metavar="FILE", help="file to write, for its owner only; else standard output"
    )
    render.set_defaults(command=_render)

    for name, command, text in (
        ("validate", _validate, "validate the configuration with Envoy"),
        ("run", _run, "run Envoy with the configuration; SIGTERM drains it"),
        ("ready", _check_ready, "exit with 0 if the running Envoy serves, else with 1"),
    ):
        commands.add_parser(name, help=text).set_defaults(command=command)
    return parser


def _render(settings: EdgeSettings, options: argparse.Namespace) -> int:
    text = to_json(render_config(settings))
    if options.output is None:
        with tolerate_closed_output():
            sys.stdout.write(text)
        return 0
    descriptor = os.open(options.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        # An existing file keeps its mode when it is opened.
        os.fchmod(file.fileno(), _OWNER_ONLY)
        file.write(text)
    return 0


def _validate(settings: EdgeSettings, _: argparse.Namespace) -> int:
    launcher.validate(settings)
    sys.stdout.write("Envoy accepts the configuration.\n")
    return 0


def _run(settings: EdgeSettings, _: argparse.Namespace) -> int:
    launcher.run(settings)


def _check_ready(settings: EdgeSettings, _: argparse.Namespace) -> int:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{settings.admin_port}/ready", timeout=_READY_SECONDS) as answer:
            return 0 if answer.status == 200 else 1  # noqa: PLR2004 - the status of a ready Envoy
    except (urllib.error.URLError, TimeoutError):
        return 1


if __name__ == "__main__":
    sys.exit(main())

"""Start a process of the suite: arguments, settings, logs, event loop and exit code."""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import TypeVar

import uvloop

from services.common.log import configure
from services.common.settings import ConfigurationError, Settings, load, refuse_to_start, variables

S = TypeVar("S", bound=Settings)


def run(service: str, description: str, kind: type[S], main: Callable[[S], Coroutine[None, None, None]]) -> None:
    """Run the process `service` until its `main` returns.

    Args:
        service: Name in logs and in `--help`.
        description: What the process is for, in one sentence.
        kind: Class of its settings.
        main: Called with the settings to run the process.
    """
    argparse.ArgumentParser(
        prog=f"python -m {service}",
        description=description,
        epilog=_build_variables_help(kind),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        settings = load(kind)
        configure(service, settings.log_level, settings.log_format)
        # Imported objects live until the end; without this, each full collection scans them while callers wait.
        gc.freeze()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main(settings))
    except ConfigurationError as error:
        refuse_to_start(error)


def _build_variables_help(kind: type[Settings]) -> str:
    lines = [f"  {name:<38} {info.description}" for name, info in variables(kind).items()]
    return "environment variables:\n" + "\n".join(lines)

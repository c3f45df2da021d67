"""Runs the suite on one machine, checks it, prints a token for it, or deletes its state."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from deploy.local.cleanup import clean_state
from deploy.local.dev_keys import issue_token
from deploy.local.doctor import format_report, run_checks, to_json
from deploy.local.fork_server import start_fork_server
from deploy.local.settings import LocalSettings
from deploy.local.state_dir import prepare_folder
from deploy.local.suite import run_suite
from deploy.local.supervisor import SuiteError
from deploy.local.variables import require_valid_variables
from services.common.diagnostics import Level
from services.common.settings import ConfigurationError, load, refuse_to_start
from services.common.terminal import tolerate_closed_output

_VARIABLES = """\
environment variables (all of them: docs/configuration.md):
  MEDIA_PORT         port of the edge, 8080 by default; the inner ports follow it
  MEDIA_RUN_DIR      folder of keys, lock and logs; .run in the repository root by default
  ELEVENLABS_API_KEY set: ElevenLabs is the default speech provider; unset: the embedded engine
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _build_parser().parse_args(arguments)
    code = 1
    try:
        with tolerate_closed_output():
            code = int(options.command(options))
    except ConfigurationError as error:
        refuse_to_start(error)
    except SuiteError as error:
        sys.stderr.write(f"\n{error}\n")
    return code


def _build_parser() -> argparse.ArgumentParser:
    parser = _describe_variables(argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    text = "Runs the whole suite at this terminal until Ctrl-C; a second Ctrl-C kills it at once."
    run = _describe_variables(commands.add_parser("run", help="run the whole suite until Ctrl-C", description=text))
    run.set_defaults(command=_run_suite)

    text = "Shows what is configured, what cannot be reached or written, which settings conflict, and what to do."
    doctor = _describe_variables(commands.add_parser("doctor", help="check the configuration", description=text))
    doctor.add_argument("--json", action="store_true", help="print the diagnostics as JSON")
    doctor.set_defaults(command=_run_doctor)

    text = "Deletes media, jobs and keys of the local suite after a question; refuses while a suite runs."
    clean = _describe_variables(
        commands.add_parser("clean-state", help="delete media, jobs and keys", description=text)
    )
    clean.add_argument("--yes", action="store_true", help="delete without a question")
    clean.set_defaults(command=_clean_state)

    text = "Prints a bearer token for the local suite, and nothing else; the suite need not be running."
    token = _describe_variables(commands.add_parser("token", help="print a bearer token", description=text))
    token.add_argument("--subject", default="developer", help="subject of the token (default: developer)")
    token.add_argument("--hours", type=_parse_positive, default=12.0, help="lifetime in hours (default: 12)")
    token.set_defaults(command=_print_token)
    return parser


def _describe_variables(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.epilog = _VARIABLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


def _run_suite(_: argparse.Namespace) -> int:
    require_valid_variables()
    settings = load(LocalSettings)
    with start_fork_server() as fork_server:
        asyncio.run(run_suite(settings, fork_server=fork_server))
    return 0


def _run_doctor(options: argparse.Namespace) -> int:
    diagnostics = asyncio.run(run_checks())
    # The exit code is that of the checks, even if nothing reads the report to its end.
    with tolerate_closed_output():
        print(to_json(diagnostics) if options.json else format_report(diagnostics))
    return int(any(diagnostic.level is Level.PROBLEM for diagnostic in diagnostics))


def _clean_state(options: argparse.Namespace) -> int:
    return clean_state(load(LocalSettings).run_dir.resolve(), is_confirmed=options.yes, stdin=sys.stdin)


def _print_token(options: argparse.Namespace) -> int:
    settings = load(LocalSettings)
    print(
        issue_token(
            prepare_folder(settings.run_dir),
            options.subject,
            options.hours * 3600,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
        )
    )
    return 0


def _parse_positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be greater than 0")
    return value


if __name__ == "__main__":
    sys.exit(main())

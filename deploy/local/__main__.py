"""Runs the suite locally, has it make a video that talks, examines its configuration, or prints a token for it."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local.demo import Wish, demonstrate
from deploy.local.dev_keys import issue_token
from deploy.local.doctor import as_json, examine, report
from deploy.local.settings import LocalSettings
from deploy.local.state_dir import prepare
from deploy.local.suite import run_suite
from deploy.local.supervisor import SuiteFailed
from deploy.local.video_client import Script, VideoFailed
from deploy.local.zygote import start_zygote
from services.common.diagnostics import Level
from services.common.settings import ConfigurationError, load, refuse_to_start

_TEXT = "Hello! I am a cat, and until just now I was only an image. Now I can tell you all about the sea."
_PROMPT = "A friendly cat that looks out of a window at the sea"
_MOTION = "zoom in slowly"
_VARIABLES = """\
environment variables (all of them: docs/configuration.md):
  MEDIA_PORT         port of the edge, 8080 by default; the inner ports move along with it
  MEDIA_RUN_DIR      folder of keys, lock and logs; .run in the repository root by default
  ELEVENLABS_API_KEY set, ElevenLabs speaks by default; unset, the embedded engine
"""
_STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(load(LocalSettings), options))
    except ConfigurationError as error:
        refuse_to_start(error)
    except (SuiteFailed, VideoFailed) as error:
        sys.stderr.write(f"\n{error}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = _with_variables(argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    text = "Runs the whole suite at this terminal until Ctrl-C; a second Ctrl-C does not wait."
    run = _with_variables(commands.add_parser("run", help="run the whole suite until Ctrl-C", description=text))
    run.set_defaults(command=_run)

    text = "Starts a suite on free ports, has it make a video that talks from one still and one text, and stops."
    demo = _with_variables(commands.add_parser("demo", help="have a video made that talks", description=text))
    demo.add_argument("--text", default=_TEXT, help="what is said (default: a cat introduces itself)")
    demo.add_argument("--voice", default="", help="name or id of the voice (default: the suite's)")
    demo.add_argument("--image", type=_content, metavar="FILE", help="the still (default: one is painted)")
    demo.add_argument("--prompt", default=_PROMPT, help="what is painted where there is no --image (default: a cat)")
    demo.add_argument("--motion", default=_MOTION, help=f"what happens to the image (default: {_MOTION})")
    demo.add_argument("--output", type=Path, metavar="DIR", help="folder for the files (default: .run/demo)")
    demo.set_defaults(command=_demo)

    text = "Says what is configured, whether it can be reached and written, what contradicts itself, and what to do."
    doctor = _with_variables(commands.add_parser("doctor", help="look at the configuration", description=text))
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.set_defaults(command=_doctor)

    text = "Prints a bearer token that the local suite accepts, running or not, and nothing else."
    token = _with_variables(commands.add_parser("token", help="print a bearer token", description=text))
    token.add_argument("--subject", default="developer", help="who the token speaks for (default: developer)")
    token.add_argument("--hours", type=_positive, default=12.0, help="how long it is good for (default: 12)")
    token.set_defaults(command=_token)
    return parser


def _with_variables(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.epilog = _VARIABLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


def _run(settings: LocalSettings, _: argparse.Namespace) -> int:
    with start_zygote() as zygote:
        asyncio.run(run_suite(settings, zygote=zygote))
    return 0


def _demo(settings: LocalSettings, options: argparse.Namespace) -> int:
    script = Script(options.text, options.voice, options.motion)
    request = Wish(script, options.prompt, options.image, options.output)
    with start_zygote() as zygote:
        return 0 if asyncio.run(demonstrate(settings, request, zygote=zygote)) else _STOPPED


def _doctor(_: LocalSettings, options: argparse.Namespace) -> int:
    diagnostics = asyncio.run(examine())
    print(as_json(diagnostics) if options.json else report(diagnostics))
    return int(any(diagnostic.level is Level.PROBLEM for diagnostic in diagnostics))


def _token(settings: LocalSettings, options: argparse.Namespace) -> int:
    print(
        issue_token(
            prepare(settings.run_dir),
            options.subject,
            options.hours * 3600,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
        )
    )
    return 0


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("must be greater than 0")
    return value


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {path} ({error.strerror})") from None


if __name__ == "__main__":
    sys.exit(main())

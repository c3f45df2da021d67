"""Starts a suite on free ports, generates a talking video from one image and one text, and stops the suite."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.local.fork_server import start_fork_server
from deploy.local.settings import LocalSettings
from deploy.local.supervisor import SuiteError
from examples.talking_video.demo import DemoOptions, run_demo
from examples.talking_video.video_client import Script, VideoError
from services.common.settings import ConfigurationError, load, refuse_to_start
from services.common.terminal import tolerate_closed_output

_TEXT = "Hello! I am a cat, and until just now I was only an image. Now I can tell you all about the sea."
_PROMPT = "A friendly cat that looks out of a window at the sea"
_MOTION = "zoom in slowly"
_VARIABLES = """\
environment variables (all of them: docs/configuration.md):
  MEDIA_RUN_DIR      folder of keys and logs; .run in the repository root by default
  ELEVENLABS_API_KEY, FAL_KEY, REPLICATE_API_TOKEN
                     set: that provider is the default and costs money; unset: the embedded engines
  MEDIA_PORT has no effect: the demo takes free ports and can run beside `make run`.
"""
_STOPPED = 130
"""Exit code after Ctrl-C, as a shell reports it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    options = _build_parser().parse_args(arguments)
    script = Script(options.text, options.voice, options.motion)
    request = DemoOptions(script, options.prompt, options.image, options.output)
    try:
        settings = load(LocalSettings)
        with tolerate_closed_output(), start_fork_server() as fork_server:
            return 0 if asyncio.run(run_demo(settings, request, fork_server=fork_server)) else _STOPPED
    except ConfigurationError as error:
        refuse_to_start(error)
    except (SuiteError, VideoError) as error:
        sys.stderr.write(f"\n{error}\n")
    return 1


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m examples.talking_video",
        description=__doc__,
        epilog=_VARIABLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--text", default=_TEXT, help="text of the speech (default: a cat introduces itself)")
    parser.add_argument("--voice", default="", help="name or id of the voice (default: the suite's)")
    parser.add_argument("--image", type=_read_image, metavar="FILE", help="source image (default: one is generated)")
    parser.add_argument("--prompt", default=_PROMPT, help="prompt of the image if there is no --image (default: a cat)")
    parser.add_argument("--motion", default=_MOTION, help=f"camera motion (default: {_MOTION})")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder for the files (default: .run/demo)")
    return parser


def _read_image(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot read {path} ({error.strerror})") from None


if __name__ == "__main__":
    sys.exit(main())

"""Writes or checks openapi.json, the description of all HTTP routes: `python -m gateway.openapi --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from gateway import OPENAPI_FILE
from gateway.app import SERVICES
from gateway.openapi.document import HAND_WRITTEN, build_document
from services.common import VERSION


def main(arguments: Sequence[str] | None = None, file: Path = OPENAPI_FILE) -> int:
    """Run the command and return its exit code: 1 if `--check` finds a stale `file`."""
    parser = argparse.ArgumentParser(prog="python -m gateway.openapi", description="Write or check openapi.json.")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the file")
    mode.add_argument("--check", action="store_true", help="exit with 1 if the file does not match the code")
    options = parser.parse_args(arguments)
    document = render_document()
    if options.write:
        file.write_bytes(document)
    elif not file.exists() or file.read_bytes() != document:
        sys.stderr.write(f"{file.name} does not match the code. Run `make openapi` and commit the result.\n")
        return 1
    return 0


def render_document() -> bytes:
    """Return the document as the text of openapi.json, indented so that a change of the API can be reviewed."""
    return orjson.dumps(
        build_document(HAND_WRITTEN, SERVICES, version=VERSION), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )


if __name__ == "__main__":
    sys.exit(main())

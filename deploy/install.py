"""`python -m deploy.install FILE`: install a lock file into this environment and show how far it is.

It runs before any package is installed, so it needs nothing besides Python and pip.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

_PACKAGE = re.compile(r"(?:Collecting|Requirement already satisfied:) (?P<name>[A-Za-z0-9._-]+)")
_WRITING = "Installing collected packages"
_LAST_LINES = 20
_STEPS = 4
"""Number of lines of progress where the output is no terminal."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Install the file; return pip's exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.install", description=__doc__)
    parser.add_argument("file", type=Path, help="requirements with versions and hashes")
    file = parser.parse_args(arguments).file
    total = count_packages(file.read_text(encoding="utf-8"))
    print(f"Installing {total} packages of {file.name} into {Path(sys.prefix).name} (once; up to a minute)", flush=True)
    started = time.monotonic()
    command = ("pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off")
    with subprocess.Popen(
        [sys.executable, "-m", *command, "--require-hashes", "--requirement", file],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        last_lines = show_progress(process.stdout or (), total, sys.stdout)
    if process.returncode:
        print(*last_lines, f"pip could not install {file.name}; its last lines are above.", sep="\n", file=sys.stderr)
    else:
        print(f"Installed in {time.monotonic() - started:.0f} s")
    return process.returncode


def count_packages(lock: str) -> int:
    """Return the number of packages in a lock file; one that has a version for each Python counts once."""
    return len(set(re.findall(r"^([A-Za-z0-9._-]+)==", lock, flags=re.MULTILINE)))


def show_progress(lines: Iterable[str], total: int, stream: TextIO) -> Sequence[str]:
    """Write the progress of pip to `stream`, and return pip's last lines.

    A terminal gets one line that changes; any other stream gets a line at each quarter.
    """
    last_lines: deque[str] = deque(maxlen=_LAST_LINES)
    is_terminal = stream.isatty()
    step = 0
    for done, text in _read_steps(lines, last_lines, total):
        if is_terminal:
            # Erases what a longer name left behind.
            stream.write(f"\r\x1b[K  {done:>3}/{total} {text}")
        elif done * _STEPS // total > step:
            step = done * _STEPS // total
            stream.write(f"  {done:>3}/{total} {text}\n")
        stream.flush()
    if is_terminal:
        stream.write("\r\x1b[K")
    return last_lines


def _read_steps(lines: Iterable[str], last_lines: deque[str], total: int) -> Iterator[tuple[int, str]]:
    """Yield the number of packages that pip has found so far, and what it does."""
    names: set[str] = set()
    for line in lines:
        last_lines.append(line.rstrip())
        if match := _PACKAGE.match(line):
            names.add(match["name"])
            yield min(len(names), total), match["name"]
        elif line.startswith(_WRITING):
            yield total, "writing files"


if __name__ == "__main__":
    sys.exit(main())

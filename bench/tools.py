"""Compiles the fake provider and the load generator if they are out of date; both are C, for speed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

_SOURCES = Path(__file__).resolve().parent
_BUILD = _SOURCES / "build"
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror")
_COMPILE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Tools:
    """The compiled programs."""

    provider: Path
    """The fake provider."""
    load: Path
    """The load generator."""


def compile_tools() -> Tools:
    """Return the programs; compile those with a newer source.

    Raises:
        BenchError: There is no gcc, or it does not accept the sources.
    """
    return Tools(
        provider=_program("provider", "provider.c", "answer.c", "records.c"),
        load=_program("load", "load.c", "options.c", "response.c", "samples.c"),
    )


def _program(name: str, *sources: str) -> Path:
    program = _BUILD / name
    if not _is_outdated(program, _SOURCES.glob("*.[ch]")):
        return program
    gcc = shutil.which("gcc")
    if gcc is None:
        raise BenchError("gcc is missing; install it (Debian and Ubuntu: apt-get install gcc libc6-dev) and try again.")
    _BUILD.mkdir(exist_ok=True)
    command = [gcc, *_FLAGS, "-o", str(program), *(str(_SOURCES / source) for source in sources), "-lm"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=_COMPILE_SECONDS, check=False)
    if result.returncode:
        raise BenchError(f"gcc does not accept {name}; Linux with glibc 2.35 or newer is needed.\n{result.stderr}")
    return program


def _is_outdated(program: Path, sources: Iterable[Path]) -> bool:
    if not program.exists():
        return True
    return any(source.stat().st_mtime > program.stat().st_mtime for source in sources)

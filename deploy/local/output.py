"""Output of the child processes: to the terminal with a prefix, or to one log file for each process."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TextIO

_COLORS = (36, 33, 35, 32, 34, 96, 93, 95)
_MAX_LINE_BYTES = 16 * 1024
# A child's line must not move the cursor or recolour the terminal.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")

SUITE_NAME = "suite"
"""Prefix of the supervisor's own lines."""


class Output(Protocol):
    """Receives the output of the processes, line by line."""

    def write_line(self, name: str, text: str) -> None:
        """Write a line of the process `name`."""

    def write_note(self, text: str) -> None:
        """Write a line of the supervisor itself."""


class Terminal:
    """Writes each line after the padded name of its process.

    Args:
        stream: Stream to write to.
        names: Names of the processes.
        color: Whether prefixes are coloured.
        on_close: Called once when the reader has closed the stream; later lines are dropped.
        hidden: Lines to leave out, by the name of their process.
    """

    def __init__(
        self,
        stream: TextIO,
        names: Iterable[str],
        *,
        color: bool,
        on_close: Callable[[], None],
        hidden: Mapping[str, re.Pattern[str]] | None = None,
    ) -> None:
        self._stream = stream
        all_names = [SUITE_NAME, *names]
        self._prefixes = dict(zip(all_names, _build_prefixes(all_names, color), strict=True))
        self._on_close = on_close
        self._hidden = hidden or {}

    def write_line(self, name: str, text: str) -> None:
        """Write a line of the process `name`, unless it is hidden."""
        pattern = self._hidden.get(name)
        if pattern is not None and pattern.search(text):
            return
        self.write_plain(f"{self._prefixes[name]} {text}")

    def write_note(self, text: str) -> None:
        """Write a line of the supervisor itself."""
        self.write_line(SUITE_NAME, text)

    def write_plain(self, text: str) -> None:
        """Write `text` without a prefix."""
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except OSError:
            self._redirect_to_null()
            self._on_close()

    def _redirect_to_null(self) -> None:
        # Otherwise the flush of the buffer at the exit of the interpreter would fail again.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)


class LogFiles:
    """Writes the lines of each process to `folder`/<name>.log; each start of the suite overwrites the files."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._files = {name: (folder / f"{name}.log").open("w", encoding="utf-8") for name in [SUITE_NAME, *names]}

    def write_line(self, name: str, text: str) -> None:
        """Write a line of the process `name`."""
        self._files[name].write(f"{text}\n")

    def write_note(self, text: str) -> None:
        """Write a line of the supervisor itself."""
        self.write_line(SUITE_NAME, text)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()


class LineSplitter:
    """Splits a stream of bytes into printable lines; splits a line that is longer than 16 KiB."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, block: bytes) -> Iterator[str]:
        """Yield the lines that `block` completes."""
        *lines, self._rest = (self._rest + block).split(b"\n")
        yield from map(_to_printable, lines)
        while len(self._rest) >= _MAX_LINE_BYTES:
            head, self._rest = self._rest[:_MAX_LINE_BYTES], self._rest[_MAX_LINE_BYTES:]
            yield _to_printable(head)

    def finish(self) -> Iterator[str]:
        """Yield what follows the last line end, if anything."""
        if self._rest:
            yield _to_printable(self._rest)
        self._rest = b""


def _build_prefixes(names: list[str], color: bool) -> Iterator[str]:
    width = max(map(len, names))
    for index, name in enumerate(names):
        prefix = f"{name:<{width}} |"
        yield f"\x1b[{_COLORS[index % len(_COLORS)]}m{prefix}\x1b[0m" if color else prefix


def _to_printable(line: bytes) -> str:
    return _CONTROL.sub("", line.decode("utf-8", errors="replace"))

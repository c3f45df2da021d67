"""Shows how far something is: a bar that moves at a terminal, a line for each stage in a file or a pipe."""

from __future__ import annotations

import shutil
from types import TracebackType
from typing import Self, TextIO

_BAR_COLUMNS = 32
_STAGE_COLUMNS = 28


class Progress:
    """Shows stages and percent for as long as its context lasts.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._moves = stream.isatty()
        self._stage = ""
        self._drawn = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is said next begins on a line of its own.
        if self._drawn:
            self._stream.write("\n")
            self._stream.flush()

    def show(self, stage: str, percent: float) -> None:
        """Show where things are.

        Args:
            stage: What is being done, in a few words.
            percent: 0 to 100.
        """
        if self._moves:
            self._draw(stage, percent)
        elif stage != self._stage:
            self._stream.write(f"{percent:4.0f}%  {stage}\n")
            self._stream.flush()
        self._stage = stage

    def _draw(self, stage: str, percent: float) -> None:
        line = bar(stage, percent, shutil.get_terminal_size().columns)
        # Blanks cover what a longer line has left behind.
        self._stream.write(f"\r{line:<{len(self._drawn)}}")
        self._stream.flush()
        self._drawn = line


def bar(stage: str, percent: float, columns: int) -> str:
    """Return a line of at most `columns` less one, so that no terminal begins a new one behind it.

    Args:
        stage: What is being done.
        percent: 0 to 100.
        columns: Width of the terminal.
    """
    ends = f"{percent:4.0f}%"
    room = columns - 1 - _STAGE_COLUMNS - len("[] ") - len(ends)
    length = max(0, min(_BAR_COLUMNS, room))
    full = round(length * percent / 100)
    drawn = f"[{'#' * full}{'-' * (length - full)}]" if length else ""
    return f"{stage:<{_STAGE_COLUMNS}.{_STAGE_COLUMNS}} {drawn}{ends}"[: max(0, columns - 1)]

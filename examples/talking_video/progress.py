"""Progress display: a moving bar at a terminal, one line for each stage in a file or a pipe."""

from __future__ import annotations

import shutil
from types import TracebackType
from typing import Self, TextIO

_BAR_COLUMNS = 32
_STAGE_COLUMNS = 28


class Progress:
    """Shows stage and percent while its context is open.

    Args:
        stream: Where to write.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._moves = stream.isatty()
        self._stage = ""
        self._last_line = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The next output begins on a new line.
        if self._last_line:
            self._stream.write("\n")
            self._stream.flush()

    def show(self, stage: str, percent: float) -> None:
        """Show the current stage.

        Args:
            stage: Short name of the stage.
            percent: 0 to 100.
        """
        if self._moves:
            self._draw(stage, percent)
        elif stage != self._stage:
            self._stream.write(f"{percent:4.0f}%  {stage}\n")
            self._stream.flush()
        self._stage = stage

    def _draw(self, stage: str, percent: float) -> None:
        line = format_bar(stage, percent, shutil.get_terminal_size().columns)
        # Blanks overwrite the rest of a longer line.
        self._stream.write(f"\r{line:<{len(self._last_line)}}")
        self._stream.flush()
        self._last_line = line


def format_bar(stage: str, percent: float, columns: int) -> str:
    """Return a line of at most `columns` - 1 characters, so that the terminal does not wrap it.

    Args:
        stage: Short name of the stage.
        percent: 0 to 100.
        columns: Width of the terminal.
    """
    ends = f"{percent:4.0f}%"
    room = columns - 1 - _STAGE_COLUMNS - len("[] ") - len(ends)
    length = max(0, min(_BAR_COLUMNS, room))
    full = round(length * percent / 100)
    bar = f"[{'#' * full}{'-' * (length - full)}]" if length else ""
    return f"{stage:<{_STAGE_COLUMNS}.{_STAGE_COLUMNS}} {bar}{ends}"[: max(0, columns - 1)]

"""Tests of the progress display, at a terminal and in a file."""

from __future__ import annotations

from io import StringIO

import pytest

from examples.talking_video.progress import Progress, format_bar


class Terminal(StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_line_that_is_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    with Progress(terminal) as progress:
        progress.show("generating speech", 1)
        progress.show("generating video", 50)
        progress.show("done", 100)
    output = terminal.getvalue()
    assert output.count("\n") == 1
    assert output.endswith("100%\n")
    assert [line.split("  ")[0] for line in output.split("\r")[1:]] == ["generating speech", "generating video", "done"]


def test_a_shorter_line_overwrites_a_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    with Progress(terminal) as progress:
        monkeypatch.setenv("COLUMNS", "120")
        progress.show("generating speech", 1)
        wide = len(terminal.getvalue())
        monkeypatch.setenv("COLUMNS", "40")
        progress.show("generating speech", 2)
    assert len(terminal.getvalue()) == 2 * wide + 1


def test_a_file_gets_one_line_for_each_stage() -> None:
    stream = StringIO()
    with Progress(stream) as progress:
        for stage, percent in [
            ("generating speech", 1),
            ("generating video", 15),
            ("generating video", 60),
            ("generating video", 80),
            ("done", 100),
        ]:
            progress.show(stage, percent)
    assert stream.getvalue() == "   1%  generating speech\n  15%  generating video\n 100%  done\n"


def test_an_error_begins_on_a_new_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    progress = Progress(terminal)
    progress.show("generating video", 15)
    with pytest.raises(ValueError, match="broken"), progress:
        raise ValueError("broken")
    assert terminal.getvalue().endswith("\n")


def test_without_progress_nothing_is_written() -> None:
    terminal = Terminal()
    with Progress(terminal):
        pass
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    ("percent", "bar"),
    [
        (0, "[--------------------------------]   0%"),
        (50, "[################----------------]  50%"),
        (99.4, "[################################]  99%"),
        (100, "[################################] 100%"),
    ],
)
def test_the_bar_shows_the_percent(percent: float, bar: str) -> None:
    assert format_bar("generating video", percent, 80).endswith(f" {bar}")


@pytest.mark.parametrize("columns", [0, 1, 5, 20, 37, 38, 45, 80, 400])
def test_the_bar_leaves_the_last_column_free(columns: int) -> None:
    line = format_bar("muxing speech and video", 100, columns)
    assert len(line) < max(columns, 1)
    assert len(line) <= 80

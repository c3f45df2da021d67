"""Tests of what is seen of progress, at a terminal and elsewhere."""

from __future__ import annotations

from io import StringIO

import pytest

from deploy.local.progress import Progress, bar


class Terminal(StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_one_line_that_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    with Progress(terminal) as progress:
        progress.show("speaking", 1)
        progress.show("videoing", 50)
        progress.show("done", 100)
    seen = terminal.getvalue()
    assert seen.count("\n") == 1
    assert seen.endswith("100%\n")
    assert [line.split()[0] for line in seen.split("\r")[1:]] == ["speaking", "videoing", "done"]


def test_a_shorter_line_covers_the_longer_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    with Progress(terminal) as progress:
        monkeypatch.setenv("COLUMNS", "120")
        progress.show("speaking", 1)
        wide = len(terminal.getvalue())
        monkeypatch.setenv("COLUMNS", "40")
        progress.show("speaking", 2)
    assert len(terminal.getvalue()) == 2 * wide + 1


def test_what_is_no_terminal_sees_a_line_at_each_new_stage() -> None:
    stream = StringIO()
    with Progress(stream) as progress:
        for stage, percent in [("speaking", 1), ("videoing", 15), ("videoing", 60), ("videoing", 80), ("done", 100)]:
            progress.show(stage, percent)
    assert stream.getvalue() == "   1%  speaking\n  15%  videoing\n 100%  done\n"


def test_an_error_is_said_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    progress = Progress(terminal)
    progress.show("videoing", 15)
    with pytest.raises(ValueError, match="broken"), progress:
        raise ValueError("broken")
    assert terminal.getvalue().endswith("\n")


def test_nothing_shown_leaves_nothing() -> None:
    terminal = Terminal()
    with Progress(terminal):
        pass
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    ("percent", "drawn"),
    [
        (0, "[--------------------------------]   0%"),
        (50, "[################----------------]  50%"),
        (99.4, "[################################]  99%"),
        (100, "[################################] 100%"),
    ],
)
def test_the_bar_is_as_full_as_the_work_is_done(percent: float, drawn: str) -> None:
    assert bar("videoing", percent, 80).endswith(f" {drawn}")


@pytest.mark.parametrize("columns", [0, 1, 5, 20, 37, 38, 45, 80, 400])
def test_the_bar_leaves_the_last_column_free(columns: int) -> None:
    line = bar("laying speech over the video", 100, columns)
    assert len(line) < max(columns, 1)
    assert len(line) <= 80

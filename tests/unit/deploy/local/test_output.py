"""Tests of the output at the terminal and in log files."""

from __future__ import annotations

import io
import os
import re
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.output import LineSplitter, LogFiles, Terminal
from deploy.local.processes import SUITE


def fail_on_close() -> None:
    pytest.fail("the stream is open")


def test_prefixes_have_the_same_width() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream, ["tts", "gateway"], color=False, on_close=fail_on_close)
    terminal.write_line("tts", "ready")
    terminal.write_line("gateway", "ready")
    terminal.write_note("started")
    assert stream.getvalue() == "tts     | ready\ngateway | ready\nsuite   | started\n"


def test_hidden_lines_are_those_of_their_process_only() -> None:
    stream = io.StringIO()
    hidden = {"nats": re.compile(r"\[INF\]")}
    terminal = Terminal(stream, ["nats", "tts"], color=False, on_close=fail_on_close, hidden=hidden)
    for name in ("nats", "tts"):
        terminal.write_line(name, "[7] [INF] Starting")
        terminal.write_line(name, "[7] [ERR] Failing")
    assert stream.getvalue().splitlines() == [
        "nats  | [7] [ERR] Failing",
        "tts   | [7] [INF] Starting",
        "tts   | [7] [ERR] Failing",
    ]


def test_the_start_of_nats_is_hidden_and_its_errors_are_not() -> None:
    (pattern,) = [re.compile(spec.hidden_lines) for spec in SUITE if spec.name == "nats"]
    assert pattern.search("[451] 2026/11/28 18:09:19.577863 [INF]  \\__/|___| |_| |___/")
    assert pattern.search('[451] 2026/11/28 18:09:19.5 [WRN] Healthcheck failed: "JetStream is not current"')
    assert not pattern.search("[451] 2026/11/28 18:09:19.5 [WRN] JetStream store is almost full")
    assert not pattern.search("[451] 2026/11/28 18:09:19.5 [ERR] Can't listen")
    assert not pattern.search("nats-server: open nats.conf: no such file")


def test_only_prefixes_are_coloured_and_their_colours_differ() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream, ["tts", "gateway"], color=True, on_close=fail_on_close)
    terminal.write_line("tts", "ready")
    terminal.write_line("gateway", "ready")
    first, second = stream.getvalue().splitlines()
    assert first.startswith("\x1b[")
    assert first.endswith("tts     |\x1b[0m ready")
    assert first.split("m")[0] != second.split("m")[0]


def test_a_closed_stream_is_reported_and_later_lines_are_dropped(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    closings: list[bool] = []
    with os.fdopen(writing, "w") as stream:
        terminal = Terminal(stream, ["tts"], color=False, on_close=lambda: closings.append(True))
        terminal.write_line("tts", "one")
        os.close(reading)
        terminal.write_line("tts", "two")
        terminal.write_line("tts", "three")
    assert closings == [True]


def test_each_process_has_a_log_file_that_the_next_start_overwrites(tmp_path: Path) -> None:
    for text in ("first run", "second run"):
        with closing(LogFiles(tmp_path / "logs", ["tts"])) as files:
            files.write_line("tts", text)
            files.write_note("note")
    assert (tmp_path / "logs" / "tts.log").read_text() == "second run\n"
    assert (tmp_path / "logs" / "suite.log").read_text() == "note\n"


@given(st.lists(st.text(alphabet="aé€😀 ", max_size=20), max_size=8), st.data())
def test_lines_do_not_depend_on_the_blocks_in_which_they_arrive(lines: list[str], data: st.DataObject) -> None:
    content = "\n".join(lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=5)))
    blocks = [content[start:end] for start, end in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    splitter = LineSplitter()
    split = [line for block in blocks for line in splitter.feed(block)] + list(splitter.finish())
    assert split == (lines if not lines or lines[-1] else lines[:-1])


def test_a_very_long_line_is_split() -> None:
    split = list(LineSplitter().feed(b"x" * 40_000))
    assert [len(line) for line in split] == [16 * 1024, 16 * 1024]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\x1b[31mred\x1b[0m\n", "red"),
        (b"\x1b[2J\x1b[Hcleared\n", "cleared"),
        (b"with\ttab\r\n", "with\ttab"),
        (b"bell\x07\n", "bell"),
        (b"bad \xff byte\n", "bad \ufffd byte"),
    ],
)
def test_control_characters_are_removed(raw: bytes, expected: str) -> None:
    assert list(LineSplitter().feed(raw)) == [expected]

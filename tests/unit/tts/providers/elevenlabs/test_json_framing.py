"""Framing of records, wherever the network splits the body."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.tts.providers.elevenlabs.json_framing import LineFramer, WholeBodyFramer

BODIES = st.lists(st.sampled_from([b"{}", b'{"a":1}', b"", b"\r", b" ", b"x" * 100]), max_size=8).map(b"\n".join)


def cut_into_pieces(body: bytes, cuts: list[int]) -> list[bytes]:
    borders = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return [body[start:end] for start, end in pairwise(borders)]


@given(BODIES, st.lists(st.integers(0, 10_000), max_size=10))
def test_any_splitting_gives_the_same_lines(body: bytes, cuts: list[int]) -> None:
    lines = LineFramer()
    found = [line for piece in cut_into_pieces(body, cuts) for line in lines.feed(piece)] + lines.end()
    assert found == [line.strip() for line in body.split(b"\n") if line.strip()]


@given(BODIES, st.lists(st.integers(0, 10_000), max_size=10))
def test_any_splitting_gives_the_same_records(body: bytes, cuts: list[int]) -> None:
    whole = WholeBodyFramer()
    assert [record for piece in cut_into_pieces(body, cuts) for record in whole.feed(piece)] == []
    assert whole.end() == ([body.strip()] if body.strip() else [])


def test_a_line_is_returned_as_soon_as_it_is_complete() -> None:
    lines = LineFramer()
    assert lines.feed(b'{"a"') == []
    assert lines.feed(b':1}\n{"b') == [b'{"a":1}']


def test_a_last_line_needs_no_newline() -> None:
    lines = LineFramer()
    assert lines.feed(b"{}\n{}") == [b"{}"]
    assert lines.end() == [b"{}"]
    assert lines.end() == []


def test_a_line_may_span_many_reads() -> None:
    lines = LineFramer()
    assert [lines.feed(b"x" * 1000) for _ in range(700)] == [[]] * 700
    assert lines.feed(b"\n") == [b"x" * 700_000]


def test_an_endless_line_is_an_error() -> None:
    lines = LineFramer(max_bytes=10)
    lines.feed(b"12345\n1234567890")
    with pytest.raises(MediaError) as failure:
        lines.feed(b"1")
    assert failure.value.reason is Reason.GENERATION_FAILED

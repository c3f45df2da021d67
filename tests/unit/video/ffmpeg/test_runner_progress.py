"""ProgressParser: percentages and the last messages, from pieces of any size."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.video.ffmpeg.runner import ProgressParser

BLOCK = b"""frame=25
fps=24.9
stream_0_0_q=28.0
bitrate= 123.4kbits/s
total_size=48
out_time_us=%d
out_time_ms=%d
out_time=00:00:01.000000
dup_frames=0
drop_frames=0
speed=1.02x
progress=continue
"""
ENDED = b"progress=end\n"
LINES = st.one_of(
    st.integers(0, 12_000_000).map(lambda microseconds: b"out_time_us=%d" % microseconds),
    st.sampled_from((b"out_time_us=N/A", b"out_time_us=-5", b"progress=continue", b"progress=end", b"", b"=", b"a=b")),
    st.binary(max_size=40),
)
OUTPUTS = st.lists(LINES, max_size=12).map(b"\n".join)


def build_block(seconds: float) -> bytes:
    microseconds = round(seconds * 1_000_000)
    return BLOCK % (microseconds, microseconds)


def split_at(data: bytes, cuts: list[int]) -> list[bytes]:
    borders = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(borders)]


def feed_parser(*pieces: bytes, seconds: float = 10.0) -> ProgressParser:
    parser = ProgressParser(seconds)
    for piece in pieces:
        parser.feed(piece)
    return parser


def test_no_output_means_no_progress() -> None:
    assert feed_parser().percent == 0.0
    assert feed_parser(b"").messages == []


def test_blocks_become_percent_and_the_end_is_100() -> None:
    parser = ProgressParser(10.0)
    assert parser.feed(build_block(2.5))
    assert parser.percent == 25.0
    assert parser.feed(build_block(5))
    assert parser.percent == 50.0
    assert parser.feed(ENDED)
    assert parser.percent == 100.0
    assert parser.messages == []


def test_only_a_growing_percentage_is_reported() -> None:
    parser = ProgressParser(10.0)
    assert parser.feed(build_block(5))
    assert not parser.feed(build_block(5))
    assert not parser.feed(build_block(4))
    assert not parser.feed(b"out_time_us=6")
    assert parser.feed(b"000000\n")
    assert parser.percent == 60.0


def test_before_the_end_the_percentage_is_at_most_99() -> None:
    assert feed_parser(build_block(10)).percent == 99.0
    assert feed_parser(build_block(1000)).percent == 99.0


@pytest.mark.parametrize("value", [b"N/A", b"", b"-1", b"1.5", b"1e6", b"0x10", b"\xb2", b"1 0"])
def test_a_malformed_time_is_ignored(value: bytes) -> None:
    parser = feed_parser(b"out_time_us=" + value + b"\n")
    assert (parser.percent, parser.messages) == (0.0, [])


def test_lines_may_end_with_carriage_return() -> None:
    assert feed_parser(b"out_time_us=5000000\r\nprogress=continue\r\n").percent == 50.0


def test_a_duration_of_zero_does_not_divide_by_zero() -> None:
    assert feed_parser(build_block(1), seconds=0.0).percent == 99.0


@given(OUTPUTS, st.lists(st.integers(0, 1000), max_size=8))
def test_the_split_into_pieces_does_not_matter(output: bytes, cuts: list[int]) -> None:
    whole, pieces = feed_parser(output), feed_parser(*split_at(output, cuts))
    assert pieces.percent == whole.percent
    assert pieces.messages == whole.messages


@given(st.lists(st.one_of(OUTPUTS, OUTPUTS.map(lambda output: output + b"\n")), max_size=6))
def test_the_percentage_never_decreases_and_never_exceeds_100(pieces: list[bytes]) -> None:
    parser = ProgressParser(10.0)
    before = 0.0
    for piece in pieces:
        grew = parser.feed(piece)
        assert grew == (parser.percent > before)
        assert before <= parser.percent <= 100.0
        before = parser.percent


def test_the_last_messages_between_the_blocks_are_kept() -> None:
    output = [b"complaint %d\n" % number + build_block(number) for number in range(6)]
    assert feed_parser(*output).messages == [f"complaint {number}" for number in range(2, 6)]


def test_statistics_are_not_messages_but_sentences_with_equals_signs_are() -> None:
    assert feed_parser(b"fps=25\nstream_0_0_psnr_all=42\nlsize=N/A\n").messages == []
    assert feed_parser(b"Error: x=5\nOption Q=2 is gone\n").messages == ["Error: x=5", "Option Q=2 is gone"]


def test_messages_are_printable_and_short() -> None:
    (message,) = feed_parser(b"\x1b[31mred\x00 \xff " + b"y" * 1000 + b"\n").messages
    assert message.startswith("?[31mred? ")
    assert message.isprintable()
    assert len(message) <= 400


def test_a_line_without_an_end_does_not_grow_for_ever() -> None:
    parser = feed_parser(*(b"x" * 64 * 1024 for _ in range(100)))
    assert parser.messages == []
    parser.feed(b"\n" + build_block(5))
    assert [len(message) for message in parser.messages] == [400]
    assert parser.percent == 50.0


def test_an_overlong_line_does_not_hide_the_next() -> None:
    assert feed_parser(b"x" * 10_000 + b"out_time_us=9000000\nout_time_us=3000000\n").percent == 30.0


@pytest.mark.parametrize("digits", [309, 5000])
def test_a_huge_time_is_capped_or_ignored(digits: int) -> None:
    assert feed_parser(b"out_time_us=" + b"9" * digits + b"\n").percent in (0.0, 99.0)

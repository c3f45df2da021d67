"""Joined audio is one file or stream of its format: decoders hear all of it, and it lasts as long as was measured."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imageio_ffmpeg import get_ffmpeg_exe

from services.tts.formats import FORMATS
from services.tts.joining import build_joiner

MP3, OPUS = FORMATS["mp3_44100_128"], FORMATS["opus_48000_64"]
PIECE_SECONDS = (0.5, 0.31, 0.77)
TAGS = ("-metadata", "title=A title", "-id3v2_version", "3", "-write_id3v1", "1", "-write_xing", "1")
ENCODERS = {
    "mp3": (MP3, ("-ac", "1", "-ar", "44100", "-c:a", "libmp3lame", "-b:a", "128k", *TAGS, "-f", "mp3")),
    "mp3 of variable rate": (MP3, ("-ac", "1", "-ar", "44100", "-c:a", "libmp3lame", "-q:a", "4", *TAGS, "-f", "mp3")),
    "opus": (OPUS, ("-ac", "1", "-c:a", "libopus", "-b:a", "64k", "-f", "ogg")),
    "opus of long packets": (
        OPUS,
        ("-c:a", "libopus", "-frame_duration", "60", "-page_duration", "900000", "-f", "ogg"),
    ),
    "opus on short pages": (OPUS, ("-c:a", "libopus", "-frame_duration", "2.5", "-page_duration", "1", "-f", "ogg")),
}


@cache
def encode_piece(name: str, number: int) -> bytes:
    """Return a sine of PIECE_SECONDS[number] as a file with all that an encoder writes."""
    sine = f"sine=frequency={300 + 200 * number}:duration={PIECE_SECONDS[number]}:sample_rate=48000"
    return run_ffmpeg(b"", "-f", "lavfi", "-i", sine, *ENCODERS[name][1], "-")


def run_ffmpeg(data: bytes, *arguments: str) -> bytes:
    command = [get_ffmpeg_exe(), "-v", "error", "-xerror", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
    return done.stdout


def decode_seconds(audio: bytes) -> float:
    """Return how much a decoder plays, and fail if it complains."""
    return len(run_ffmpeg(audio, "-i", "-", "-f", "s16le", "-ac", "1", "-ar", "48000", "-")) / 96000


def join(name: str, pieces: Sequence[bytes], cuts: Sequence[int] = ()) -> tuple[bytes, float]:
    joiner = build_joiner(ENCODERS[name][0], has_several=True)
    joined = b""
    for number, piece in enumerate(pieces):
        borders = [0, *sorted(cut % (len(piece) + 1) for cut in cuts), len(piece)]
        joined += b"".join(joiner.feed(piece[start:end]) for start, end in pairwise(borders))
        if number < len(pieces) - 1:
            joined += joiner.end_piece()
    return joined + joiner.finish(), joiner.seconds


@pytest.mark.parametrize("name", ENCODERS)
def test_joined_pieces_are_heard_whole_for_as_long_as_measured(name: str) -> None:
    joined, seconds = join(name, [encode_piece(name, number) for number in range(3)])
    # Each piece of MP3 brings the delay of its encoder, and each of Opus its first samples.
    assert sum(PIECE_SECONDS) <= seconds < sum(PIECE_SECONDS) + 0.25
    assert decode_seconds(joined) == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize("name", ["mp3", "mp3 of variable rate"])
def test_joined_mp3_has_frames_only(name: str) -> None:
    pieces = [encode_piece(name, number) for number in range(2)]
    assert all(tag in pieces[0] for tag in (b"ID3", b"LAME" if b"LAME" in pieces[0] else b"Lav", b"TAG"))
    joined, _ = join(name, pieces)
    assert joined[:2] == b"\xff\xfb"
    for tag in (b"ID3", b"Xing", b"Info", b"TAG", b"A title"):
        assert tag not in joined


@pytest.mark.parametrize("name", ["opus", "opus of long packets", "opus on short pages"])
def test_joined_opus_is_one_logical_stream(name: str) -> None:
    joined, seconds = join(name, [encode_piece(name, number) for number in range(3)])
    pages = list_pages(joined)
    assert len({page.serial for page in pages}) == 1
    assert [page.sequence for page in pages] == list(range(len(pages)))
    assert [page.flags & 2 for page in pages] == [2] + [0] * (len(pages) - 1)
    assert [page.flags & 4 for page in pages] == [0] * (len(pages) - 1) + [4]
    positions = [page.position for page in pages if page.position >= 0]
    assert positions == sorted(positions)
    assert joined.count(b"OpusHead") == joined.count(b"OpusTags") == 1
    pre_skip_samples = int.from_bytes(joined[joined.index(b"OpusHead") + 10 :][:2], "little")
    assert (positions[-1] - pre_skip_samples) / 48000 == pytest.approx(seconds)


class Page:
    """A page read independently of the code under test."""

    def __init__(self, data: bytes, start: int) -> None:
        assert data[start : start + 4] == b"OggS"
        self.flags = data[start + 5]
        self.position = int.from_bytes(data[start + 6 : start + 14], "little", signed=True)
        self.serial, self.sequence = (
            data[start + 14 : start + 18],
            int.from_bytes(data[start + 18 : start + 22], "little"),
        )
        segments = data[start + 26]
        self.end = start + 27 + segments + sum(data[start + 27 : start + 27 + segments])


def list_pages(data: bytes) -> list[Page]:
    pages: list[Page] = []
    while not pages or pages[-1].end < len(data):
        pages.append(Page(data, pages[-1].end if pages else 0))
    return pages


@pytest.mark.parametrize("name", ENCODERS)
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 100_000), max_size=8))
def test_the_split_of_the_pieces_does_not_matter(name: str, cuts: list[int]) -> None:
    pieces = [encode_piece(name, number) for number in range(2)]
    assert join(name, pieces, cuts) == join(name, pieces)


@pytest.mark.parametrize("name", ["mp3", "opus"])
@settings(max_examples=15, deadline=None)
@given(share=st.floats(0.2, 1))
def test_a_cut_piece_can_be_followed_by_another(name: str, share: float) -> None:
    whole = encode_piece(name, 0)
    joined, seconds = join(name, [whole[: int(len(whole) * share)], encode_piece(name, 1)])
    decoded = subprocess.run(
        [get_ffmpeg_exe(), "-v", "quiet", "-i", "-", "-f", "s16le", "-ac", "1", "-ar", "48000", "-"],
        input=joined,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    assert len(decoded) / 96000 == pytest.approx(seconds, abs=0.03)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_single_piece_is_not_changed(name: str) -> None:
    audio = encode_piece(name, 2)
    joiner = build_joiner(ENCODERS[name][0], has_several=False)
    assert joiner.feed(audio[:100]) + joiner.feed(audio[100:]) + joiner.finish() == audio
    assert joiner.seconds == pytest.approx(decode_seconds(audio), abs=0.001)


def test_a_chain_within_one_piece_becomes_one_stream() -> None:
    pieces = [encode_piece("opus", number) for number in range(3)]
    assert join("opus", [b"".join(pieces)]) == join("opus", pieces)


@pytest.mark.parametrize("name", ["mp3_44100_128", "opus_48000_64", "pcm_16000", "ulaw_8000"])
def test_nothing_stays_nothing(name: str) -> None:
    joiner = build_joiner(FORMATS[name], has_several=True)
    assert joiner.feed(b"") + joiner.end_piece() + joiner.finish() == b""
    assert joiner.seconds == 0


def test_a_cut_sample_does_not_shift_the_next_piece() -> None:
    joiner = build_joiner(FORMATS["pcm_16000"], has_several=True)
    assert joiner.feed(b"\x01\x02\x03") + joiner.end_piece() + joiner.feed(b"\x04\x05") == b"\x01\x02\x03\x00\x04\x05"
    assert joiner.seconds == 3 / 16000


@given(st.sampled_from(["mp3_44100_128", "opus_48000_64", "wav_16000"]), st.lists(st.binary(max_size=120), max_size=5))
def test_other_bytes_end_without_an_error(name: str, chunks: list[bytes]) -> None:
    joiner = build_joiner(FORMATS[name], has_several=True)
    for chunk in chunks:
        joiner.feed(chunk)
        joiner.feed(b"OggS" + chunk)
    assert joiner.seconds >= 0

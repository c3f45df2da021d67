"""WAV files leave with true sizes: passed on where the header is true, collected where it is not, joined."""

from __future__ import annotations

import struct
import wave
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.tts.audio_duration import build_duration_meter
from services.tts.formats import FORMATS
from services.tts.joining import build_joiner
from services.tts.joining.wav import join_wav
from tests.fakes.audio import build_wav

WAV = FORMATS["wav_16000"]
SAMPLES = struct.pack("<800h", *range(800))
TRUE = build_wav(SAMPLES, 16000)
LISTED = build_wav(SAMPLES, 16000, b"LIST\x0c\x00\x00\x00INFOdata\x04\x00\x00\x00")
PLACEHOLDERS = (0, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFFFFF, 0x7FFFFFFF - 44, 0x80000000, 0xFFFFF000)


def set_sizes(file: bytes, riff_bytes: int | None, data_bytes: int | None) -> bytes:
    """Return the file with these sizes in its header; None keeps a size."""
    at = file.rindex(b"data", 0, 80) + 4
    riff = file[4:8] if riff_bytes is None else struct.pack("<I", riff_bytes)
    data = file[at : at + 4] if data_bytes is None else struct.pack("<I", data_bytes)
    return file[:4] + riff + file[8:at] + data + file[at + 4 :]


def join(*files: bytes, cuts: tuple[int, ...] = (), has_several: bool | None = None) -> tuple[bytes, float]:
    joiner = build_joiner(WAV, has_several=len(files) > 1 if has_several is None else has_several)
    joined = b""
    for number, file in enumerate(files):
        borders = [0, *sorted(cut % (len(file) + 1) for cut in cuts), len(file)]
        joined += b"".join(joiner.feed(file[start:end]) for start, end in pairwise(borders))
        if number < len(files) - 1:
            joined += joiner.end_piece()
    return joined + joiner.finish(), joiner.seconds


def read_samples(file: bytes) -> bytes:
    """Return the samples that a reader finds, and check that all sizes are true."""
    assert int.from_bytes(file[4:8], "little") == len(file) - 8
    with wave.open(BytesIO(file)) as opened:
        assert (opened.getframerate(), opened.getsampwidth(), opened.getnchannels()) == (16000, 2, 1)
        return bytes(opened.readframes(10**9))


@pytest.mark.parametrize("file", [TRUE, LISTED], ids=["plain", "with a list"])
@pytest.mark.parametrize("riff_bytes", [*PLACEHOLDERS, None])
@pytest.mark.parametrize("data_bytes", PLACEHOLDERS)
def test_placeholders_become_true_sizes(file: bytes, riff_bytes: int | None, data_bytes: int) -> None:
    sent = set_sizes(file, riff_bytes, data_bytes)
    joined, seconds = join(sent)
    assert read_samples(joined) == SAMPLES
    assert seconds == pytest.approx(800 / 16000)
    meter = build_duration_meter(WAV)
    meter.feed(sent)
    assert meter.seconds == pytest.approx(800 / 16000)
    assert read_samples(join(sent, sent)[0]) == SAMPLES * 2


@pytest.mark.parametrize("riff_bytes", PLACEHOLDERS)
def test_a_placeholder_for_the_file_alone_is_replaced(riff_bytes: int) -> None:
    assert read_samples(join(set_sizes(TRUE, riff_bytes, None))[0]) == SAMPLES


@pytest.mark.parametrize("file", [TRUE, LISTED, TRUE + b"LIST\x04\x00\x00\x00INFO"])
def test_a_true_file_is_passed_on_while_it_arrives(file: bytes) -> None:
    if file.endswith(b"INFO"):
        file = set_sizes(file, len(file) - 8, None)
    joiner = build_joiner(WAV, has_several=False)
    assert joiner.feed(file[:90]) == file[:90]
    assert joiner.feed(file[90:]) + joiner.finish() == file[90:]
    assert joiner.seconds == pytest.approx(800 / 16000)


def test_an_odd_byte_at_the_end_of_a_piece_does_not_shift_the_next() -> None:
    odd = set_sizes(TRUE + b"\x7f", 0, 0)
    assert read_samples(join(odd, TRUE)[0]) == SAMPLES * 2


@given(st.lists(st.integers(0, 5000), max_size=8), st.sampled_from([0, 0xFFFFFFFF, None]))
def test_the_split_of_a_file_does_not_matter(cuts: list[int], size: int | None) -> None:
    file = set_sizes(LISTED, size, size)
    assert join(file, cuts=tuple(cuts)) == join(file)
    assert join(file, file, cuts=tuple(cuts)) == join(file, file)


def test_an_empty_file_stays_empty() -> None:
    assert read_samples(join(build_wav(b"", 16000))[0]) == b""
    assert join(b"")[0] == b""


@pytest.mark.parametrize("file", [b"RIFF", b"ID3" + bytes(60), TRUE[:30], b"x" * 70_000])
def test_other_bytes_are_a_failed_generation(file: bytes) -> None:
    for attempt in (lambda: join(file), lambda: join(file, TRUE), lambda: join_wav([file])):
        with pytest.raises(MediaError) as caught:
            attempt()
        assert caught.value.reason is Reason.GENERATION_FAILED

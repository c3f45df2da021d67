"""Frames between the service and the engine process."""

from __future__ import annotations

import asyncio
import socket
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts.providers.espeak.protocol import (
    AudioFrame,
    DoneFrame,
    FailedFrame,
    Frame,
    ProtocolError,
    SpeakRequest,
    encode_frame,
    encode_request,
    read_frame,
    receive_request,
)

TIMES = st.lists(st.floats(0, 1e5), max_size=20)


@st.composite
def generate_audio_frames(draw: st.DrawFn) -> AudioFrame:
    starts = draw(TIMES)
    return AudioFrame(draw(st.binary(max_size=500)), array("d", starts), array("d", [start + 1 for start in starts]))


FRAMES = st.one_of(
    generate_audio_frames(), st.builds(DoneFrame, st.integers(0, 2**40)), st.builds(FailedFrame, st.text(max_size=30))
)
REQUEST = SpeakRequest("Hé 😀 \ud800\0", "en-us", "f3", 175, "mp3_44100_128", with_alignment=True)


async def read_all(data: bytes) -> list[Frame]:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    frames = []
    while not reader.at_eof():
        frames.append(await read_frame(reader))
    return frames


@given(st.lists(FRAMES, max_size=8))
def test_frames_are_decoded_as_they_were_encoded(frames: list[Frame]) -> None:
    assert asyncio.run(read_all(b"".join(map(encode_frame, frames)))) == frames


@given(FRAMES, st.data())
def test_a_cut_frame_is_an_error(frame: Frame, data: st.DataObject) -> None:
    whole = encode_frame(frame)
    cut = data.draw(st.integers(1, len(whole) - 1))

    with pytest.raises(asyncio.IncompleteReadError):
        asyncio.run(read_all(whole[:cut]))


@given(st.binary(min_size=5, max_size=100))
def test_foreign_bytes_give_a_frame_or_a_protocol_error(data: bytes) -> None:
    try:
        asyncio.run(read_all(data))
    except (ProtocolError, asyncio.IncompleteReadError):
        return
    assert data[:1] in b"ADF"


@pytest.mark.parametrize(
    "data",
    [b"X\0\0\0\0", b"D\0\0\0\1x", b"F\0\0\0\1\xff", b"A\0\0\0\5\0\0\0\1x", b"A\0\0\0\1x", b"A\xff\xff\xff\xff"],
)
async def test_a_broken_frame_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        await read_all(data)


def test_a_request_with_any_text_is_decoded_as_it_was_encoded() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(encode_request(REQUEST))

        assert receive_request(theirs) == REQUEST


def test_a_partial_request_is_ignored() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(encode_request(REQUEST)[:-1])
        ours.close()

        assert receive_request(theirs) is None


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"R\xff\xff\xff\xff", b"D\0\0\0\0"])
def test_bytes_of_another_protocol_are_refused(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)

        with pytest.raises(ProtocolError):
            receive_request(theirs)

"""The protocol between the service and the engine process: one JSON request in, frames of speech out.

Every message is a frame: one byte for its kind, four bytes (big-endian) for the length of the payload, the payload.
"""

from __future__ import annotations

import json
import socket
import struct
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The engine process does not need asyncio at runtime.
    import asyncio

_HEADER = struct.Struct(">cI")
_COUNT = struct.Struct(">I")
_SAMPLES = struct.Struct(">Q")

MAX_AUDIO_BYTES = 65_536
"""Most audio that one frame carries."""
_MAX_REQUEST_BYTES = 8 * 1024 * 1024
_MAX_FRAME_BYTES = 64 * 1024 * 1024

_REQUEST, _AUDIO, _DONE, _FAILED = b"R", b"A", b"D", b"F"


class ProtocolError(Exception):
    """Raised when the other side sends something that is not a valid frame."""


@dataclass(frozen=True, slots=True)
class SpeakRequest:
    """A request to speak; the engine process checks the names against its own tables."""

    text: str
    language: str
    """A tag of `languages.LANGUAGES`."""
    variant: str
    """A name of `voices.VARIANTS`."""
    words_per_minute: int
    output_format: str
    """A name of `formats.FORMATS`."""
    with_alignment: bool
    pauses: Sequence[tuple[int, float]] = ()
    """Silence within the text, in order: code points before it, and its length in seconds."""


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """A piece of encoded audio with the times of the next characters."""

    audio: bytes
    starts_seconds: array[float]
    ends_seconds: array[float]


@dataclass(frozen=True, slots=True)
class DoneFrame:
    """The end of a whole utterance."""

    samples: int
    """Length of the utterance at the engine's own rate, 22,050 Hz."""


@dataclass(frozen=True, slots=True)
class FailedFrame:
    """The end of an utterance that could not be spoken."""

    code: str
    """`silent` if nothing in the text can be spoken, else the type of the exception."""


Frame = AudioFrame | DoneFrame | FailedFrame


def encode_request(request: SpeakRequest) -> bytes:
    """Return the request as one frame."""
    return _build_frame(_REQUEST, json.dumps(asdict(request)).encode())


def encode_frame(frame: Frame) -> bytes:
    """Return a response frame as bytes."""
    match frame:
        case AudioFrame(audio, starts, ends):
            return _build_frame(_AUDIO, _COUNT.pack(len(starts)) + starts.tobytes() + ends.tobytes() + audio)
        case DoneFrame(samples):
            return _build_frame(_DONE, _SAMPLES.pack(samples))
        case FailedFrame(code):
            return _build_frame(_FAILED, code.encode())


def receive_request(connection: socket.socket) -> SpeakRequest | None:
    """Wait for the request on a blocking socket; return None if the caller disconnected before it was complete.

    Raises:
        ProtocolError: Something else arrived.
    """
    head = _receive_exactly(connection, _HEADER.size)
    if head is None:
        return None
    kind, length = _HEADER.unpack(head)
    if kind != _REQUEST or length > _MAX_REQUEST_BYTES:
        raise ProtocolError("not a request frame")
    body = _receive_exactly(connection, length)
    if body is None:
        return None
    fields = json.loads(body)
    return SpeakRequest(**{**fields, "pauses": tuple(map(tuple, fields["pauses"]))})


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Wait for the next response frame.

    Raises:
        ProtocolError: Something else arrived.
        asyncio.IncompleteReadError: The engine process closed the connection.
        OSError: The connection broke.
    """
    kind, length = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    if length > _MAX_FRAME_BYTES:
        raise ProtocolError("not a response frame")
    return _decode(kind, await reader.readexactly(length))


def _decode(kind: bytes, payload: bytes) -> Frame:
    try:
        if kind == _AUDIO:
            return _decode_audio(payload)
        if kind == _DONE:
            return DoneFrame(*_SAMPLES.unpack(payload))
        if kind == _FAILED:
            return FailedFrame(payload.decode())
    except (struct.error, ValueError) as error:
        raise ProtocolError("not a response frame") from error
    raise ProtocolError("not a response frame")


def _decode_audio(payload: bytes) -> AudioFrame:
    (count,) = _COUNT.unpack_from(payload)
    starts, ends = array("d"), array("d")
    middle = _COUNT.size + count * starts.itemsize
    end = middle + count * ends.itemsize
    if end > len(payload):
        raise ProtocolError("not a response frame")
    starts.frombytes(payload[_COUNT.size : middle])
    ends.frombytes(payload[middle:end])
    return AudioFrame(payload[end:], starts, ends)


def _build_frame(kind: bytes, payload: bytes) -> bytes:
    return _HEADER.pack(kind, len(payload)) + payload


def _receive_exactly(connection: socket.socket, count: int) -> bytes | None:
    received = bytearray()
    while len(received) < count:
        piece = connection.recv(min(count - len(received), 65_536))
        if not piece:
            return None
        received += piece
    return bytes(received)

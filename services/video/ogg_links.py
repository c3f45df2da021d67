"""Decodes chained Ogg files, whose links libraries read as one stream that jumps back in time.

An Ogg file may consist of several files, one behind the other (RFC 3533, section 4), as radio recorders and programs
that join speech write them. A worker process decodes all links into one WAV file.
"""

from __future__ import annotations

import wave
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
from av.audio.resampler import AudioResampler

from services.common.errors import Reason, invalid

_CAPTURE = b"OggS"
_HEADER_BYTES = 27
_FLAGS_AT, _SEGMENTS_AT = 5, 26
_BEGINS_STREAM = 2
_RATE_HZ = 48000
_BYTES_PER_SAMPLE = 2


def find_links(path: Path) -> tuple[int, ...]:
    """Return the positions at which the links of an Ogg file begin: one for a file that is not chained.

    A file of several streams at once, such as a video, counts as one link.
    """
    begins: list[int] = []
    beginning, streams = False, 0
    with path.open("rb") as file:
        position = 0
        while len(header := file.read(_HEADER_BYTES)) == _HEADER_BYTES and header.startswith(_CAPTURE):
            if header[_FLAGS_AT] & _BEGINS_STREAM:
                streams += beginning
                begins += [] if beginning else [position]
                beginning = True
            else:
                beginning = False
            body_bytes = sum(file.read(header[_SEGMENTS_AT]))
            position += _HEADER_BYTES + header[_SEGMENTS_AT] + body_bytes
            file.seek(position)
    return (0,) if streams else tuple(begins)


def decode_links(path: str, begins: tuple[int, ...], target: str, max_seconds: float, field: str) -> str:
    """Write the sound of all links to a WAV file and return the codec of the first.

    Args:
        path: The Ogg file.
        begins: Where its links begin.
        target: The WAV file to write: 16 bits, 48 kHz, one or two channels.
        max_seconds: Longest accepted duration.
        field: Name of the request field, for errors.

    Raises:
        MediaError: MEDIA_INVALID: a link is not readable, has no sound, or the file is too long.
    """
    data = Path(path).read_bytes()
    codecs: list[str] = []
    av.logging.set_level(None)
    try:
        with wave.open(target, "wb") as output:
            for start, end in pairwise((*begins, len(data))):
                with av.open(BytesIO(data[start:end]), "r", format="ogg") as link:
                    codecs.append(link.streams.audio[0].codec_context.codec.canonical_name)
                    _write_link(link, output, max_seconds, field)
    except (av.FFmpegError, wave.Error, ValueError, EOFError, IndexError):
        raise invalid(field, "must be a complete Ogg file in all of its links", Reason.MEDIA_INVALID) from None
    return codecs[0]


def _write_link(link: av.container.InputContainer, output: wave.Wave_write, max_seconds: float, field: str) -> None:
    channels = output.getnchannels() if output.tell() else min(2, link.streams.audio[0].channels)
    if not output.tell():
        output.setnchannels(channels)
        output.setsampwidth(_BYTES_PER_SAMPLE)
        output.setframerate(_RATE_HZ)
    resampler = AudioResampler(format="s16", layout="mono" if channels == 1 else "stereo", rate=_RATE_HZ)
    for frame in _decode(link, resampler):
        output.writeframesraw(bytes(frame.planes[0])[: frame.samples * channels * _BYTES_PER_SAMPLE])
        if output.tell() > max_seconds * _RATE_HZ:
            raise invalid(field, f"must last at most {max_seconds:,.0f} seconds", Reason.MEDIA_INVALID)


def _decode(link: av.container.InputContainer, resampler: AudioResampler) -> Iterator[av.AudioFrame]:
    for frame in link.decode(audio=0):
        yield from resampler.resample(frame)
    yield from resampler.resample(None)

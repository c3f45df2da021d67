"""Looks into a media file: its streams, and their lengths counted from packets. Runs in a worker.

PyAV reads the same formats as ffmpeg, in milliseconds and with all fields; ffmpeg's wheel has no ffprobe.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import av
from av.codec.context import CodecContext
from av.stream import Stream

from services.common.errors import MediaError, Reason, invalid

_IMAGE, _SOUND = "video", "audio"
_KINDS = frozenset({_IMAGE, _SOUND, "subtitle"})
_HALF = 0.5
_MAX_PACKETS = 2_000_000
_PADDING_SECONDS = 0.1
_TOO_LONG = "lasts {0:,.0f} seconds, must last at most {1:,.0f}"
_CUT_SECONDS, _CUT_SHARE = 0.12, 0.005
"""How much may be missing before a file was cut: lengths in headers are rounded."""
_ALONE = {"protocol_whitelist": "file"}
_ID3_HEAD_BYTES, _FIRST_FRAME_BYTES = 10, 256
_LENGTH_MARKS = (b"Xing", b"Info", b"VBRI")


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream of a file."""

    kind: str
    """video, audio, subtitle or data."""
    codec: str
    """ffmpeg's name of the codec."""
    duration_seconds: float
    """Counted from its packets."""
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    """Frames a second."""
    sample_rate_hz: int = 0
    channels: int = 0
    packets: int = 0
    """How many are shown or heard: none in a stream that is only announced."""
    start_seconds: float = 0.0
    """How long after the file's beginning it begins."""
    is_steady: bool = True
    """Whether all of its packets are shown, at one rate: not where a video was trimmed without being encoded again."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file that was looked into."""

    container: str
    """Name of its kind."""
    size_bytes: int
    streams: tuple[StreamInfo, ...]

    @property
    def duration_seconds(self) -> float:
        """Length of the longest stream."""
        return max((stream.duration_seconds for stream in self.streams), default=0.0)

    @property
    def video(self) -> StreamInfo | None:
        """The first moving image, if there is one."""
        return self._first(_IMAGE)

    @property
    def audio(self) -> StreamInfo | None:
        """The first sound, if there is one."""
        return self._first(_SOUND)

    def _first(self, kind: str) -> StreamInfo | None:
        return next((stream for stream in self.streams if stream.kind == kind and stream.packets), None)


@dataclass(slots=True)
class _Span:
    """What the packets of a stream tell."""

    first: float = float("inf")
    last: float = 0.0
    packets: int = 0
    hidden: int = 0
    """How many are decoded, because others need them, and not shown."""
    times: list[float] = field(default_factory=list)
    """When each image is shown."""

    @property
    def seconds(self) -> float:
        return max(0.0, self.last - self.first) if self.packets else 0.0

    def is_steady(self, rate: float) -> bool:
        shown = enumerate(sorted(self.times))
        return (
            rate > 0
            and not self.hidden
            and all(abs(at - self.first - number / rate) * rate < _HALF for number, at in shown)
        )


def probe(path: str, demuxer: str, container: str, max_seconds: float, field: str) -> MediaFile:
    """Return what the file at `path` is made of.

    Args:
        path: Where it is.
        demuxer: ffmpeg's name of its format, told from its first bytes.
        container: Our name of its format.
        max_seconds: Longest file.
        field: Name of the request field that holds it.

    Raises:
        MediaError: MEDIA_INVALID, it cannot be read, has no stream with anything in it, or is too long.
    """
    try:
        # What a broken file makes the libraries say is of no use to anybody.
        av.logging.set_level(None)
        with av.open(path, format=demuxer, options=_ALONE) as opened:
            tells = _tells_length(Path(path), demuxer)
            if tells and opened.duration and opened.duration / av.time_base > max_seconds:
                raise _invalid_media(field, _TOO_LONG.format(opened.duration / av.time_base, max_seconds))
            streams = list(opened.streams)
            spans = _spans(opened, streams, max_seconds, field)
            begin_seconds = (opened.start_time or 0) / av.time_base
            infos = tuple(
                _info(stream, spans[stream.index], begin_seconds, field if tells else None) for stream in streams
            )
    except (av.FFmpegError, ValueError, EOFError):
        raise _invalid_media(field, "must be whole, and what its first bytes say") from None
    found = MediaFile(container, Path(path).stat().st_size, infos)
    if not any(stream.packets and stream.kind in (_IMAGE, _SOUND) for stream in infos):
        raise _invalid_media(field, "must hold an image that moves, or sound")
    return found


def _spans(opened: av.container.InputContainer, streams: list[Stream], max_seconds: float, field: str) -> list[_Span]:
    """Return what the packets of each stream tell; nothing is decoded."""
    spans = [_Span() for _ in streams]
    for number, packet in enumerate(opened.demux()):
        if number > _MAX_PACKETS:
            raise _invalid_media(field, f"must have at most {_MAX_PACKETS:,} packets")
        if packet.pts is None or packet.time_base is None:
            continue
        span, start = spans[packet.stream.index], float(packet.pts * packet.time_base)
        if packet.is_discard:
            span.hidden += 1
            continue
        span.first = min(span.first, start)
        span.last = max(span.last, start + float((packet.duration or 0) * packet.time_base))
        span.packets += 1
        if packet.stream.type == _IMAGE:
            span.times.append(start)
        if span.last > max_seconds:
            raise _invalid_media(field, _TOO_LONG.format(span.last, max_seconds))
    return spans


def _tells_length(path: Path, demuxer: str) -> bool:
    """Tell whether a file says how long it is: where it does not, the libraries guess, by far too much at times."""
    if demuxer != "mp3":
        return demuxer != "aac"
    with path.open("rb") as file:
        head = file.read(_ID3_HEAD_BYTES)
        # Words and images stand before the first frame; their length is given in groups of seven bits.
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False))
        file.seek(_ID3_HEAD_BYTES + size if head[:3] == b"ID3" else 0)
        frame = file.read(_FIRST_FRAME_BYTES)
    return any(mark in frame for mark in _LENGTH_MARKS)


def _info(stream: Stream, span: _Span, begin_seconds: float, field: str | None) -> StreamInfo:
    seconds = span.seconds if field is None else _length(stream, span.seconds, field)
    found = StreamInfo(
        kind=stream.type if stream.type in _KINDS else "data",
        # Tells nothing of a stream whose codec nobody knows, whatever its type says.
        codec=_codec(stream),
        duration_seconds=seconds,
        packets=span.packets,
        start_seconds=max(0.0, span.first - begin_seconds) if span.packets else 0.0,
    )
    if isinstance(stream, av.VideoStream):
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        steady = span.is_steady(rate)
        return replace(found, width=stream.width, height=stream.height, frame_rate=rate, is_steady=steady)
    if isinstance(stream, av.AudioStream):
        return replace(found, sample_rate_hz=stream.sample_rate or 0, channels=stream.channels or 0)
    return found


def _codec(stream: Stream) -> str:
    context: CodecContext | None = stream.codec_context
    return context.codec.canonical_name if context is not None else ""


def _length(stream: Stream, counted_seconds: float, field: str) -> float:
    """Return what the header says where the packets agree: it knows of an encoder's padding, and may also be a lie."""
    if stream.duration is None or stream.time_base is None:
        return counted_seconds
    said = float(stream.duration * stream.time_base)
    if counted_seconds and said > counted_seconds + max(_CUT_SECONDS, _CUT_SHARE * said):
        raise _invalid_media(field, f"must be whole: it was cut after {counted_seconds:.1f} of {said:.1f} seconds")
    return said if abs(said - counted_seconds) <= _PADDING_SECONDS else counted_seconds


def _invalid_media(field: str, description: str) -> MediaError:
    return invalid(field, description, Reason.MEDIA_INVALID)

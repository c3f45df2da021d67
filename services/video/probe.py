"""Probes a media file: its streams, with durations counted from packets. Runs in a worker process.

PyAV reads the same formats as ffmpeg, takes milliseconds and returns all fields; the ffmpeg wheel has no ffprobe.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import av
from av.codec.context import CodecContext
from av.stream import Stream

from services.common.errors import MediaError, Reason, invalid

_VIDEO, _AUDIO = "video", "audio"
_KINDS = frozenset({_VIDEO, _AUDIO, "subtitle"})
_HALF = 0.5
_MAX_PACKETS = 2_000_000
_PADDING_SECONDS = 0.1
_TOO_LONG = "lasts {0:,.0f} seconds, must last at most {1:,.0f}"
_CUT_SECONDS, _CUT_SHARE = 0.12, 0.005
"""Accepted difference between the durations of header and packets (headers round); a larger one means a cut file."""
_ALONE = {"protocol_whitelist": "file"}
_ID3_HEAD_BYTES, _FIRST_FRAME_BYTES = 10, 256
_LENGTH_MARKS = (b"Xing", b"Info", b"VBRI")


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream of a media file."""

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
    """Number of packets that are played; 0 for a stream without content."""
    start_seconds: float = 0.0
    """Start of the stream, counted from the beginning of the file."""
    is_steady: bool = True
    """Whether all packets are shown, at one rate. False where a video was trimmed without encoding it again."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A probed media file."""

    container: str
    """Name of the container format."""
    size_bytes: int
    streams: tuple[StreamInfo, ...]

    @property
    def duration_seconds(self) -> float:
        """Duration of the longest stream."""
        return max((stream.duration_seconds for stream in self.streams), default=0.0)

    @property
    def video(self) -> StreamInfo | None:
        """The first video stream with content."""
        return self._find_first(_VIDEO)

    @property
    def audio(self) -> StreamInfo | None:
        """The first audio stream with content."""
        return self._find_first(_AUDIO)

    def _find_first(self, kind: str) -> StreamInfo | None:
        return next((stream for stream in self.streams if stream.kind == kind and stream.packets), None)


@dataclass(slots=True)
class PacketSpan:
    """Times of the packets of one stream."""

    first: float = float("inf")
    last: float = 0.0
    packets: int = 0
    hidden: int = 0
    """Number of packets that are decoded, because others depend on them, but not shown."""
    times: list[float] = field(default_factory=list)
    """Time of each frame."""

    @property
    def seconds(self) -> float:
        """Time from the first packet to the end of the last."""
        return max(0.0, self.last - self.first) if self.packets else 0.0

    def has_steady_rate(self, rate: float) -> bool:
        """Return whether every frame is shown, at its place in a constant rate."""
        shown = enumerate(sorted(self.times))
        return (
            rate > 0
            and not self.hidden
            and all(abs(at - self.first - number / rate) * rate < _HALF for number, at in shown)
        )


def probe_file(path: str, demuxer: str, container: str, max_seconds: float, field: str) -> MediaFile:
    """Return the container and streams of the file at `path`.

    Args:
        path: Path of the file.
        demuxer: ffmpeg's name of the format, detected from the first bytes.
        container: Name of the format in results.
        max_seconds: Longest accepted duration.
        field: Name of the request field, for errors.

    Raises:
        MediaError: MEDIA_INVALID: the file is not readable, has no content, or is too long.
    """
    try:
        # The libraries' own messages about broken files are not useful in our log.
        av.logging.set_level(None)
        with av.open(path, format=demuxer, options=_ALONE) as media:
            has_header = _has_length_header(Path(path), demuxer)
            if has_header and media.duration and media.duration / av.time_base > max_seconds:
                raise _build_invalid_media_error(field, _TOO_LONG.format(media.duration / av.time_base, max_seconds))
            streams = list(media.streams)
            spans = _read_spans(media, streams, max_seconds, field)
            begin_seconds = (media.start_time or 0) / av.time_base
            infos = tuple(
                _to_stream_info(stream, spans[stream.index], begin_seconds, field if has_header else None)
                for stream in streams
            )
    except (av.FFmpegError, ValueError, EOFError):
        raise _build_invalid_media_error(
            field, "must be a complete file of the format that its first bytes announce"
        ) from None
    found = MediaFile(container, Path(path).stat().st_size, infos)
    if not any(stream.packets and stream.kind in (_VIDEO, _AUDIO) for stream in infos):
        raise _build_invalid_media_error(field, "must contain a video or an audio stream")
    return found


def _read_spans(
    media: av.container.InputContainer, streams: list[Stream], max_seconds: float, field: str
) -> list[PacketSpan]:
    """Return the packet times of each stream, without decoding."""
    spans = [PacketSpan() for _ in streams]
    for number, packet in enumerate(media.demux()):
        if number > _MAX_PACKETS:
            raise _build_invalid_media_error(field, f"must have at most {_MAX_PACKETS:,} packets")
        if packet.pts is None or packet.time_base is None:
            continue
        span, start = spans[packet.stream.index], float(packet.pts * packet.time_base)
        if packet.is_discard:
            span.hidden += 1
            continue
        span.first = min(span.first, start)
        span.last = max(span.last, start + float((packet.duration or 0) * packet.time_base))
        span.packets += 1
        if packet.stream.type == _VIDEO:
            span.times.append(start)
        if span.last > max_seconds:
            raise _build_invalid_media_error(field, _TOO_LONG.format(span.last, max_seconds))
    return spans


def _has_length_header(path: Path, demuxer: str) -> bool:
    """Return whether the header states the duration; otherwise the libraries guess it, often wrongly."""
    if demuxer != "mp3":
        return demuxer != "aac"
    with path.open("rb") as file:
        head = file.read(_ID3_HEAD_BYTES)
        # Skip the ID3 tag before the first frame; its size is stored in groups of seven bits.
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=False))
        file.seek(_ID3_HEAD_BYTES + size if head[:3] == b"ID3" else 0)
        frame = file.read(_FIRST_FRAME_BYTES)
    return any(mark in frame for mark in _LENGTH_MARKS)


def _to_stream_info(stream: Stream, span: PacketSpan, begin_seconds: float, field: str | None) -> StreamInfo:
    seconds = span.seconds if field is None else _choose_duration(stream, span.seconds, field)
    found = StreamInfo(
        kind=stream.type if stream.type in _KINDS else "data",
        # An unknown codec has no codec_context, although the type stubs deny that.
        codec=_find_codec(stream),
        duration_seconds=seconds,
        packets=span.packets,
        start_seconds=max(0.0, span.first - begin_seconds) if span.packets else 0.0,
    )
    if isinstance(stream, av.VideoStream):
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        steady = span.has_steady_rate(rate)
        return replace(found, width=stream.width, height=stream.height, frame_rate=rate, is_steady=steady)
    if isinstance(stream, av.AudioStream):
        return replace(found, sample_rate_hz=stream.sample_rate or 0, channels=stream.channels or 0)
    return found


def _find_codec(stream: Stream) -> str:
    context: CodecContext | None = stream.codec_context
    return context.codec.canonical_name if context is not None else ""


def _choose_duration(stream: Stream, counted_seconds: float, field: str) -> float:
    """Return the duration of the header if the packets agree, else the counted one.

    The header accounts for encoder padding, but may be wrong.
    """
    if stream.duration is None or stream.time_base is None:
        return counted_seconds
    stated = float(stream.duration * stream.time_base)
    if counted_seconds and stated > counted_seconds + max(_CUT_SECONDS, _CUT_SHARE * stated):
        raise _build_invalid_media_error(
            field, f"must be complete: it is cut after {counted_seconds:.1f} of {stated:.1f} seconds"
        )
    return stated if abs(stated - counted_seconds) <= _PADDING_SECONDS else counted_seconds


def _build_invalid_media_error(field: str, description: str) -> MediaError:
    return invalid(field, description, Reason.MEDIA_INVALID)

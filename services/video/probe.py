"""Probes a media file: its streams, with durations counted from packets. Runs in a worker process.

PyAV reads the same formats as ffmpeg, takes milliseconds and returns all fields; the ffmpeg wheel has no ffprobe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import av
from av.stream import Disposition, Stream

from services.common.errors import MediaError, Reason, invalid
from services.video.frame_format import FrameFormat, decode_first_frame, describe_frames
from services.video.frame_times import FrameTimes, measure_frames

_VIDEO, _AUDIO, _IMAGE, _DATA = "video", "audio", "image", "data"
_WRAP = 2**32
_KINDS = frozenset({_VIDEO, _AUDIO, "subtitle"})
_MAX_PACKETS = 2_000_000
_MAX_STREAMS = 64
_PADDING_SECONDS = 0.1
_TOO_LONG = "must last at most {0:,.0f} seconds"
_CUT_SECONDS, _CUT_SHARE = 0.12, 0.005
"""Accepted difference between the durations of header and packets (headers round); a larger one means a cut file."""
_ALONE = {"protocol_whitelist": "file"}
_ID3_HEAD_BYTES, _FIRST_FRAME_BYTES = 10, 256
_LENGTH_MARKS = (b"Xing", b"Info", b"VBRI")
_NO_FRAMES, _NO_FORMAT = FrameTimes(), FrameFormat()
_STREAM_LINE = re.compile(r"^ +Stream #0:(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream of a media file."""

    kind: str
    """video, audio, subtitle, image (such as the cover of a song) or data."""
    codec: str
    """ffmpeg's name of the codec; empty if it is unknown."""
    duration_seconds: float
    """Counted from its packets."""
    width: int = 0
    """Width as shown, in pixels; 0 if the stream is not a video."""
    height: int = 0
    frame_rate: float = 0.0
    """Counted frames per second."""
    sample_rate_hz: int = 0
    channels: int = 0
    packets: int = 0
    """Number of packets that are played; 0 for a stream without content."""
    start_seconds: float = 0.0
    """Start of the stream, counted from the beginning of the file."""
    index: int = 0
    """Number of the stream in its file."""
    is_default: bool = True
    """Whether players choose this stream among those of its kind."""
    is_decodable: bool = True
    """Whether the libraries know the codec, and for a video could decode a frame."""
    frames: FrameTimes = _NO_FRAMES
    """Times of the frames of a video."""
    format: FrameFormat = _NO_FORMAT
    """How the frames of a video look."""
    has_hidden_frames: bool = False
    """Whether frames are decoded, because others depend on them, but not shown, as after a trim without encoding."""
    is_whole: bool = True
    """Whether a video begins with a frame that depends on no other, and states the time of each frame."""


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
        """The video stream that players show."""
        return self._choose(_VIDEO)

    @property
    def audio(self) -> StreamInfo | None:
        """The audio stream that players play."""
        return self._choose(_AUDIO)

    def _choose(self, kind: str) -> StreamInfo | None:
        """Return the first stream with content that can be decoded, a default one before others."""
        usable = [item for item in self.streams if item.kind == kind and item.packets and item.is_decodable]
        return min(usable, key=lambda item: not item.is_default, default=None)


@dataclass(slots=True)
class PacketSpan:
    """Times of the packets of one stream, in the clock of the file."""

    first: float = float("inf")
    end: float = float("-inf")
    packets: int = 0
    hidden: int = 0
    """Number of packets that are decoded, because others depend on them, but not shown."""
    times: list[float] = field(default_factory=list)
    """Time of each frame of a video."""
    is_whole: bool = True
    """Whether the first packet is a key frame and the first one to be shown, and all packets state their time."""
    last_time: float = float("-inf")
    last_duration: float = 0.0
    """Start of the last frame, and the duration that the file states for it."""

    @property
    def seconds(self) -> float:
        """Time from the first packet to the end of the last."""
        return max(0.0, self.end - self.first) if self.packets else 0.0

    def add(self, start: float, duration: float, *, is_frame: bool, is_key_frame: bool) -> None:
        """Add a packet that is played."""
        if is_frame and (start < self.first if self.packets else not is_key_frame):
            self.is_whole = False
        self.first = min(self.first, start)
        self.end = max(self.end, start + duration)
        self.packets += 1
        if is_frame:
            self.times.append(start)
        if start >= self.last_time:
            self.last_time, self.last_duration = start, duration


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
            streams = list(media.streams)
            reader = _Reader(path, demuxer, field, (media.start_time or 0) / av.time_base, _describe_streams(media))
            infos = reader.read_streams(streams, _read_spans(media, streams, max_seconds, field))
    except MediaError:
        raise
    except Exception:  # noqa: BLE001 - a damaged file may raise anything in the library; it is the file's fault
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
    if len(streams) > _MAX_STREAMS:
        raise _build_invalid_media_error(field, f"must have at most {_MAX_STREAMS} streams")
    spans = [PacketSpan() for _ in streams]
    for number, packet in enumerate(media.demux()):
        if number > _MAX_PACKETS:
            raise _build_invalid_media_error(field, f"must have at most {_MAX_PACKETS:,} packets")
        if not packet.size:
            continue
        span = spans[packet.stream.index]
        if packet.pts is None:
            span.is_whole = False
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None:
            continue
        if packet.is_discard:
            span.hidden += 1
            continue
        duration = float(_read_duration(packet) * packet.time_base)
        is_frame = packet.stream.type == _VIDEO
        span.add(float(time * packet.time_base), duration, is_frame=is_frame, is_key_frame=packet.is_keyframe)
        if span.seconds > max_seconds and packet.stream.type in (_VIDEO, _AUDIO):
            raise _build_invalid_media_error(field, _TOO_LONG.format(max_seconds))
    return spans


def _read_duration(packet: av.Packet[Stream]) -> int:
    """Return the duration of a packet; the library states that of a last, shortened Vorbis packet modulo 2**32."""
    duration = packet.duration or 0
    return duration - _WRAP if _WRAP // 2 <= duration < _WRAP else duration


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


def _describe_streams(media: av.container.InputContainer) -> dict[int, str]:
    """Return the library's text about each stream, by the number of the stream."""
    av.logging.set_level(av.logging.INFO)
    try:
        text: str = media.dumps_format()  # type: ignore[attr-defined]  # missing in the type stubs
    finally:
        av.logging.set_level(None)
    parts = _STREAM_LINE.split(text)
    return {int(number): part for number, part in zip(parts[1::2], parts[2::2], strict=True)}


@dataclass(frozen=True, slots=True)
class _Reader:
    """Converts the streams of one file."""

    path: str
    demuxer: str
    field: str
    """Name of the request field, for errors."""
    begin_seconds: float
    """Time at which the file begins, in its own clock; it may be negative."""
    descriptions: dict[int, str]
    """The library's text about each stream."""

    def read_streams(self, streams: list[Stream], spans: list[PacketSpan]) -> tuple[StreamInfo, ...]:
        """Return all streams in their order, those without a known codec included."""
        return tuple(self._read_stream(stream, spans[stream.index]) for stream in streams)

    def _read_stream(self, stream: Stream, span: PacketSpan) -> StreamInfo:
        # An unknown codec has no codec_context, although the type stubs deny that.
        context: object | None = stream.codec_context
        is_image = bool(stream.disposition & Disposition.attached_pic)
        kind = stream.type if stream.type in _KINDS else _DATA
        found = StreamInfo(
            kind=_IMAGE if is_image and kind == _VIDEO else kind,
            codec=stream.codec_context.codec.canonical_name if context is not None else "",
            duration_seconds=0.0 if is_image else span.seconds,
            packets=span.packets,
            start_seconds=span.first - self.begin_seconds if span.packets else 0.0,
            index=stream.index,
            is_default=bool(stream.disposition & Disposition.default),
            is_decodable=context is not None,
            has_hidden_frames=span.hidden > 0,
            is_whole=span.is_whole,
        )
        if is_image or context is None or not span.packets:
            return found
        if isinstance(stream, av.VideoStream):
            return self._read_video(stream, span, found)
        if isinstance(stream, av.AudioStream):
            seconds = self._choose_duration(stream, span.seconds)
            return replace(
                found,
                duration_seconds=seconds,
                sample_rate_hz=stream.sample_rate or 0,
                channels=stream.channels or 0,
            )
        return found

    def _read_video(self, stream: av.VideoStream, span: PacketSpan, found: StreamInfo) -> StreamInfo:
        frames = measure_frames(span.times, span.last_duration, float(stream.average_rate or 0))
        frame = decode_first_frame(self.path, self.demuxer, stream.index, _ALONE)
        shape = describe_frames(stream, frame, self.descriptions.get(stream.index, ""))
        return replace(
            found,
            duration_seconds=self._choose_duration(stream, frames.duration_seconds, frames.typical_interval_seconds),
            width=shape.width,
            height=shape.height,
            frame_rate=frames.rate,
            frames=frames,
            format=shape,
            is_decodable=frame is not None,
        )

    def _choose_duration(self, stream: Stream, counted_seconds: float, interval_seconds: float = 0.0) -> float:
        """Return the duration of the header if the packets agree, else the counted one.

        The header accounts for encoder padding, but may be wrong.
        """
        if stream.duration is None or stream.time_base is None or not _has_length_header(Path(self.path), self.demuxer):
            return counted_seconds
        stated = float(stream.duration * stream.time_base)
        if counted_seconds and stated > counted_seconds + max(_CUT_SECONDS, _CUT_SHARE * stated, interval_seconds):
            raise _build_invalid_media_error(
                self.field, f"must be complete: it is cut after {counted_seconds:.1f} of {stated:.1f} seconds"
            )
        return stated if abs(stated - counted_seconds) <= _PADDING_SECONDS else counted_seconds


def _build_invalid_media_error(field: str, description: str) -> MediaError:
    return invalid(field, description, Reason.MEDIA_INVALID)

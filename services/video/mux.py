"""Lays speech over a video: brings both, decides the lengths, runs ffmpeg, looks at the result, and stores it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from services.common.errors import FieldViolation, MediaError, Reason, invalid
from services.common.log import logger
from services.common.timing.alignment import Alignment
from services.video.captions import write_captions
from services.video.duration_policy import Given, MuxDurations, Policy, lengths
from services.video.ffmpeg import Command, FfmpegRunner, Watch
from services.video.ffmpeg.arguments import RESULT, Input, Mux, mux, remux
from services.video.inputs import MAX_SPEECH_BYTES, Inputs, LocalInput, Source
from services.video.media_types import MP4
from services.video.probe import StreamInfo
from services.video.progress import Progress, ProgressChannel, State
from services.video.spool import Spool
from services.video.video_store import Place, StoredVideo, VideoStore, digest
from services.video.workspace import Workspaces

log = logger(__name__)

DEFAULT_DELAY_MS = 500
_FRAGMENTS = "fragments.mp4"
_COPIED_CODECS = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
"""What an MP4 holds as it is."""
_TOLERANCE_SECONDS = 0.25
"""How far the result may be from its computed length before it is called broken."""
_ALMOST = 99.0
_MAX_PIXELS = 4096 * 2304


@dataclass(frozen=True, slots=True)
class CaptionRequest:
    """Words that are shown while they are spoken."""

    alignment: Alignment
    burned: bool = False
    """Whether they become part of the image."""
    language: str = "und"
    """Three letters of ISO 639-2."""


@dataclass(frozen=True, slots=True)
class MuxRequest:
    """What a caller wants laid together."""

    video: Source
    audio: Source
    audio_delay_ms: int = DEFAULT_DELAY_MS
    """Silence before the speech."""
    policy: Policy = Policy.FREEZE
    captions: CaptionRequest | None = None
    stream_media: bool = False
    """Whether the video is also told while it is made."""
    place: Place = field(default_factory=Place)
    """Where it is stored."""


@dataclass(frozen=True, slots=True)
class MuxResult:
    """A video with its speech."""

    video: StoredVideo
    speech_seconds: float
    video_seconds: float
    lengths: MuxDurations
    video_copied: bool
    """Whether the image was copied as it was."""


class Muxer:
    """Lays speech over videos.

    Args:
        inputs: Brings files.
        runner: Runs ffmpeg.
        video_store: Keeps videos.
        workspaces: Where the work is done.
        max_seconds: Longest video that is made.
    """

    def __init__(
        self, inputs: Inputs, runner: FfmpegRunner, video_store: VideoStore, workspaces: Workspaces, max_seconds: float
    ) -> None:
        self._inputs = inputs
        self._runner = runner
        self._video_store = video_store
        self._workspaces = workspaces
        self._max_seconds = max_seconds

    async def mux(self, request: MuxRequest, principal: str, channel: ProgressChannel) -> MuxResult:
        """Return the video, stored.

        Args:
            request: What is laid together.
            principal: Who calls.
            channel: Is told how far it is, and the video itself if that was wished.

        Raises:
            MediaError: Of the inputs, of the place, or of the work; nothing is left behind.
        """
        await self._video_store.check(request.place, principal)
        with self._workspaces.folder() as folder:
            video, audio = await self._fetch_inputs(request, folder, principal)
            image, sound = _stream(video, "video"), _stream(audio, "audio")
            given = Given(
                image.duration_seconds, sound.duration_seconds, request.audio_delay_ms / 1000, image.frame_rate
            )
            planned = lengths(given, request.policy)
            if planned.result_seconds > self._max_seconds:
                raise invalid(
                    "audio", f"must make a video of at most {self._max_seconds:g} seconds", Reason.MEDIA_INVALID
                )
            captioned = await self._write_captions(request, planned.result_seconds, folder)
            inputs = (_from(video, image), _from(audio, sound))
            order = _order(request, *inputs, image, planned, captioned=captioned)
            await self._run_ffmpeg(order, folder, channel)
            channel.progress(Progress(State.STORING, _ALMOST))
            stored = await self._store_result(folder / RESULT, planned, request.place, principal)
        return MuxResult(stored, given.speech_seconds, given.video_seconds, planned, order.copy_video)

    async def _fetch_inputs(self, request: MuxRequest, folder: Path, principal: str) -> tuple[LocalInput, LocalInput]:
        """Bring both at once; whichever fails first ends the other."""
        bring = partial(self._inputs.bring, folder=folder, principal=principal)
        return await _both(
            lambda: bring(request.video, name="video"),
            lambda: bring(request.audio, name="audio", max_bytes=MAX_SPEECH_BYTES),
        )

    async def _write_captions(self, request: MuxRequest, result_seconds: float, folder: Path) -> bool:
        if request.captions is None:
            return False
        delay_seconds = request.audio_delay_ms / 1000
        captions = request.captions
        return await asyncio.to_thread(
            write_captions, captions.alignment, delay_seconds, result_seconds, folder, burned=captions.burned
        )

    async def _run_ffmpeg(self, order: Mux, folder: Path, channel: ProgressChannel) -> None:
        """Make RESULT in `folder`; one that is told while it is made is made whole afterwards, by copying."""
        watch = Watch(
            queued=lambda place: channel.progress(Progress(State.QUEUED, queue_position=place)),
            running=lambda percent: channel.progress(Progress(State.RUNNING, min(_ALMOST, percent))),
        )
        if not order.fragmented:
            await self._runner.run(mux(order), folder, watch)
            return
        # How fast they are taken is nothing to ffmpeg: others wait for its place.
        with Spool(folder / _FRAGMENTS).open() as spool:
            telling = asyncio.ensure_future(_tell(spool, channel))
            try:
                await self._runner.run(mux(order), folder, watch, spool.write)
                spool.end()
                again: Command = remux(Input(_FRAGMENTS, MP4.demuxer), order.seconds)
                await self._runner.run(again, folder, watch)
                await telling
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)

    async def _store_result(self, path: Path, planned: MuxDurations, place: Place, principal: str) -> StoredVideo:
        # Each reads the whole file, in a process and in a thread: together they take no longer than one.
        digesting = asyncio.ensure_future(digest(path))
        try:
            media = await self._inputs.look(path, MP4, "video")
            if abs(media.duration_seconds - planned.result_seconds) > _TOLERANCE_SECONDS:
                log.error("a video has another length", planned=planned.result_seconds, made=media.duration_seconds)
                raise MediaError(
                    Reason.GENERATION_FAILED, "The video came out in another length than planned; try again."
                )
            return await self._video_store.put(path, await digesting, media, place, principal, {})
        finally:
            digesting.cancel()


async def _tell(spool: Spool, channel: ProgressChannel) -> None:
    async with aclosing(spool.pieces()) as pieces:
        async for piece in pieces:
            await channel.chunk(piece)


async def _both(
    first: Callable[[], Awaitable[LocalInput]], second: Callable[[], Awaitable[LocalInput]]
) -> tuple[LocalInput, LocalInput]:
    try:
        async with asyncio.TaskGroup() as group:
            one, two = group.create_task(_translate_group(first)), group.create_task(_translate_group(second))
    except* MediaError as failures:
        # What is wrong with both is told at once.
        errors = [error for error in failures.exceptions if isinstance(error, MediaError)]
        raise _together(errors) from None
    return one.result(), two.result()


async def _translate_group(work: Callable[[], Awaitable[LocalInput]]) -> LocalInput:
    return await work()


def _together(errors: list[MediaError]) -> MediaError:
    first = errors[0]
    violations: list[FieldViolation] = [item for error in errors for item in error.violations]
    return MediaError(first.reason, " ".join(error.message for error in errors), violations=violations)


def _stream(brought: LocalInput, name: str) -> StreamInfo:
    found = brought.media.video if name == "video" else brought.media.audio
    if found is None:
        raise invalid(name, f"must have a stream of {name}; there is none in it", Reason.MEDIA_INVALID)
    if found.duration_seconds <= 0 or (name == "video" and found.frame_rate <= 0):
        raise invalid(name, "must tell how long it is", Reason.MEDIA_INVALID)
    if found.width * found.height > _MAX_PIXELS:
        raise invalid(name, f"must have at most {_MAX_PIXELS:,} pixels a frame", Reason.MEDIA_INVALID)
    return found


def _from(brought: LocalInput, stream: StreamInfo) -> Input:
    return replace(brought.input, start_seconds=stream.start_seconds)


def _order(
    request: MuxRequest, video: Input, audio: Input, image: StreamInfo, planned: MuxDurations, *, captioned: bool
) -> Mux:
    burned = captioned and request.captions is not None and request.captions.burned
    # Packets can be counted off only where each is a frame that is shown, as long as all others.
    can_be_cut = image.is_steady or not planned.video_frames
    language = request.captions.language if captioned and not burned and request.captions is not None else ""
    return Mux(
        video=video,
        audio=audio,
        seconds=planned.result_seconds,
        audio_delay_ms=request.audio_delay_ms,
        freeze_seconds=planned.freeze_seconds,
        loops=planned.loops,
        video_frames=planned.video_frames,
        copy_video=image.codec in _COPIED_CODECS and can_be_cut and not planned.freeze_seconds and not burned,
        burn_captions=burned,
        caption_language=language,
        fragmented=request.stream_media,
    )

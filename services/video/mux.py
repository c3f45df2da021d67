"""Adds speech to a video: fetches both inputs, decides the durations, runs ffmpeg, checks and stores the result."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from services.common.errors import FieldViolation, MediaError, Reason, invalid
from services.common.log import logger
from services.common.timing.alignment import Alignment, shift_alignment
from services.common.timing.captions import build_cues, cut_cues, to_srt
from services.video.burned_captions import CaptionStyle, write_burned_captions
from services.video.caption_fonts import check_characters
from services.video.duration_policy import InputDurations, LengthPolicy, MuxDurations
from services.video.encoding import VideoPlan, plan_video
from services.video.ffmpeg import FfmpegRunner, RunCallbacks
from services.video.ffmpeg.arguments import (
    BURNED_CAPTIONS,
    CAPTIONS,
    FONTS,
    RESULT,
    Input,
    MuxArguments,
    build_mux_command,
    build_remux_command,
)
from services.video.inputs import MAX_SPEECH_BYTES, Inputs, LocalInput, Source
from services.video.media_types import MP4
from services.video.probe import MediaFile, StreamInfo
from services.video.progress import STORE_CEILING_PERCENT, Progress, ProgressChannel, State
from services.video.video_store import Destination, StoredVideo, VideoOrigin, VideoStore, compute_sha256
from services.video.workspace import Spool, Workspaces

log = logger(__name__)

DEFAULT_DELAY_MS = 500
_FRAGMENTS = "fragments.mp4"
_TOLERANCE_SECONDS = 0.3
"""Largest accepted difference between the planned and the real duration of the result."""
_TEXT_FIELD = "captions.alignment.characters"


@dataclass(frozen=True, slots=True)
class CaptionRequest:
    """Captions for the speech."""

    alignment: Alignment
    burned: bool = False
    """Whether the captions are drawn into the image."""
    language: str = "und"
    """Three letters of ISO 639-2."""


@dataclass(frozen=True, slots=True)
class MuxRequest:
    """A request to add speech to a video."""

    video: Source
    audio: Source
    audio_delay_ms: int = DEFAULT_DELAY_MS
    """Silence before the speech."""
    policy: LengthPolicy = LengthPolicy.FREEZE
    captions: CaptionRequest | None = None
    stream_media: bool = False
    """Whether the video is also sent to the caller while ffmpeg writes it."""
    destination: Destination = field(default_factory=Destination)
    """Where to store the result."""


@dataclass(frozen=True, slots=True)
class MuxResult:
    """A stored video with speech."""

    video: StoredVideo
    speech_seconds: float
    video_seconds: float
    durations: MuxDurations
    video_copied: bool
    """Whether the video stream was copied, not encoded again."""


class Muxer:
    """Adds speech to videos. One instance serves all calls.

    Args:
        inputs: Fetches and probes files.
        runner: Runs ffmpeg.
        video_store: Stores the results.
        workspaces: Gives each call a folder for its files.
        max_seconds: Longest result.
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
        """Add speech to a video and return the stored result.

        Args:
            request: The request.
            principal: The caller; owner of the result.
            channel: Receives the progress, and the video itself if the request asks for it.

        Raises:
            MediaError: An input or the destination is invalid, or ffmpeg failed; no files are left behind.
        """
        await self._video_store.check(request.destination)
        if request.captions is not None and request.captions.burned:
            await asyncio.to_thread(check_characters, "".join(request.captions.alignment.characters), _TEXT_FIELD)
        with self._workspaces.open_folder() as folder:
            video, audio = await self._fetch_inputs(request, folder, principal)
            image, speech = _find_stream(video, "video"), _find_stream(audio, "audio")
            input_durations = InputDurations(
                image.duration_seconds, speech.duration_seconds, request.audio_delay_ms / 1000
            )
            is_burned = request.captions is not None and request.captions.burned
            plan = plan_video(image, input_durations, request.policy, "video", is_burned=is_burned)
            result_seconds = plan.durations.result_seconds
            if result_seconds > self._max_seconds:
                raise invalid(
                    "audio", f"must give a video of at most {self._max_seconds:g} seconds", Reason.MEDIA_INVALID
                )
            has_captions = await asyncio.to_thread(write_captions, request, plan, folder)
            inputs = (_select_stream(video, image), _select_stream(audio, speech))
            arguments = _build_arguments(request, *inputs, plan, has_captions=has_captions)
            await self._run_ffmpeg(arguments, folder, channel)
            channel.report(Progress(State.STORING, STORE_CEILING_PERCENT))
            stored = await self._store_result(folder / RESULT, plan, request.destination, principal)
        return MuxResult(
            stored,
            input_durations.speech_seconds,
            input_durations.video_seconds,
            plan.durations,
            video_copied=plan.encoded is None,
        )

    async def _fetch_inputs(self, request: MuxRequest, folder: Path, principal: str) -> tuple[LocalInput, LocalInput]:
        """Fetch both inputs at once; a failure of one cancels the other."""
        fetch = partial(self._inputs.fetch, folder=folder, principal=principal)
        return await _await_both(
            fetch(request.video, name="video"), fetch(request.audio, name="audio", max_bytes=MAX_SPEECH_BYTES)
        )

    async def _run_ffmpeg(self, arguments: MuxArguments, folder: Path, channel: ProgressChannel) -> None:
        """Write RESULT into `folder`; a fragmented video is copied into one file afterwards."""
        callbacks = RunCallbacks(
            on_queued=lambda position: channel.report(Progress(State.QUEUED, queue_position=position)),
            on_progress=lambda percent: channel.report(Progress(State.RUNNING, min(STORE_CEILING_PERCENT, percent))),
        )
        command = build_mux_command(arguments)
        if not arguments.fragmented:
            await self._runner.run(command, folder, callbacks)
            return
        # A slow caller must not hold the permit for ffmpeg: the spool takes the output at ffmpeg's speed.
        with Spool(folder / _FRAGMENTS).open() as spool:
            sending = asyncio.ensure_future(_send_chunks(spool, channel))
            try:
                await self._runner.run(command, folder, callbacks, spool.write)
                spool.finish()
                remux = build_remux_command(Input(_FRAGMENTS, MP4.demuxer), arguments.seconds)
                await self._runner.run(remux, folder, callbacks)
                await sending
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    async def _store_result(self, path: Path, plan: VideoPlan, destination: Destination, principal: str) -> StoredVideo:
        # The digest (in a thread) and the probe (in a process) each read the whole file: run them at the same time.
        digesting = asyncio.ensure_future(compute_sha256(path))
        try:
            media = await self._inputs.probe(path, MP4, "video")
            _check_result(media, plan)
            return await self._video_store.put(path, await digesting, media, destination, principal, VideoOrigin())
        finally:
            digesting.cancel()


def _check_result(media: MediaFile, plan: VideoPlan) -> None:
    """Raise if a result is not as long as planned: the times in the file of the caller contradict each other."""
    planned, video, audio = plan.durations.result_seconds, media.video, media.audio
    longest_frame = video.frames.typical_interval_seconds if video is not None else 0.0
    accepted = max(_TOLERANCE_SECONDS, longest_frame)
    actual = [stream.duration_seconds for stream in (video, audio) if stream is not None]
    if video is None or any(abs(seconds - planned) > accepted for seconds in actual):
        log.error("the result has an unexpected duration", planned=planned, actual=actual)
        raise invalid(
            "video",
            "must have frame times that agree with its duration; save it again with another program",
            Reason.MEDIA_INVALID,
        )


def write_captions(request: MuxRequest, plan: VideoPlan, folder: Path) -> bool:
    """Write the captions, and links to fonts if needed, into `folder`; return whether there are captions.

    Args:
        request: The request.
        plan: The durations; captions end with the video. Its frames decide the size of burned captions.
        folder: Working directory of ffmpeg.
    """
    if request.captions is None:
        return False
    timing = shift_alignment(request.captions.alignment, request.audio_delay_ms / 1000)
    if request.captions.burned and plan.encoded is not None:
        cues = list(cut_cues(build_cues(timing), plan.durations.result_seconds))
        if cues:
            style = CaptionStyle(plan.encoded.width, plan.encoded.height, request.captions.language)
            write_burned_captions(cues, style, folder / BURNED_CAPTIONS, folder / FONTS)
        return bool(cues)
    text = to_srt(timing, until_seconds=plan.durations.result_seconds)
    if text:
        (folder / CAPTIONS).write_text(text, encoding="utf-8")
    return bool(text)


async def _await_both(
    first: Coroutine[Any, Any, LocalInput], second: Coroutine[Any, Any, LocalInput]
) -> tuple[LocalInput, LocalInput]:
    try:
        async with asyncio.TaskGroup() as group:
            one, two = group.create_task(first), group.create_task(second)
    except* MediaError as failures:
        errors = [error for error in failures.exceptions if isinstance(error, MediaError)]
        raise _merge_errors(errors) from None
    return one.result(), two.result()


def _merge_errors(errors: list[MediaError]) -> MediaError:
    """Return one error that names the violations of all."""
    first = errors[0]
    violations: list[FieldViolation] = [item for error in errors for item in error.violations]
    return MediaError(first.reason, " ".join(error.message for error in errors), violations=violations)


def _find_stream(local: LocalInput, name: str) -> StreamInfo:
    found = local.media.video if name == "video" else local.media.audio
    if found is None:
        raise invalid(name, f"must have a stream of {name} in a known codec; the file has none", Reason.MEDIA_INVALID)
    if found.duration_seconds <= 0:
        raise invalid(name, "must last longer than a moment; the file states no times", Reason.MEDIA_INVALID)
    return found


def _select_stream(local: LocalInput, stream: StreamInfo) -> Input:
    return replace(local.input, start_seconds=stream.start_seconds, stream_index=stream.index)


def _build_arguments(
    request: MuxRequest, video: Input, audio: Input, plan: VideoPlan, *, has_captions: bool
) -> MuxArguments:
    burned = has_captions and request.captions is not None and request.captions.burned
    language = request.captions.language if has_captions and not burned and request.captions is not None else ""
    return MuxArguments(
        video=video,
        audio=audio,
        seconds=plan.durations.result_seconds,
        audio_delay_ms=request.audio_delay_ms,
        encoded=plan.encoded,
        copied_frames=plan.copied_frames,
        copied_tag=plan.copied_tag,
        loops=plan.durations.loops,
        burn_captions=burned,
        caption_language=language,
        fragmented=request.stream_media,
    )


async def _send_chunks(spool: Spool, channel: ProgressChannel) -> None:
    async with aclosing(spool.read()) as pieces:
        async for piece in pieces:
            await channel.send_chunk(piece)

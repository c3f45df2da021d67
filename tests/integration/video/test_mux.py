"""MuxVideo: durations, delays, captions and streams, checked with foreign tools."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from media.common.v1 import alignment_pb2
from media.video.v1 import video_pb2

from services.common.errors import Reason
from tests.fakes.media import (
    FFPROBE,
    delay_image,
    delay_sound,
    drop_frames,
    find_clicks,
    make_speech,
    make_video,
    read_frame,
    run_ffprobe,
    to_mp3,
    trim_start,
)
from tests.integration.video.conftest import VideoSuite, get_error

SHORTEST, FREEZE, LOOP = (
    video_pb2.LENGTH_POLICY_SHORTEST,
    video_pb2.LENGTH_POLICY_FREEZE,
    video_pb2.LENGTH_POLICY_LOOP,
)
FRAME = 1 / 24
CUES = alignment_pb2.Alignment(
    characters=list("Hi you."),
    character_start_times_seconds=[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
    character_end_times_seconds=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
)


def make_captions(text: str, mode: video_pb2.CaptionMode = video_pb2.CAPTION_MODE_BURNED) -> video_pb2.Captions:
    """Return captions that show `text` for two seconds."""
    times = [number * 0.01 for number in range(len(text))]
    alignment = alignment_pb2.Alignment(
        characters=list(text), character_start_times_seconds=times, character_end_times_seconds=[2.0] * len(text)
    )
    return video_pb2.Captions(alignment=alignment, mode=mode)


@dataclass(frozen=True)
class Case:
    """A case of a mux with a video of two seconds."""

    policy: video_pb2.LengthPolicy
    speech_seconds: float
    result_seconds: float
    copied: bool = True
    reported: Mapping[str, float] = field(default_factory=dict)


@pytest.mark.parametrize(
    "case",
    [
        Case(FREEZE, 1.0, 2.0),
        Case(FREEZE, 1.5, 2.0),
        Case(FREEZE, 3.0, 3.5, copied=False, reported={"frozen_seconds": 1.5}),
        Case(LOOP, 1.0, 2.0),
        Case(LOOP, 5.0, 5.5, reported={"looped_seconds": 3.5}),
        Case(SHORTEST, 1.0, 1.5, reported={"cut_video_seconds": 0.5}),
        Case(SHORTEST, 3.0, 2.0, reported={"cut_speech_seconds": 1.5}),
    ],
    ids=lambda case: f"{video_pb2.LengthPolicy.Name(case.policy)} {case.speech_seconds} s",
)
async def test_durations_are_as_computed_and_reported(
    suite: VideoSuite, two_seconds: bytes, tmp_path: Path, case: Case
) -> None:
    muxed = await suite.mux(two_seconds, make_speech(case.speech_seconds), length_policy=case.policy)
    path = suite.file(muxed.file.key, tmp_path)
    if FFPROBE is not None:
        probed = run_ffprobe(path)
        assert (probed.stream("video")["codec_name"], probed.stream("audio")["codec_name"]) == ("h264", "aac")
        assert probed.seconds("video") == pytest.approx(case.result_seconds, abs=FRAME)
        assert probed.seconds("audio") == pytest.approx(case.result_seconds, abs=FRAME)
    assert muxed.file.duration_seconds == pytest.approx(case.result_seconds, abs=FRAME)
    assert muxed.video_copied is case.copied
    assert (muxed.speech_seconds, muxed.video_seconds) == (case.speech_seconds, 2.0)
    for name in ("cut_speech_seconds", "cut_video_seconds", "frozen_seconds", "looped_seconds"):
        assert getattr(muxed, name) == pytest.approx(case.reported.get(name, 0.0), abs=FRAME), name
    assert muxed.file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert muxed.file.size_bytes == path.stat().st_size
    assert suite.leftovers == []


@pytest.mark.parametrize(
    ("fields", "delay"), [({}, 0.5), ({"audio_delay_ms": 0}, 0.0), ({"audio_delay_ms": 1250}, 1.25)]
)
@pytest.mark.parametrize("seconds", [0.5, 4.0], ids=["shorter than the video", "longer than the video"])
async def test_speech_starts_after_its_delay_to_ten_milliseconds(
    suite: VideoSuite, two_seconds: bytes, tmp_path: Path, fields: dict[str, Any], delay: float, seconds: float
) -> None:
    muxed = await suite.mux(two_seconds, make_speech(seconds, click_seconds=0.1), **fields)
    (click,) = find_clicks(suite.file(muxed.file.key, tmp_path))
    assert click == pytest.approx(delay + 0.1, abs=0.010)


@pytest.mark.parametrize("stream_media", [False, True])
@pytest.mark.parametrize(("policy", "seconds"), [(FREEZE, 3.0), (LOOP, 3.0), (SHORTEST, 0.7), (SHORTEST, 3.0)])
async def test_speech_is_at_its_place_in_every_kind_of_result_and_for_any_decoder(
    suite: VideoSuite,
    two_seconds: bytes,
    tmp_path: Path,
    policy: video_pb2.LengthPolicy,
    seconds: float,
    stream_media: bool,
) -> None:
    muxed = await suite.mux(two_seconds, make_speech(seconds), length_policy=policy, stream_media=stream_media)
    paths = [suite.file(muxed.file.key, tmp_path)]
    if stream_media:
        paths.append(tmp_path / "sent.mp4")
        paths[1].write_bytes(b"".join(suite.chunks))
    for path in paths:
        # The edit list removes the samples that an encoder adds; old decoders do not read it.
        for options in ((), ("-ignore_editlist", "1")):
            (click,) = find_clicks(path, *options)
            assert click == pytest.approx(0.5, abs=0.010)


@pytest.mark.parametrize("policy", [FREEZE, LOOP])
async def test_the_end_of_long_speech_is_not_cut(
    suite: VideoSuite, two_seconds: bytes, tmp_path: Path, policy: video_pb2.LengthPolicy
) -> None:
    muxed = await suite.mux(two_seconds, make_speech(4.0, click_seconds=3.98), length_policy=policy)
    (click,) = find_clicks(suite.file(muxed.file.key, tmp_path))
    assert click == pytest.approx(4.48, abs=0.010)


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
async def test_speech_over_a_looped_video_ends_with_its_last_sample(
    suite: VideoSuite, tmp_path: Path, codec: str
) -> None:
    # Frames of 42 ms, stated in whole milliseconds: a count of frames alone ends too early.
    short = make_video(tmp_path, 0.25, codec=codec).read_bytes()
    muxed = await suite.mux(short, make_speech(4.0, click_seconds=3.98), length_policy=LOOP)
    path = suite.file(muxed.file.key, tmp_path)
    (click,) = find_clicks(path)
    assert click == pytest.approx(4.48, abs=0.010)
    if FFPROBE is not None:
        assert run_ffprobe(path).seconds("audio") == pytest.approx(4.5, abs=0.001)


@pytest.mark.parametrize(
    ("policy", "seconds", "result_seconds"), [(FREEZE, 0.5, 1.5), (FREEZE, 3.0, 3.5), (SHORTEST, 0.5, 1.0)]
)
async def test_hidden_frames_of_a_trimmed_video_do_not_count(
    suite: VideoSuite, tmp_path: Path, policy: video_pb2.LengthPolicy, seconds: float, result_seconds: float
) -> None:
    given = trim_start(make_video(tmp_path, 2.0), 0.5).read_bytes()
    muxed = await suite.mux(given, make_speech(seconds, click_seconds=0.1), length_policy=policy)
    assert muxed.video_seconds == pytest.approx(1.5, abs=0.01)
    assert muxed.file.duration_seconds == pytest.approx(result_seconds, abs=FRAME)
    path = suite.file(muxed.file.key, tmp_path)
    if FFPROBE is not None:
        assert run_ffprobe(path).seconds("video") == pytest.approx(result_seconds, abs=FRAME)
    (click,) = find_clicks(path)
    assert click == pytest.approx(0.6, abs=0.010)


@pytest.mark.parametrize(("policy", "seconds"), [(FREEZE, 0.5), (FREEZE, 3.0), (LOOP, 3.0)])
async def test_a_late_image_is_shown_whole_and_from_the_beginning(
    suite: VideoSuite, tmp_path: Path, policy: video_pb2.LengthPolicy, seconds: float
) -> None:
    muxed = await suite.mux(
        delay_image(make_video(tmp_path, 2.0), 1.0).read_bytes(), make_speech(seconds), length_policy=policy
    )
    if FFPROBE is not None:
        found = run_ffprobe(suite.file(muxed.file.key, tmp_path)).stream("video")
        assert float(found["start_time"]) == pytest.approx(0.0, abs=0.001)
        assert int(found["nb_frames"]) == round(muxed.file.duration_seconds * 24)


async def test_late_speech_in_its_file_starts_after_the_delay(
    suite: VideoSuite, two_seconds: bytes, tmp_path: Path
) -> None:
    given = delay_sound(make_video(tmp_path, 2.0), make_speech(1.0, click_seconds=0.95), 1.0).read_bytes()
    muxed = await suite.mux(two_seconds, given)
    (click,) = find_clicks(suite.file(muxed.file.key, tmp_path))
    assert click == pytest.approx(1.45, abs=0.03)


@pytest.mark.parametrize(
    ("policy", "seconds", "result_seconds"), [(SHORTEST, 0.7, 1.2), (LOOP, 3.0, 3.5), (FREEZE, 3.0, 3.5)]
)
async def test_a_video_with_uneven_frames_is_not_copied_by_frame_count(
    suite: VideoSuite, tmp_path: Path, policy: video_pb2.LengthPolicy, seconds: float, result_seconds: float
) -> None:
    muxed = await suite.mux(
        drop_frames(make_video(tmp_path, 2.0)).read_bytes(), make_speech(seconds), length_policy=policy
    )
    path = suite.file(muxed.file.key, tmp_path)
    if FFPROBE is not None:
        # The last frame is shown until the next one would start.
        assert run_ffprobe(path).seconds("video") == pytest.approx(result_seconds, abs=0.5)
        assert run_ffprobe(path).seconds("audio") == pytest.approx(result_seconds, abs=0.1)


async def test_mp3_is_accepted_as_speech(suite: VideoSuite, two_seconds: bytes, tmp_path: Path) -> None:
    muxed = await suite.mux(two_seconds, to_mp3(make_speech(1.0, 0.25), tmp_path))
    (click,) = find_clicks(suite.file(muxed.file.key, tmp_path))
    assert click == pytest.approx(0.75, abs=0.010)


async def test_a_codec_that_mp4_does_not_support_is_encoded_again(suite: VideoSuite, tmp_path: Path) -> None:
    webm = make_video(tmp_path, 1.0, size="161x121", codec="libvpx").read_bytes()
    muxed = await suite.mux(webm, make_speech(0.25))
    assert [stream.codec for stream in muxed.file.streams] == ["h264", "aac"]
    assert (muxed.file.width, muxed.file.height) == (160, 120)
    assert muxed.video_copied is False


async def test_captions_are_a_track_of_their_language(suite: VideoSuite, two_seconds: bytes, tmp_path: Path) -> None:
    captions = video_pb2.Captions(alignment=CUES, language="eng")
    muxed = await suite.mux(two_seconds, make_speech(1.0), captions=captions)
    assert [stream.codec for stream in muxed.file.streams] == ["h264", "aac", "mov_text"]
    assert muxed.video_copied is True
    if FFPROBE is not None:
        assert run_ffprobe(suite.file(muxed.file.key, tmp_path)).stream("subtitle")["tags"]["language"] == "eng"


@pytest.mark.parametrize("policy", [FREEZE, SHORTEST])
async def test_a_last_caption_ends_with_the_video(
    suite: VideoSuite, two_seconds: bytes, tmp_path: Path, policy: video_pb2.LengthPolicy
) -> None:
    # A short word is shown for a second, if the video is long enough.
    starts = [number * 0.1 for number in range(26)] + [2.6, 2.7, 2.8]
    alignment = alignment_pb2.Alignment(
        characters=list("Hello there, how are you? No!"),
        character_start_times_seconds=starts,
        character_end_times_seconds=[start + 0.1 for start in starts],
    )
    captions = video_pb2.Captions(alignment=alignment)
    muxed = await suite.mux(two_seconds, make_speech(3.0), captions=captions, length_policy=policy)
    assert muxed.file.duration_seconds == pytest.approx(2.0 if policy == SHORTEST else 3.5, abs=FRAME)


async def test_burned_captions_change_the_image(suite: VideoSuite, two_seconds: bytes) -> None:
    captions = video_pb2.Captions(alignment=CUES, mode=video_pb2.CAPTION_MODE_BURNED)
    plain = await suite.mux(two_seconds, make_speech(3.0))
    burned = await suite.mux(two_seconds, make_speech(3.0), captions=captions)
    assert [stream.codec for stream in burned.file.streams] == ["h264", "aac"]
    assert burned.video_copied is False
    assert burned.file.sha256 != plain.file.sha256


@pytest.mark.parametrize("text", ["สวัสดีชาวโลก", "नमस्ते", "مرحبا بالعالم", "שלום", "你好世界", "Привет"])
async def test_burned_captions_of_any_script_are_drawn(
    suite: VideoSuite, two_seconds: bytes, tmp_path: Path, text: str
) -> None:
    captions = make_captions(text)
    muxed = await suite.mux(two_seconds, make_speech(1.0), captions=captions)
    width, height, pixels = read_frame(suite.file(muxed.file.key, tmp_path), 24)
    _, _, plain = read_frame(make_video(tmp_path), 24)
    lower = 3 * width * height * 2 // 3
    changed = sum(abs(one - two) > 60 for one, two in zip(pixels[lower:], plain[lower:], strict=True))
    assert changed > 150


async def test_a_script_without_a_font_is_an_error_before_any_work(suite: VideoSuite) -> None:
    # The key of the video does not exist: nothing is fetched.
    missing = video_pb2.MediaSource(key="videos/none.mp4")
    error = await get_error(suite.mux(missing, make_speech(1.0), captions=make_captions("བོད་སྐད།")))
    assert error.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in error.violations] == ["captions.alignment.characters"]
    assert "Tibetan" in error.message
    track = make_captions("བོད་སྐད།", video_pb2.CAPTION_MODE_TRACK)
    assert (await get_error(suite.mux(missing, make_speech(1.0), captions=track))).reason is Reason.NOT_FOUND


async def test_words_in_braces_are_burned_too(suite: VideoSuite, two_seconds: bytes) -> None:
    burned = []
    for text in ("Hi {you}.", "Hi ."):
        times = [number * 0.1 for number in range(len(text))]
        alignment = alignment_pb2.Alignment(
            characters=list(text), character_start_times_seconds=times, character_end_times_seconds=[1.0] * len(text)
        )
        captions = video_pb2.Captions(alignment=alignment, mode=video_pb2.CAPTION_MODE_BURNED)
        burned.append((await suite.mux(two_seconds, make_speech(1.0), captions=captions)).file)
    assert burned[0].size_bytes != burned[1].size_bytes


async def test_a_video_is_sent_in_fragments_while_ffmpeg_writes_it(
    suite: VideoSuite, two_seconds: bytes, tmp_path: Path
) -> None:
    muxed = await suite.mux(two_seconds, make_speech(3.0), stream_media=True)
    reported = b"".join(suite.chunks)
    assert reported[4:8] == b"ftyp"
    assert reported.count(b"moof") > 2
    path = tmp_path / "reported.mp4"
    path.write_bytes(reported)
    (click,) = find_clicks(path)
    assert click == pytest.approx(0.5, abs=0.010)
    whole = suite.file(muxed.file.key, tmp_path).read_bytes()
    assert b"moof" not in whole
    assert whole.index(b"moov") < whole.index(b"mdat")


async def test_progress_increases_to_the_end(suite: VideoSuite, two_seconds: bytes) -> None:
    await suite.mux(two_seconds, make_speech(3.0))
    percents = [progress.percent for progress in suite.progress]
    assert percents == sorted(percents)
    assert percents[-1] == 99.0
    assert suite.progress[-1].state == video_pb2.VIDEO_STATE_STORING
    assert {progress.prediction_id for progress in suite.progress} == {""}


async def test_metadata_of_the_inputs_are_removed(suite: VideoSuite, two_seconds: bytes, tmp_path: Path) -> None:
    muxed = await suite.mux(two_seconds, make_speech(1.0))
    whole = suite.file(muxed.file.key, tmp_path).read_bytes()
    assert b"Lavf" not in whole


async def test_a_video_is_stored_under_the_requested_key(suite: VideoSuite, two_seconds: bytes) -> None:
    muxed = await suite.mux(two_seconds, make_speech(1.0), object_key="users/alice/cat.mp4")
    assert muxed.file.key == "users/alice/cat.mp4"
    again = await get_error(suite.mux(two_seconds, make_speech(1.0), object_key="users/alice/cat.mp4"))
    assert again.reason is Reason.ALREADY_EXISTS
    await suite.mux(two_seconds, make_speech(1.0), object_key="users/alice/cat.mp4", overwrite=True)
    foreign = await get_error(suite.mux(two_seconds, make_speech(1.0), object_key="users/bob/cat.mp4"))
    assert foreign.reason is Reason.PERMISSION_DENIED


async def test_inputs_are_read_by_key_of_the_caller(suite: VideoSuite, two_seconds: bytes) -> None:
    muxed = await suite.mux(two_seconds, make_speech(1.0))
    own = video_pb2.MediaSource(key=muxed.file.key)
    again = await suite.mux(own, make_speech(1.0))
    assert again.video_seconds == 2.0
    foreign = await get_error(suite.mux(own, make_speech(1.0), "mallory"))
    assert foreign.reason is Reason.NOT_FOUND
    assert [item.field for item in foreign.violations] == ["video.key"]


async def test_a_video_is_deleted_by_its_owner(suite: VideoSuite, two_seconds: bytes) -> None:
    muxed = await suite.mux(two_seconds, make_speech(1.0))
    request = video_pb2.DeleteVideoRequest(key=muxed.file.key)
    foreign = await get_error(suite.stub.DeleteVideo(request, metadata=(("x-media-principal", "mallory"),)))
    assert foreign.reason is Reason.NOT_FOUND
    reply = await suite.stub.DeleteVideo(request, metadata=(("x-media-principal", "alice"),))
    assert list(reply.deleted_keys) == [muxed.file.key]
    assert muxed.file.key not in suite.store.objects

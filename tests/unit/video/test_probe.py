"""probe_file: files from ffmpeg, too long files, broken files and other formats."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from services.common.errors import MediaError, Reason
from services.video.ffmpeg import find_ffmpeg
from services.video.media_types import HEAD_BYTES, sniff_media_type
from services.video.probe import MediaFile, probe_file
from tests.fakes.media import RATE_HZ, delay_image, drop_frames, make_speech, make_video, to_mp3, trim_start

MOST = 600.0


def probe(path: Path, max_seconds: float = MOST, field: str = "video") -> MediaFile:
    """Probe a file, with the media type detected as the service does."""
    kind = sniff_media_type(path.read_bytes()[:HEAD_BYTES])
    assert kind is not None
    return probe_file(str(path), kind.demuxer, kind.name, max_seconds, field)


def get_probe_error(path: Path, demuxer: str = "mov", max_seconds: float = MOST, field: str = "video") -> MediaError:
    with pytest.raises(MediaError) as caught:
        probe_file(str(path), demuxer, "mp4", max_seconds, field)
    error = caught.value
    assert (error.reason, [item.field for item in error.violations]) == (Reason.MEDIA_INVALID, [field])
    assert str(path) not in error.message
    return error


def make_file(folder: Path, data: bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def run_ffmpeg(folder: Path, name: str, *arguments: str) -> Path:
    """Run ffmpeg and return its output file."""
    path = folder / name
    command = [str(find_ffmpeg("")), "-v", "error", "-nostdin", "-y", *arguments, str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return path


@pytest.mark.parametrize(
    ("codec", "container", "expected_codec"),
    [("libx264", "mp4", "h264"), ("mpeg4", "mp4", "mpeg4"), ("libvpx-vp9", "webm", "vp9")],
)
def test_a_video_stream_is_probed(tmp_path: Path, codec: str, container: str, expected_codec: str) -> None:
    path = make_video(tmp_path, 2.0, rate=25, size="160x120", codec=codec)
    found = probe(path)
    assert (found.container, found.size_bytes, len(found.streams)) == (container, path.stat().st_size, 1)
    assert found.video is not None
    assert (found.video.kind, found.video.codec, found.video.packets) == ("video", expected_codec, 50)
    assert (found.video.width, found.video.height, found.video.frame_rate) == (160, 120, 25.0)
    assert found.video.duration_seconds == pytest.approx(2.0, abs=0.01)
    assert found.duration_seconds == found.video.duration_seconds
    assert found.audio is None


@pytest.mark.parametrize("codec", ["libvorbis", "libopus", "flac"])
@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.3, 0.77])
def test_short_sound_in_ogg_is_measured(tmp_path: Path, codec: str, seconds: float) -> None:
    path = run_ffmpeg(tmp_path, "a.ogg", "-f", "lavfi", "-i", f"sine=d={seconds}", "-c:a", codec)
    assert probe(path).duration_seconds == pytest.approx(seconds, abs=0.01)


@pytest.mark.parametrize("seconds", [0.1, 1.0, 2.5])
def test_an_audio_stream_is_probed(tmp_path: Path, seconds: float) -> None:
    found = probe(make_file(tmp_path, make_speech(seconds)))
    assert found.audio is not None
    assert (found.container, found.audio.kind, found.audio.codec) == ("wav", "audio", "pcm_s16le")
    assert (found.audio.sample_rate_hz, found.audio.channels) == (RATE_HZ, 1)
    assert found.audio.duration_seconds == pytest.approx(seconds, abs=0.001)
    assert found.video is None


def test_mp3_has_the_duration_of_its_header(tmp_path: Path) -> None:
    found = probe(make_file(tmp_path, to_mp3(make_speech(2.0), tmp_path)))
    assert found.audio is not None
    assert (found.container, found.audio.codec) == ("mp3", "mp3")
    assert found.audio.duration_seconds == pytest.approx(2.0, abs=0.06)


@pytest.mark.parametrize(
    ("name", "container", "arguments"),
    [
        ("a.ogg", "ogg", ("-c:a", "libvorbis")),
        ("a.flac", "flac", ()),
        ("a.aac", "aac", ("-f", "adts")),
        ("a.m4a", "mp4", ("-c:a", "aac")),
    ],
)
def test_every_audio_format_is_probed(tmp_path: Path, name: str, container: str, arguments: tuple[str, ...]) -> None:
    given = make_file(tmp_path, make_speech(2.0), "speech.wav")
    found = probe(run_ffmpeg(tmp_path, name, "-i", str(given), *arguments))
    assert found.audio is not None
    assert found.container == container
    assert found.audio.duration_seconds == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("a.mp3", ("-q:a", "2", "-write_xing", "0")), ("a.aac", ("-f", "adts"))],
    ids=["MP3 of changing rate", "AAC"],
)
def test_audio_without_a_duration_is_counted_by_packets(tmp_path: Path, name: str, arguments: tuple[str, ...]) -> None:
    # Silence, then noise: an estimate from the first frames is far off.
    source = ("-f", "lavfi", "-i", "aevalsrc=if(lt(t\\,2)\\,0\\,random(0)):d=5")
    path = run_ffmpeg(tmp_path, name, *source, *arguments)
    assert probe(path, 6.0, "audio").duration_seconds == pytest.approx(5.0, abs=0.1)
    assert "must last at most 4" in get_probe_error(path, name[2:], max_seconds=4.0, field="audio").message


def test_cut_audio_is_rejected_also_with_an_id3_tag(tmp_path: Path) -> None:
    data = to_mp3(make_speech(5.0), tmp_path)
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 100, 0]) + bytes(100 * 128)
    audio = data[data.index(b"\xff\xfb") :]
    whole = probe(make_file(tmp_path, tag + audio, "whole.mp3"))
    assert whole.duration_seconds == pytest.approx(5.0, abs=0.1)
    assert "it is cut" in get_probe_error(make_file(tmp_path, tag + audio[: len(audio) // 2]), "mp3").message


def test_a_video_with_speech_has_the_duration_of_the_longer_stream(tmp_path: Path) -> None:
    images, sound = make_video(tmp_path, 1.0), make_file(tmp_path, make_speech(3.0), "speech.wav")
    found = probe(run_ffmpeg(tmp_path, "both.mp4", "-i", str(images), "-i", str(sound), "-c:v", "copy"))
    assert found.video is not None
    assert found.audio is not None
    assert found.video.duration_seconds == pytest.approx(1.0, abs=0.05)
    assert found.audio.duration_seconds == pytest.approx(3.0, abs=0.05)
    assert found.duration_seconds == found.audio.duration_seconds


def test_fragments_have_the_duration_of_their_packets(tmp_path: Path) -> None:
    flags = ("-c", "copy", "-movflags", "+frag_keyframe+empty_moov+default_base_moof")
    found = probe(run_ffmpeg(tmp_path, "fragments.mp4", "-i", str(make_video(tmp_path, 2.0)), *flags))
    assert found.duration_seconds == pytest.approx(2.0, abs=0.05)


def test_hidden_packets_of_a_trimmed_video_do_not_count(tmp_path: Path) -> None:
    found = probe(trim_start(make_video(tmp_path, 2.0), 0.5)).video
    assert found is not None
    assert found.duration_seconds == pytest.approx(1.5, abs=0.01)
    assert (found.packets, found.has_hidden_frames) == (36, True)


def test_the_start_of_a_late_stream_is_reported(tmp_path: Path) -> None:
    found = probe(delay_image(make_video(tmp_path, 2.0), 1.0))
    assert found.video is not None
    assert found.audio is not None
    assert found.video.start_seconds == pytest.approx(1.0, abs=0.03)
    assert found.audio.start_seconds == 0.0
    assert found.video.duration_seconds == pytest.approx(2.0, abs=0.01)


def test_a_constant_frame_rate_is_detected(tmp_path: Path) -> None:
    for path, is_steady in (
        (make_video(tmp_path), True),
        (make_video(tmp_path, codec="libvpx-vp9"), True),
        (drop_frames(make_video(tmp_path)), False),
    ):
        found = probe(path).video
        assert found is not None
        assert found.frames.is_steady is is_steady, path


def test_a_too_long_file_is_rejected_by_its_field(tmp_path: Path) -> None:
    path = make_video(tmp_path, 3.0)
    assert probe(path, 3.1).duration_seconds == pytest.approx(3.0, abs=0.05)
    assert "must last at most 2" in get_probe_error(path, max_seconds=2.0).message
    sound = make_file(tmp_path, make_speech(3.0))
    assert "must last at most 2" in get_probe_error(sound, "wav", max_seconds=2.0, field="audio").message


def test_a_duration_from_packets_is_limited_too(tmp_path: Path) -> None:
    arguments = ("-i", str(make_video(tmp_path, 3.0, codec="libvpx-vp9")), "-c", "copy", "-f", "webm", "-live", "1")
    path = run_ffmpeg(tmp_path, "live.webm", *arguments)
    assert "must last at most 2" in get_probe_error(path, "matroska", max_seconds=2.0).message


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
def test_a_cut_video_is_rejected(tmp_path: Path, share: float) -> None:
    data = make_video(tmp_path).read_bytes()
    get_probe_error(make_file(tmp_path, data[: int(len(data) * share)]))


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_video_cut_after_its_header_is_rejected(tmp_path: Path, share: float) -> None:
    # The header states the original duration.
    arguments = ("-i", str(make_video(tmp_path)), "-c", "copy", "-movflags", "+faststart")
    data = run_ffmpeg(tmp_path, "head-first.mp4", *arguments).read_bytes()
    get_probe_error(make_file(tmp_path, data[: int(len(data) * share)]))


def test_cut_speech_has_the_duration_of_the_rest(tmp_path: Path) -> None:
    found = probe(make_file(tmp_path, make_speech(2.0)[: 44 + RATE_HZ * 2]))
    assert found.duration_seconds == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"no video at all",
        bytes(100_000),
        b"\xff" * 100_000,
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isommp42" + bytes(1000),
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    ],
)
@pytest.mark.parametrize("demuxer", ["mov", "matroska", "mp3", "wav", "ogg", "flac", "aac"])
def test_a_file_of_another_format_is_rejected(tmp_path: Path, data: bytes, demuxer: str) -> None:
    get_probe_error(make_file(tmp_path, data), demuxer)


def test_a_file_that_contradicts_its_first_bytes_is_rejected(tmp_path: Path) -> None:
    get_probe_error(make_video(tmp_path), "matroska")
    get_probe_error(make_file(tmp_path, make_speech(1.0)), "mov")


def test_a_missing_file_is_rejected(tmp_path: Path) -> None:
    get_probe_error(tmp_path / "absent.mp4")


def test_subtitles_alone_are_not_a_video(tmp_path: Path) -> None:
    words = make_file(tmp_path, b"1\n00:00:00,000 --> 00:00:01,000\nhello\n", "words.srt")
    path = run_ffmpeg(tmp_path, "words.mp4", "-i", str(words), "-c:s", "mov_text")
    assert "must contain a video or an audio stream" in get_probe_error(path).message


def test_a_subtitle_stream_is_reported(tmp_path: Path) -> None:
    words = make_file(tmp_path, b"1\n00:00:00,000 --> 00:00:01,000\nhello\n", "words.srt")
    arguments = ("-i", str(make_video(tmp_path)), "-i", str(words), "-c:v", "copy", "-c:s", "mov_text")
    found = probe(run_ffmpeg(tmp_path, "both.mp4", *arguments))
    assert [stream.kind for stream in found.streams] == ["video", "subtitle"]
    assert found.audio is None


def test_a_stream_without_packets_does_not_count(tmp_path: Path) -> None:
    sound = make_file(tmp_path, make_speech(1.0), "speech.wav")
    flags = ("-c:v", "copy", "-c:a", "aac", "-movflags", "+frag_keyframe+empty_moov+default_base_moof")
    inputs = ("-i", str(make_video(tmp_path)), "-i", str(sound), "-af", "atrim=end_sample=0")
    found = probe(run_ffmpeg(tmp_path, "announced.mp4", *inputs, *flags))
    assert [(stream.kind, stream.packets) for stream in found.streams] == [("video", 48), ("audio", 0)]
    assert found.video is not None
    assert found.audio is None

"""Make videos and speech for tests with the suite's ffmpeg, and read files with a foreign ffprobe."""

from __future__ import annotations

import array
import shutil
import subprocess
import wave
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson

from services.video.ffmpeg import find_ffmpeg

FFPROBE = shutil.which("ffprobe")
"""The system's ffprobe, or None: an implementation that the suite does not ship."""
RATE_HZ = 44_100
_CLICK = 20_000


def make_video(
    folder: Path, seconds: float = 2.0, *, rate: int = 24, size: str = "320x240", codec: str = "libx264"
) -> Path:
    """Make a video without sound, with frames stored out of order (B-frames)."""
    path = folder / f"video-{seconds}-{rate}-{size}-{codec}.{'webm' if codec.startswith('libvp') else 'mp4'}"
    source = f"testsrc=size={size}:rate={rate}:duration={seconds}"
    run_ffmpeg("-f", "lavfi", "-i", source, "-c:v", codec, "-pix_fmt", "yuv420p", str(path))
    return path


def trim_start(path: Path, seconds: float) -> Path:
    """Cut the start off without encoding again: the file keeps hidden frames that later frames depend on."""
    target = path.with_stem(f"{path.stem}-trimmed")
    run_ffmpeg("-ss", str(seconds), "-i", str(path), "-c", "copy", str(target))
    return target


def delay_image(path: Path, seconds: float) -> Path:
    """Make a video with an image that starts later than the sound."""
    target = path.with_stem(f"{path.stem}-late")
    sound = ("-f", "lavfi", "-i", "sine=440:duration=1")
    run_ffmpeg(
        "-itsoffset", str(seconds), "-i", str(path), *sound, "-map", "0:v", "-map", "1:a", "-c:v", "copy", str(target)
    )
    return target


def delay_sound(path: Path, wav: bytes, seconds: float) -> Path:
    """Make a video with sound that starts later than the image."""
    sound, target = path.with_suffix(".wav"), path.with_stem(f"{path.stem}-late-sound")
    sound.write_bytes(wav)
    run_ffmpeg("-i", str(path), "-itsoffset", str(seconds), "-i", str(sound), "-c:v", "copy", str(target))
    return target


def drop_frames(path: Path) -> Path:
    """Drop most frames after the first second, so that the frame rate varies."""
    target = path.with_stem(f"{path.stem}-uneven")
    run_ffmpeg("-i", str(path), "-vf", "select=lt(t\\,1)+not(mod(n\\,6))", "-fps_mode", "vfr", str(target))
    return target


def record_in_browser(path: Path) -> Path:
    """Make a WebM as the recorder of a browser does: no duration, no frame rate, and frames at uneven times."""
    target = path.with_suffix(".recorded.webm")
    times = "(N/24+mod(N*7\\,5)*0.009)/TB"
    run_ffmpeg(
        "-i", str(path), "-vf", f"setpts={times}", "-fps_mode", "vfr", "-c:v", "libvpx", "-live", "1", str(target)
    )
    data = target.read_bytes()
    # DefaultDuration becomes a Void element of the same eight bytes.
    start = data.find(b"\x23\xe3\x83\x84")
    if start >= 0:
        data = data[:start] + b"\xec\x86" + bytes(6) + data[start + 8 :]
    target.write_bytes(data)
    return target


def convert(path: Path, suffix: str, *arguments: str, before: tuple[str, ...] = ()) -> Path:
    """Return the file that ffmpeg makes of `path`.

    Args:
        path: The input.
        suffix: End of the output's name, with its extension.
        *arguments: Options of the output.
        before: Options of the input.
    """
    target = path.with_name(f"{path.stem}-{suffix}")
    run_ffmpeg(*before, "-i", str(path), *arguments, str(target))
    return target


def read_frame(path: Path, number: int = 0) -> tuple[int, int, bytes]:
    """Return width, height and RGB pixels of a frame as a player shows it."""
    select = ("-vf", f"select=eq(n\\,{number}),format=rgb24", "-frames:v", "1", "-f", "image2pipe", "-c:v", "ppm", "-")
    command = [str(find_ffmpeg("")), "-v", "error", "-i", str(path), *select]
    data = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    _, width, height, *_ = data.split(maxsplit=3)
    return int(width), int(height), data[-3 * int(width) * int(height) :]


def make_speech(seconds: float, click_seconds: float = 0.0) -> bytes:
    """Return a WAV file with silence and one click."""
    samples = array.array("h", [0]) * round(seconds * RATE_HZ)
    start = round(click_seconds * RATE_HZ)
    wave_form = array.array("h", ([_CLICK] * 22 + [-_CLICK] * 22) * 10)
    samples[start : start + len(wave_form)] = wave_form
    file = BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE_HZ)
        wav.writeframes(samples.tobytes())
    return file.getvalue()


def to_mp3(wav: bytes, folder: Path) -> bytes:
    """Return the same sound as MP3."""
    sound, target = folder / "speech.wav", folder / "speech.mp3"
    sound.write_bytes(wav)
    run_ffmpeg("-i", str(sound), "-b:a", "64k", str(target))
    return target.read_bytes()


def find_clicks(path: Path, *options: str) -> list[float]:
    """Return the times of the clicks in a video, in seconds.

    Args:
        path: The video.
        *options: Options of ffmpeg for the input.
    """
    raw = subprocess.run(
        [
            str(find_ffmpeg("")),
            "-v",
            "error",
            *options,
            "-i",
            str(path),
            "-map",
            "0:a:0",
            "-f",
            "s16le",
            "-ac",
            "1",
            "-",
        ],
        capture_output=True,
        check=True,
        timeout=30,
    ).stdout
    samples = array.array("h", raw)
    loud = [number / RATE_HZ for number, sample in enumerate(samples) if abs(sample) > _CLICK // 4]
    return [time for number, time in enumerate(loud) if number == 0 or time - loud[number - 1] > 0.1]


@dataclass(frozen=True, slots=True)
class Probed:
    """The output of ffprobe for a file."""

    streams: tuple[dict[str, Any], ...]
    format: dict[str, Any]

    def stream(self, kind: str) -> dict[str, Any]:
        """Return the only stream of `kind`, such as `video`."""
        (found,) = [stream for stream in self.streams if stream["codec_type"] == kind]
        return found

    def seconds(self, kind: str) -> float:
        """Return the duration of the only stream of `kind`."""
        return float(self.stream(kind)["duration"])


def run_ffprobe(path: Path) -> Probed:
    """Return the output of the system's ffprobe."""
    assert FFPROBE is not None
    command = [FFPROBE, "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    output = orjson.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)
    return Probed(tuple(output["streams"]), output["format"])


def run_ffmpeg(*arguments: str) -> None:
    """Run ffmpeg with these arguments; raise an error if it fails."""
    command = [str(find_ffmpeg("")), "-v", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=60)

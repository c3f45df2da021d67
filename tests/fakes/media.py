"""Videos and speech for tests, made by the suite's own ffmpeg, and what other people's tools say of a file."""

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

from services.video.ffmpeg import ffmpeg_binary

FFPROBE = shutil.which("ffprobe")
"""Debian's ffprobe, where the machine has it: not our code."""
RATE_HZ = 44_100
_CLICK = 20_000


def video(folder: Path, seconds: float = 2.0, *, rate: int = 24, size: str = "320x240", codec: str = "libx264") -> Path:
    """Make a video without sound, with frames stored out of order."""
    path = folder / f"video-{seconds}-{rate}-{size}-{codec}.{'webm' if codec.startswith('libvp') else 'mp4'}"
    source = f"testsrc=size={size}:rate={rate}:duration={seconds}"
    _ffmpeg("-f", "lavfi", "-i", source, "-c:v", codec, "-pix_fmt", "yuv420p", str(path))
    return path


def trimmed(path: Path, seconds: float) -> Path:
    """Cut off the beginning of a video without encoding it again: frames that others need stay in it, hidden."""
    made = path.with_stem(f"{path.stem}-trimmed")
    _ffmpeg("-ss", str(seconds), "-i", str(path), "-c", "copy", str(made))
    return made


def late(path: Path, seconds: float) -> Path:
    """Have the image of a video begin later than its sound."""
    made = path.with_stem(f"{path.stem}-late")
    sound = ("-f", "lavfi", "-i", "sine=440:duration=1")
    _ffmpeg(
        "-itsoffset", str(seconds), "-i", str(path), *sound, "-map", "0:v", "-map", "1:a", "-c:v", "copy", str(made)
    )
    return made


def late_sound(path: Path, wav: bytes, seconds: float) -> Path:
    """Give a video sound that begins later than its image."""
    given, made = path.with_suffix(".wav"), path.with_stem(f"{path.stem}-late-sound")
    given.write_bytes(wav)
    _ffmpeg("-i", str(path), "-itsoffset", str(seconds), "-i", str(given), "-c:v", "copy", str(made))
    return made


def uneven(path: Path) -> Path:
    """Leave out most frames of a video's second half."""
    made = path.with_stem(f"{path.stem}-uneven")
    _ffmpeg("-i", str(path), "-vf", "select=lt(t\\,1)+not(mod(n\\,6))", "-fps_mode", "vfr", str(made))
    return made


def speech(seconds: float, click_seconds: float = 0.0) -> bytes:
    """Return a WAV file that is silent but for a click."""
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


def as_mp3(wav: bytes, folder: Path) -> bytes:
    """Return the same as MP3."""
    given, made = folder / "speech.wav", folder / "speech.mp3"
    given.write_bytes(wav)
    _ffmpeg("-i", str(given), "-b:a", "64k", str(made))
    return made.read_bytes()


def clicks(path: Path) -> list[float]:
    """Return when clicks are heard in a video, in seconds."""
    raw = subprocess.run(
        [str(ffmpeg_binary("")), "-v", "error", "-i", str(path), "-map", "0:a:0", "-f", "s16le", "-ac", "1", "-"],
        capture_output=True,
        check=True,
        timeout=30,
    ).stdout
    samples = array.array("h", raw)
    loud = [number / RATE_HZ for number, sample in enumerate(samples) if abs(sample) > _CLICK // 4]
    return [time for number, time in enumerate(loud) if number == 0 or time - loud[number - 1] > 0.1]


@dataclass(frozen=True, slots=True)
class Probed:
    """What ffprobe says of a file."""

    streams: tuple[dict[str, Any], ...]
    format: dict[str, Any]

    def stream(self, kind: str) -> dict[str, Any]:
        """Return the only stream of a kind."""
        (found,) = [stream for stream in self.streams if stream["codec_type"] == kind]
        return found

    def seconds(self, kind: str) -> float:
        """Return how long the only stream of a kind is."""
        return float(self.stream(kind)["duration"])


def ffprobe(path: Path) -> Probed:
    """Ask Debian's ffprobe."""
    assert FFPROBE is not None
    command = [FFPROBE, "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    said = orjson.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)
    return Probed(tuple(said["streams"]), said["format"])


def _ffmpeg(*arguments: str) -> None:
    command = [str(ffmpeg_binary("")), "-v", "error", "-nostdin", "-y", *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=60)

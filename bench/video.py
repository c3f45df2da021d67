"""Measures what the suite adds to ffmpeg: the runner's mux and the whole request, compared with ffmpeg alone.

`python -m bench.video --help`; docs/performance.md explains each figure.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.table import format_columns
from services.common.fetch import open_fetcher
from services.common.input_files import InputFiles
from services.common.records import BufferedRecords
from services.common.records.sqlite import open_sqlite_records
from services.common.storage import StorageSettings, open_object_store
from services.common.worker_pool import open_workers
from services.video.ffmpeg import FfmpegLimiter, FfmpegLimits, FfmpegRunner, RunCallbacks, find_ffmpeg
from services.video.ffmpeg.arguments import Input, MuxArguments, build_mux_command
from services.video.inputs import Inputs, Source
from services.video.mux import Muxer, MuxRequest
from services.video.progress import ProgressChannel
from services.video.video_store import VideoStore
from services.video.workspace import Workspaces

_BOUND = 1.05
_MAX_BYTES = 512 * 1024 * 1024
_MAX_SECONDS = 600.0
_QUIET = RunCallbacks(on_queued=lambda _: None, on_progress=lambda _: None)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to add speech to a video."""

    name: str
    run: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Timed:
    """Duration of one way."""

    name: str
    milliseconds: float
    """Median of the rounds."""
    ratio: float
    """Median over the rounds: its time divided by that of ffmpeg alone in the same round."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.video", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="how often each way runs, in turn (15)")
    parser.add_argument("--seconds", type=int, default=60, metavar="S", help="length of the video (60)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        timed = asyncio.run(_measure(Path(folder), options.rounds, options.seconds))
    sys.stdout.write(f"{format_table(timed)}\n")
    return 0


async def _measure(folder: Path, rounds: int, seconds: int) -> list[Timed]:
    video, audio = _make_inputs(folder, seconds)
    binary = find_ffmpeg("")
    limits = FfmpegLimits(wall_seconds=120, cpu_seconds=240, output_bytes=_MAX_BYTES)
    runner = FfmpegRunner(binary, FfmpegLimiter(2, 10), limits)
    command = build_mux_command(MuxArguments(Input(video.name, "mov"), Input(audio.name, "mp3"), float(seconds), 500))
    storage = StorageSettings(storage="local", storage_dir=folder / "objects")
    async with (
        open_object_store(storage) as store,
        open_sqlite_records(folder / "records.sqlite3") as database,
        BufferedRecords(database) as records,
        open_fetcher() as fetcher,
        open_workers(1, max_queue=10, timeout_seconds=60) as workers,
    ):
        files = InputFiles(fetcher, store)
        inputs = Inputs(files, workers, _MAX_BYTES, _MAX_SECONDS)
        with Workspaces(folder / "work").open() as workspaces:
            muxer = Muxer(inputs, runner, VideoStore(files, records), workspaces, _MAX_SECONDS)
            request = MuxRequest(Source(data=video.read_bytes()), Source(data=audio.read_bytes()))

            async def run_ffmpeg() -> None:
                process = await asyncio.create_subprocess_exec(
                    *(str(binary), "-hide_banner", "-nostdin", "-loglevel", "error", *command.arguments), cwd=folder
                )
                await process.wait()

            async def run_runner() -> None:
                await runner.run(command, folder, _QUIET)

            async def mux_video() -> None:
                await muxer.mux(request, "bench", ProgressChannel())

            return await compare(
                [Way("ffmpeg alone", run_ffmpeg), Way("runner", run_runner), Way("MuxVideo", mux_video)], rounds
            )


async def compare(ways: Sequence[Way], rounds: int) -> list[Timed]:
    """Return the duration of each way; the first is the baseline of the others.

    Args:
        ways: Ways to compare; they run one after the other in each round, after one warm-up round.
        rounds: Number of rounds that count.
    """
    seconds: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(rounds + 1):
        for way in ways:
            began = time.perf_counter()
            await way.run()
            if number:
                seconds[way.name].append(time.perf_counter() - began)
    baseline = seconds[ways[0].name]
    return [
        Timed(
            name,
            median(taken) * 1000,
            median(own / first for own, first in zip(taken, baseline, strict=True)),
        )
        for name, taken in seconds.items()
    ]


def format_table(timed: Sequence[Timed]) -> str:
    """Return one line per way."""
    lines = [("way", "ms", "ratio", "")]
    for item in timed:
        verdict = "reached" if item.ratio <= _BOUND else f"above {_BOUND:g}"
        lines.append((item.name, f"{item.milliseconds:.1f}", f"{item.ratio:.3f}", verdict))
    return format_columns(lines)


def _make_inputs(folder: Path, seconds: int) -> tuple[Path, Path]:
    """Create a video, and speech that is two seconds shorter."""
    video, audio = folder / "video.mp4", folder / "audio.mp3"
    command = [str(find_ffmpeg("")), "-v", "error", "-nostdin", "-y"]
    image = ["-f", "lavfi", "-i", f"testsrc2=size=1360x768:rate=24:duration={seconds}"]
    encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "32", "-pix_fmt", "yuv420p"]
    subprocess.run([*command, *image, *encoded, str(video)], check=True)
    sound = ["-f", "lavfi", "-i", f"sine=440:duration={max(1, seconds - 2)}", "-b:a", "64k"]
    subprocess.run([*command, *sound, str(audio)], check=True)
    return video, audio


if __name__ == "__main__":
    sys.exit(main())

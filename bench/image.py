"""Measures image processing: the cost of each format and grade, and how long it blocks the event loop.

`python -m bench.image --help`; docs/performance.md explains each figure.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from bench.table import format_columns
from services.common.images import Size
from services.common.worker_pool import WorkerPool, open_workers
from services.image.providers.embedded import PaintRequest, paint
from services.image.rendition import SETTINGS, Encoding, Rendition, RenditionSpec, render

_PROMPT = "A lighthouse at dusk, with a storm behind it"
_SIZE = Size(1024, 768)
_TICK_SECONDS = 0.001
_STALL_GOAL_MS = 5.0
_WORKERS = 2
_CALL_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class EncodingCost:
    """Cost of one format and grade."""

    encoding: Encoding
    in_worker_ms: float
    """Median time of decoding, fitting and encoding, in the worker."""
    round_trip_ms: float
    """The same, measured in the service's event loop: with the transfer through the pipe."""
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LoadSample:
    """Result of many renditions at once."""

    count: int
    seconds: float
    worst_stall_ms: float
    """Longest delay of the event loop beyond a sleep of 1 ms."""
    idle_stall_ms: float
    """The same without load: the delay that the machine itself causes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _build_parser().parse_args(arguments)
    encodings, load = asyncio.run(measure(options.repeats, options.concurrent))
    sys.stdout.write(f"{format_encodings(encodings)}\n\n{format_load(load)}\n")
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.image", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="renditions of each kind (5)")
    parser.add_argument(
        "--concurrent",
        type=int,
        default=16,
        metavar="N",
        help="renditions at once for the delay of the event loop (16)",
    )
    return parser


async def measure(repeats: int, concurrent: int) -> tuple[list[EncodingCost], LoadSample]:
    """Return the cost of every format and grade, and the loop's delay under `concurrent` renditions."""
    async with open_workers(_WORKERS, max_queue=concurrent, timeout_seconds=_CALL_TIMEOUT_SECONDS) as workers:
        source = await workers.run(paint, PaintRequest(prompt=_PROMPT, size=_SIZE, seed=1))
        kinds = [Encoding(name, grade) for name, grades in SETTINGS.items() for grade in grades]
        encodings = [await _measure_encoding(workers, source, kind, repeats) for kind in kinds]
        return encodings, await _measure_load(workers, source, concurrent)


async def _measure_encoding(workers: WorkerPool, source: bytes, encoding: Encoding, repeats: int) -> EncodingCost:
    spec = RenditionSpec(_SIZE, encoding)
    inside, outside, size_bytes = [], [], 0
    for _ in range(repeats):
        started = time.perf_counter()
        rendition, seconds = await workers.run(time_render, source, spec)
        outside.append((time.perf_counter() - started) * 1000)
        inside.append(seconds * 1000)
        size_bytes = len(rendition.main.data)
    return EncodingCost(encoding, median(inside), median(outside), size_bytes)


def time_render(source: bytes, spec: RenditionSpec) -> tuple[Rendition, float]:
    """Return the rendition and the seconds that it took; runs in a worker."""
    started = time.perf_counter()
    rendition = render(source, spec)
    return rendition, time.perf_counter() - started


class Ticks:
    """Records how late the event loop resumes a task that sleeps for a millisecond."""

    def __init__(self) -> None:
        self.worst_ms = 0.0

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Record until the context is left."""
        self.worst_ms = 0.0
        task = asyncio.ensure_future(self._measure())
        try:
            yield
        finally:
            task.cancel()

    async def _measure(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_TICK_SECONDS)
            late = time.perf_counter() - before - _TICK_SECONDS
            self.worst_ms = max(self.worst_ms, late * 1000)


async def _measure_load(workers: WorkerPool, source: bytes, count: int) -> LoadSample:
    ticks = Ticks()
    with ticks.watch():
        await asyncio.sleep(1.0)
    idle_stall_ms = ticks.worst_ms
    spec = RenditionSpec(_SIZE, Encoding("webp"))
    started = time.perf_counter()
    with ticks.watch():
        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(workers.run(render, source, spec))
    return LoadSample(count, time.perf_counter() - started, ticks.worst_ms, idle_stall_ms)


def format_encodings(encodings: Sequence[EncodingCost]) -> str:
    """Return one line per format and grade."""
    lines = [("format", "grade", "in worker ms", "round trip ms", "KiB")]
    lines += [
        (
            each.encoding.format,
            each.encoding.grade,
            f"{each.in_worker_ms:.1f}",
            f"{each.round_trip_ms:.1f}",
            f"{each.size_bytes / 1024:.1f}",
        )
        for each in encodings
    ]
    return format_columns(lines)


def format_load(load: LoadSample) -> str:
    """Return the loop's delay under many concurrent renditions, compared with its goal."""
    verdict = "reached" if load.worst_stall_ms <= _STALL_GOAL_MS else "not reached"
    return (
        f"{load.count} renditions at once on {_WORKERS} workers: {load.seconds:.2f} s\n"
        f"loop late by at most {load.worst_stall_ms:.1f} ms, {load.idle_stall_ms:.1f} ms when idle "
        f"(goal {_STALL_GOAL_MS:g} ms: {verdict})"
    )


if __name__ == "__main__":
    sys.exit(main())

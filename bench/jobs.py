"""Measures how soon a job is accepted, and how soon another process receives its progress.

`python -m bench.jobs --help`; docs/performance.md explains each figure.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import nats
from media.jobs.v1 import jobs_pb2, jobs_pb2_grpc

from bench.suite import BenchError, run_specs
from bench.table import format_columns
from deploy.local.processes import SUITE
from services.common.rpc.channel import call_metadata, open_channel, open_stream
from services.jobs.jetstream import StreamOptions, open_streams
from services.jobs.job_store import JobStore

_PROCESSES = ("nats", "jobs")
_OWNER = "bench"
_QUOTA = 100_000
_WARM_UP = 20
_ACCEPTED_MS, _RECEIVED_MS = 10.0, 20.0
_CHANGES_PER_JOB = 90
"""Each change raises the percentage of the job by one, up to 89."""

Way = Callable[[int], Awaitable[None]]
"""Runs an operation once; called with a new number each time."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Duration of one operation, in milliseconds."""

    name: str
    p50: float
    p99: float
    goal: float | None = None
    """Goal for its p50."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.jobs", description=__doc__)
    parser.add_argument("--count", type=int, default=500, metavar="N", help="how often each operation runs (500)")
    options = parser.parse_args(arguments)
    specs = [spec for spec in SUITE if spec.name in _PROCESSES]
    try:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            run_specs(specs, Path(folder), {"JOBS_QUOTA": str(_QUOTA)}) as (_, ports),
        ):
            timed = asyncio.run(_measure(ports, options.count))
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{format_table(timed)}\n")
    return 0


async def _measure(ports: Mapping[str, int], count: int) -> list[Timed]:
    servers = (f"nats://127.0.0.1:{ports['NATS_PORT']}",)
    async with (
        open_channel(f"127.0.0.1:{ports['JOBS_PORT']}") as channel,
        open_streams(StreamOptions(servers, quota=_QUOTA), "bench") as streams,
        _open_bare_publisher(servers[0]) as publish,
    ):
        stub = jobs_pb2_grpc.JobServiceStub(channel)
        metadata = call_metadata(_OWNER)

        async def submit(_: int) -> None:
            await stub.CreateJob(_build_request(), metadata=metadata)

        async def submit_named(number: int) -> None:
            await stub.CreateJob(_build_request(f"bench-{number}"), metadata=metadata)

        in_turn = await measure_in_turn({"publish": publish, "job": submit, "named": submit_named}, count)
        received = await _measure_watch(stub, JobStore(streams), count)
    return [
        summarize("plain publish, written to disk", in_turn["publish"]),
        summarize("job accepted", in_turn["job"], _ACCEPTED_MS),
        summarize("job accepted, with a request id", in_turn["named"], _ACCEPTED_MS),
        summarize("change received through another process", received, _RECEIVED_MS),
    ]


async def measure_in_turn(ways: Mapping[str, Way], count: int) -> dict[str, list[float]]:
    """Return the seconds of each way; they run in turn, so that other programs disturb all of them equally.

    Args:
        ways: Operations by name.
        count: Number of measurements of each, after some warm-up runs.
    """
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(_WARM_UP + count):
        for name, way in ways.items():
            began = time.perf_counter()
            await way(number)
            if number >= _WARM_UP:
                taken[name].append(time.perf_counter() - began)
    return taken


async def _measure_watch(stub: jobs_pb2_grpc.JobServiceAsyncStub, job_store: JobStore, count: int) -> list[float]:
    """Return the seconds from a worker's write until a watcher of the job service receives the change."""
    taken: list[float] = []
    while len(taken) < count:
        created = await stub.CreateJob(_build_request(), metadata=call_metadata(_OWNER))
        job = await job_store.get(created.job.id, _OWNER)
        lease = await job_store.open_lease(job.record)
        call = stub.WatchJob(jobs_pb2.WatchJobRequest(id=created.job.id), metadata=call_metadata(_OWNER))
        async with open_stream(call):
            events = aiter(call)
            await anext(events)
            for percent in range(1, _CHANGES_PER_JOB):
                began = time.perf_counter()
                await lease.report_progress("video", percent)
                while (await anext(events)).job.revision < lease.revision:
                    continue
                taken.append(time.perf_counter() - began)
    return taken[:count]


@asynccontextmanager
async def _open_bare_publisher(server: str) -> AsyncIterator[Way]:
    """Yield a function that only publishes a message, as long as that of a job, to a stream with the same options."""
    client = await nats.connect(server)
    try:
        jetstream = client.jetstream()
        await jetstream.add_stream(name="BENCH", subjects=["bench.publish"])
        payload = b"x" * 600

        async def publish(_: int) -> None:
            await jetstream.publish("bench.publish", payload)

        yield publish
    finally:
        await client.close()


def summarize(name: str, seconds: Sequence[float], goal: float | None = None) -> Timed:
    """Return median and p99 of `seconds`; it must hold two values or more."""
    cuts = quantiles(seconds, n=100, method="inclusive")
    return Timed(name, cuts[49] * 1000, cuts[98] * 1000, goal)


def format_table(timed: Sequence[Timed]) -> str:
    """Return one line per operation."""
    lines = [("operation", "p50 ms", "p99 ms", "goal for p50", "")]
    for item in timed:
        goal = "" if item.goal is None else f"{item.goal:g}"
        verdict = "" if item.goal is None else "reached" if item.p50 <= item.goal else "not reached"
        lines.append((item.name, f"{item.p50:.2f}", f"{item.p99:.2f}", goal, verdict))
    return format_columns(lines)


def _build_request(request_id: str = "") -> jobs_pb2.CreateJobRequest:
    video = jobs_pb2.VideoSpec(image_key="images/bench.png", prompt="A slow move closer to the image")
    return jobs_pb2.CreateJobRequest(animate=jobs_pb2.AnimateSpec(video=video), request_id=request_id)


if __name__ == "__main__":
    sys.exit(main())

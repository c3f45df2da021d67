"""Run many jobs and kill a process every second: `python -m tests.faults.chaos --help`."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from services.common.errors import MediaError
from services.common.images import Size
from services.common.storage import ObjectSpec, StorageSettings, open_object_store
from services.jobs.jetstream import StreamOptions, open_streams
from services.jobs.job_store import JobStore
from services.jobs.record import JobRecord, JobRequest
from tests.fakes.image_provider import make_image
from tests.fakes.media import make_video
from tests.fakes.replicate import API_TOKEN, Run, run_replicate
from tests.fakes.waiting import eventually
from tests.faults.process_group import open_spawner
from tests.faults.suite_processes import SuiteProcesses

_VICTIMS = ("worker", "worker2", "video", "nats")
_OWNER, _IMAGE = "alice", "images/cat.png"
_QUOTA = 1000
_LONGEST_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a run."""

    statuses: Counter[str]
    """Number of jobs by status."""
    failures: tuple[str, ...]
    """Attempts of the failed jobs."""
    created: int
    """Videos that were paid for."""
    kills: int
    """Number of kills."""
    seconds: float
    """Duration of the run."""


def main() -> int:
    """Run the command; 0 if every job succeeded and no video was paid for twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200, help="how many jobs (200)")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two kills (1)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random choice of kills (1)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        outcome = asyncio.run(run_chaos(Path(folder), options.jobs, options.pause, options.seed))
    sys.stdout.write(
        f"{dict(outcome.statuses)} in {outcome.seconds:.0f} s with {outcome.kills} kills;"
        f" {outcome.created} videos paid for {options.jobs} jobs\n"
    )
    return 0 if outcome.statuses == {"succeeded": options.jobs} and outcome.created == options.jobs else 1


async def run_chaos(folder: Path, count: int, pause_seconds: float, seed: int) -> Outcome:
    """Submit `count` videos, and kill a process every `pause_seconds` until all jobs have ended."""
    randomness = random.Random(seed)  # noqa: S311 - a seed must give the same kills
    start_seconds = time.monotonic()
    async with AsyncExitStack() as stack:
        replicate = await stack.enter_async_context(run_replicate())
        replicate.video = make_video(folder, 1.0, size="160x120").read_bytes()
        # Each generation lasts several polls, so that a kill can occur in the middle of it.
        replicate.runs.extend([Run(statuses=(*("processing",) * 4, "succeeded"))] * count)
        async with open_object_store(StorageSettings(storage="local", storage_dir=folder / "objects")) as store:
            await store.put(_IMAGE, make_image(Size(160, 120)), ObjectSpec("image/png", {"owner": _OWNER}))
        suite = SuiteProcesses(
            folder,
            {
                "REPLICATE_API_TOKEN": API_TOKEN,
                "REPLICATE_BASE_URL": replicate.base_url,
                "MEDIA_FETCH_ALLOW": "127.0.0.1",
                "JOBS_QUOTA": str(_QUOTA),
                "WORKER_SLOTS": "4",
                "JOBS_LEASE_SECONDS": "1.5",
            },
            stack.enter_context(open_spawner()),
        )
        stack.callback(suite.close)
        await suite.start("nats")
        await suite.start("video", "worker", "worker2")
        streams = await stack.enter_async_context(open_streams(StreamOptions((suite.nats_url,), quota=_QUOTA), "chaos"))
        job_store = JobStore(streams)
        ids = [await _submit(job_store, number) for number in range(count)]
        killing = asyncio.create_task(_kill(suite, randomness, pause_seconds))
        try:
            records = [await _wait_until_ended(job_store, job_id) for job_id in ids]
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)
        statuses = Counter(record.status.value for record in records)
        failures = tuple(_describe_failures(record) for record in records if record.failure is not None)
        return Outcome(statuses, failures, replicate.created, suite.kills, time.monotonic() - start_seconds)


async def _submit(job_store: JobStore, number: int) -> str:
    spec = {"video": {"imageKey": _IMAGE, "prompt": f"number {number}", "provider": "replicate"}}
    return (await job_store.submit(JobRequest("animate", spec, request_id=f"chaos-{number}"), _OWNER)).record.job_id


async def _wait_until_ended(job_store: JobStore, job_id: str) -> JobRecord:
    async def find_ended_record() -> JobRecord | None:
        with suppress(MediaError):
            record = (await job_store.get(job_id, _OWNER)).record
            return record if record.status.is_final else None
        return None

    return await eventually(find_ended_record, _LONGEST_SECONDS)


def _describe_failures(record: JobRecord) -> str:
    failures = [item.failure for item in record.attempts if item.failure is not None]
    return f"{record.attempt} attempts: " + ", ".join(f"{item.reason} in {item.stage}" for item in failures)


async def _kill(suite: SuiteProcesses, randomness: random.Random, pause_seconds: float) -> None:
    async with asyncio.TaskGroup() as restarts:
        stopped: set[str] = set()

        async def start_again(name: str) -> None:
            await suite.start(name)
            stopped.discard(name)

        while True:
            await asyncio.sleep(pause_seconds)
            name = randomness.choice([victim for victim in _VICTIMS if victim not in stopped] or ["worker"])
            if name in stopped:
                continue
            stopped.add(name)
            suite.kill(name)
            restarts.create_task(start_again(name))


if __name__ == "__main__":
    sys.exit(main())

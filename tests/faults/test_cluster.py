"""Tests of jobs in the cluster of three NATS servers of docs/jobs.md: the loss of one server loses no job."""

from __future__ import annotations

import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.ports import find_free_ports
from deploy.local.readiness import build_readiness_check
from deploy.nats.server import find_nats_server
from services.common.errors import MediaError, Reason
from services.jobs.jetstream import QUEUE, STATE, StreamOptions, Streams, open_streams
from services.jobs.job_store import JobStore
from services.jobs.record import Status
from tests.fakes.replicate import FakeReplicate
from tests.fakes.waiting import eventually
from tests.faults.conftest import Jobs, make_pending_run, prepare_suite
from tests.faults.process_group import ProcessSpawner
from tests.faults.suite_processes import SuiteProcesses

pytestmark = pytest.mark.timeout(300)

DOCUMENT = Path(__file__).parents[2] / "docs" / "jobs.md"
NODES = ("nats-1", "nats-2", "nats-3")


class Cluster:
    """Three real NATS servers, each with its own folder."""

    def __init__(self, folder: Path) -> None:
        (block,) = re.findall(r"```text\n(server_name: .+?)```", DOCUMENT.read_text(), re.DOTALL)
        clients, monitors, routes = (dict(zip(NODES, find_free_ports(3), strict=True)) for _ in range(3))
        self.urls = tuple(f"nats://127.0.0.1:{port}" for port in clients.values())
        self._monitors = monitors
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._configurations: dict[str, Path] = {}
        for name in NODES:
            text = (
                block.replace("server_name: nats-1", f"server_name: {name}")
                .replace("0.0.0.0:4222", f"127.0.0.1:{clients[name]}")
                .replace("127.0.0.1:8222", f"127.0.0.1:{monitors[name]}")
                .replace("0.0.0.0:6222", f"127.0.0.1:{routes[name]}")
                .replace("/data", str(folder / name))
            )
            for node in NODES:
                text = text.replace(f"nats://{node}:6222", f"nats://127.0.0.1:{routes[node]}")
            self._configurations[name] = folder / f"{name}.conf"
            self._configurations[name].write_text(text)

    def start(self, name: str) -> None:
        """Start a node."""
        command = (find_nats_server(), "-c", self._configurations[name])
        self._running[name] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self, name: str) -> None:
        """Kill a node."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    async def wait_until_serving(self, name: str) -> None:
        """Wait until a node has joined the cluster."""
        healthy = build_readiness_check(f"http://127.0.0.1:{self._monitors[name]}/healthz")
        await eventually(healthy)

    def close(self) -> None:
        """Kill all nodes."""
        for name in list(self._running):
            self.kill(name)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path)
    try:
        for name in NODES:
            cluster.start(name)
        for name in NODES:
            await cluster.wait_until_serving(name)
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
async def streams(cluster: Cluster) -> AsyncIterator[Streams]:
    async with open_streams(StreamOptions(cluster.urls, replicas=3), "test") as streams:
        yield streams


@pytest.fixture
async def suite(
    cluster: Cluster, streams: Streams, tmp_path: Path, replicate: FakeReplicate, spawner: ProcessSpawner
) -> AsyncIterator[SuiteProcesses]:
    """One worker and the services that videos need, connected to the cluster."""
    variables = {"NATS_URL": ",".join(cluster.urls), "JOBS_REPLICAS": "3"}
    async with prepare_suite(tmp_path, replicate, variables, spawner) as suite:
        await suite.start("tts", "video", "worker")
        yield suite


@pytest.fixture
async def jobs(streams: Streams) -> Jobs:
    return Jobs(JobStore(streams))


async def submit_until_accepted(jobs: Jobs) -> str:
    """Return the id of a job, submitted with the same request id until it is accepted."""

    async def submit() -> str:
        try:
            return await jobs.submit_animate(request_id="after-the-loss")
        except MediaError as error:
            if error.reason is not Reason.UNAVAILABLE:
                raise
            return ""

    return await eventually(submit, within_seconds=60)


async def test_the_loss_of_the_leader_loses_no_job(
    cluster: Cluster, streams: Streams, suite: SuiteProcesses, jobs: Jobs, replicate: FakeReplicate
) -> None:
    replicate.runs.append(make_pending_run())
    before = await jobs.submit_animate()
    await replicate.until(lambda: replicate.created == 1)
    queue = (await streams.jetstream.stream_info(QUEUE)).cluster
    assert queue is not None
    assert queue.leader is not None
    leader = queue.leader
    cluster.kill(leader)
    after = await submit_until_accepted(jobs)
    replicate.move("p1", "succeeded")
    for job_id in (before, after):
        assert (await jobs.wait_until_ended(job_id)).status is Status.SUCCEEDED
    assert replicate.created == 2
    cluster.start(leader)
    await cluster.wait_until_serving(leader)


async def test_without_a_majority_no_job_is_accepted(cluster: Cluster, streams: Streams, jobs: Jobs) -> None:
    state = (await streams.jetstream.stream_info(f"KV_{STATE}")).config
    assert state.num_replicas == 3
    for name in NODES[1:]:
        cluster.kill(name)
    with pytest.raises(MediaError) as error_info:
        await jobs.submit_animate(request_id="without-majority")
    assert error_info.value.reason is Reason.UNAVAILABLE
    for name in NODES[1:]:
        cluster.start(name)
    job_id = await submit_until_accepted(jobs)
    assert (await jobs.get_record(job_id)).status is Status.QUEUED

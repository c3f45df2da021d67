"""Opening the streams of jobs: patience with servers that are not there yet, and words for those that never will be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from nats.js.errors import NotFoundError

from services.common.settings import ConfigurationError
from services.jobs.streams import QUEUE, SECRETS, STATE, StreamOptions, connected, open_streams
from tests.conftest import LogLines
from tests.fakes.edge import free_ports
from tests.fakes.nats import running_nats
from tests.fakes.waiting import until


async def test_settings_of_the_streams_follow_whoever_starts_last(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as url:
        async with open_streams(StreamOptions((url,)), "first"):
            pass
        async with open_streams(StreamOptions((url,), quota=7, retention_seconds=86_400), "second") as streams:
            queue = (await streams.jetstream.stream_info(QUEUE)).config
            state = (await streams.jetstream.stream_info(f"KV_{STATE}")).config
            secrets = (await streams.jetstream.stream_info(f"KV_{SECRETS}")).config
    assert queue.max_msgs_per_subject == 7
    assert state.max_age == 8 * 86_400
    assert (state.allow_direct, secrets.max_age) == (False, 0)


async def test_a_server_that_comes_later_is_waited_for(tmp_path: Path, log_lines: LogLines) -> None:
    port, monitor_port = free_ports(2)

    async def opened() -> str:
        async with open_streams(StreamOptions((f"nats://name:secret@127.0.0.1:{port}",)), "early") as streams:
            return str((await streams.jetstream.stream_info(QUEUE)).config.name)

    opening = asyncio.create_task(opened())
    lines: list[dict[str, object]] = []

    def told() -> bool:
        lines.extend(log_lines())
        return bool(lines)

    await until(told)
    assert lines[0]["servers"] == f"127.0.0.1:{port}"
    assert "secret" not in str(lines)
    async with running_nats(tmp_path, ports=(port, monitor_port)):
        async with asyncio.timeout(20):
            assert await opening == QUEUE


async def test_a_server_that_keeps_nothing_yet_is_waited_for(tmp_path: Path) -> None:
    async with running_nats(tmp_path, streams=False) as url:
        waiting = asyncio.create_task(open_streams(StreamOptions((url,)), "early").__aenter__())
        async with connected(StreamOptions((url,)), "test") as client:
            assert client.is_connected
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_more_copies_than_there_are_servers_are_told_by_their_variable(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as url:
        with pytest.raises(ConfigurationError, match="JOBS_REPLICAS"):
            async with open_streams(StreamOptions((url,), replicas=3), "test"):
                pass


async def test_an_impatient_caller_is_told_where_nobody_answers() -> None:
    with pytest.raises(ConfigurationError, match=r"NATS_URL .* 127\.0\.0\.1:9 does not answer") as refused:
        async with connected(StreamOptions(("nats://name:secret@127.0.0.1:9",)), "test", patient=False):
            pass
    assert "secret" not in str(refused.value)


async def test_streams_that_were_removed_are_made_anew_by_whoever_starts(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as url:
        async with open_streams(StreamOptions((url,)), "first") as streams:
            await streams.jetstream.delete_stream(QUEUE)
            with pytest.raises(NotFoundError):
                await streams.jetstream.stream_info(QUEUE)
        async with open_streams(StreamOptions((url,)), "second") as streams:
            assert (await streams.jetstream.stream_info(QUEUE)).state.messages == 0

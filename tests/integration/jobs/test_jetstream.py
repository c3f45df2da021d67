"""Tests of opening streams: waits for servers that start later, errors for wrong configuration."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import orjson
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from deploy.local.ports import find_free_ports
from services.common.errors import MediaError, Reason
from services.common.settings import ConfigurationError
from services.jobs.jetstream import QUEUE, SECRETS, STATE, StreamOptions, connect_nats, list_subjects, open_streams
from services.jobs.job_store import JobStore
from services.jobs.record import JobRequest
from tests.conftest import LogLines
from tests.fakes.nats import run_nats
from tests.fakes.nats_authority import NatsAuthority
from tests.fakes.waiting import until


async def test_the_last_process_to_start_sets_the_options_of_the_streams(tmp_path: Path) -> None:
    async with run_nats(tmp_path) as url:
        async with open_streams(StreamOptions((url,)), "first"):
            pass
        async with open_streams(StreamOptions((url,), quota=7, retention_seconds=86_400), "second") as streams:
            queue = (await streams.jetstream.stream_info(QUEUE)).config
            state = (await streams.jetstream.stream_info(f"KV_{STATE}")).config
            secrets = (await streams.jetstream.stream_info(f"KV_{SECRETS}")).config
    assert queue.max_msgs_per_subject == 7
    assert state.max_age == 8 * 86_400
    assert (state.allow_direct, secrets.max_age) == (False, 0)


async def test_opening_waits_for_a_server_that_starts_later(tmp_path: Path, log_lines: LogLines) -> None:
    port, monitor_port = find_free_ports(2)

    async def open_test_streams() -> str:
        async with open_streams(StreamOptions((f"nats://name:secret@127.0.0.1:{port}",)), "early") as streams:
            return str((await streams.jetstream.stream_info(QUEUE)).config.name)

    opening = asyncio.create_task(open_test_streams())
    lines: list[dict[str, object]] = []

    def reply() -> bool:
        lines.extend(log_lines())
        return bool(lines)

    await until(reply)
    assert lines[0]["servers"] == f"127.0.0.1:{port}"
    assert "secret" not in str(lines)
    async with run_nats(tmp_path, ports=(port, monitor_port)):
        async with asyncio.timeout(20):
            assert await opening == QUEUE


async def test_opening_waits_for_a_server_without_jetstream(tmp_path: Path, log_lines: LogLines) -> None:
    async with run_nats(tmp_path, streams=False) as url:
        waiting = asyncio.create_task(open_streams(StreamOptions((url,)), "early").__aenter__())
        await until(lambda: "NATS does not answer" in str(log_lines()))
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_too_many_replicas_name_their_variable(tmp_path: Path) -> None:
    async with run_nats(tmp_path) as url:
        with pytest.raises(ConfigurationError, match="JOBS_REPLICAS"):
            async with open_streams(StreamOptions((url,), replicas=3), "test"):
                pass


async def test_connecting_without_reconnect_names_the_silent_server() -> None:
    with pytest.raises(ConfigurationError, match=r"NATS_URL .* 127\.0\.0\.1:9 does not answer") as refused:
        async with connect_nats(StreamOptions(("nats://name:secret@127.0.0.1:9",)), "test", reconnect=False):
            pass
    assert "secret" not in str(refused.value)


async def test_a_process_that_starts_creates_missing_streams(tmp_path: Path) -> None:
    async with run_nats(tmp_path) as url:
        async with open_streams(StreamOptions((url,)), "first") as streams:
            await streams.jetstream.delete_stream(QUEUE)
            with pytest.raises(NotFoundError):
                await streams.jetstream.stream_info(QUEUE)
        async with open_streams(StreamOptions((url,)), "second") as streams:
            assert (await streams.jetstream.stream_info(QUEUE)).state.messages == 0


async def test_a_refused_request_is_not_sent_after_an_outage(tmp_path: Path) -> None:
    ports = find_free_ports(2)
    options = StreamOptions((f"nats://127.0.0.1:{ports[0]}",))
    request = JobRequest("animate", {"video": {"imageKey": "a.png", "prompt": "zoom in"}})
    async with run_nats(tmp_path, ports=(ports[0], ports[1])):
        service = open_streams(options, "service", buffer_writes=False)
        streams = await service.__aenter__()
    try:
        await until(lambda: not streams.client.is_connected)
        for _ in range(3):
            with pytest.raises(MediaError) as refused:
                await JobStore(streams).submit(request, "alice")
            assert refused.value.reason is Reason.UNAVAILABLE
        async with run_nats(tmp_path, ports=(ports[0], ports[1])):
            await until(lambda: streams.client.is_connected)
            await JobStore(streams).submit(request, "alice")
            assert (await streams.jetstream.stream_info(QUEUE)).state.messages == 1
    finally:
        await service.__aexit__(None, None, None)


async def test_list_subjects_reads_all_pages(tmp_path: Path) -> None:
    async with run_nats(tmp_path) as url, open_streams(StreamOptions((url,)), "test") as streams:
        for number in range(5):
            await streams.state.put(f"alice.{number}", b"{}")
        prefix = f"$KV.{STATE}."

        class SmallPages:
            """Return two subjects per request."""

            async def request(self, subject: str, payload: bytes, timeout: float) -> Msg:
                request = orjson.loads(payload)
                answer = await streams.client.request(subject, payload, timeout=timeout)
                reply = orjson.loads(answer.data)
                some = dict(list(reply["state"]["subjects"].items())[:2]) if reply["state"].get("subjects") else None
                reply["state"]["subjects"] = some
                assert request["subjects_filter"] == f"{prefix}>"
                answer.data = orjson.dumps(reply)
                return answer

        found = await list_subjects(cast(Client, SmallPages()), f"KV_{STATE}", f"{prefix}>")
        assert sorted(found) == [f"{prefix}alice.{number}" for number in range(5)]
        with pytest.raises(NotFoundError):
            await list_subjects(streams.client, "NOTHING", ">")


@pytest.mark.parametrize("content", [None, "no credentials"])
async def test_invalid_credentials_name_their_variable(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "user.creds"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigurationError, match="NATS_CREDENTIALS"):
        async with connect_nats(StreamOptions(("nats://127.0.0.1:1",), str(file)), "test", reconnect=False):
            pass


async def test_a_server_with_users_accepts_its_user_only(tmp_path: Path) -> None:
    authority = NatsAuthority.create()
    file = tmp_path / "user.creds"
    async with run_nats(tmp_path, streams=False, authority=authority.format_configuration()) as url:
        file.write_text(authority.issue_user())
        async with connect_nats(StreamOptions((url,), str(file)), "test", reconnect=False) as client:
            assert client.is_connected
        file.write_text(NatsAuthority.create().issue_user())
        for credentials in (str(file), ""):
            with pytest.raises(ConfigurationError, match="accepts this client"):
                async with connect_nats(StreamOptions((url,), credentials), "test", reconnect=False):
                    pass

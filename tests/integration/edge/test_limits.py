"""Tests of the limits of the edge; each runs its own edge."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2
from media.tts.v1 import tts_pb2

from deploy.local.dev_keys import issue_token
from deploy.local.ports import find_free_ports
from services.common.rpc.addresses import Address
from tests.fakes.edge import make_edge_settings, run_envoy
from tests.fakes.upstream import LOOPBACK, run_upstreams
from tests.integration.edge.harness import API_KEY, EdgeHarness, run_harness


async def _count_statuses(harness: EdgeHarness, path: str, headers: dict[str, str], count: int) -> Counter[int]:
    return Counter([(await harness.send("GET", path, headers)).status for _ in range(count)])


async def test_a_caller_above_its_rate_is_refused_and_others_are_not(tmp_path: Path) -> None:
    async with run_harness(tmp_path, rate_limit_per_second=1) as harness:
        alice = harness.build_bearer("alice")
        assert (await _count_statuses(harness, "/api/voices", alice, 6))[429] >= 3
        refused = await harness.send("GET", "/api/voices", alice)
        assert (refused.status, refused.code) == (429, "RATE_LIMITED")
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["x-ratelimit-limit"].startswith("2")
        for other in (harness.build_bearer("bob"), {"x-api-key": API_KEY}):
            assert (await harness.send("GET", "/api/voices", other)).status == 200
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await harness.make_speech_stub().GetVoice(
                tts_pb2.GetVoiceRequest(voice="Aria"), metadata=[*alice.items()], timeout=5
            )
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_caller_without_a_credential_is_counted_by_address(tmp_path: Path) -> None:
    async with run_harness(tmp_path, rate_limit_per_second=1) as harness:
        assert (await _count_statuses(harness, "/health", {}, 6))[429] >= 3
        assert (await harness.send("GET", "/api/voices", harness.build_bearer("alice"))).status == 200


async def test_all_callers_together_are_limited(tmp_path: Path) -> None:
    async with run_harness(tmp_path, rate_limit_total_per_second=1) as harness:
        statuses = [
            (await harness.send("GET", "/api/voices", harness.build_bearer(f"caller-{n}"))).status for n in range(6)
        ]
        assert statuses.count(429) >= 3


async def test_a_refused_request_does_not_count_for_other_callers(tmp_path: Path) -> None:
    async with run_harness(tmp_path, rate_limit_total_per_second=1) as harness:
        assert await _count_statuses(harness, "/api/voices", {}, 10) == {401: 10}
        assert await _count_statuses(harness, "/nowhere", {}, 10) == {404: 10}
        assert (await harness.send("GET", "/api/voices", harness.build_bearer())).status == 200


async def test_an_answer_that_takes_too_long_is_a_deadline(tmp_path: Path) -> None:
    async with run_harness(tmp_path, unary_timeout_seconds=0.2) as harness:
        answer = await harness.send("POST", "/api/speech", harness.build_bearer(), b"{}")
        assert (answer.status, answer.code) == (504, "DEADLINE_EXCEEDED")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await harness.make_speech_stub().Synthesize(
                tts_pb2.SynthesizeRequest(text="Hello."), metadata=[*harness.build_bearer().items()], timeout=10
            )
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_silent_stream_is_cut(tmp_path: Path) -> None:
    async with run_harness(tmp_path, stream_idle_timeout_seconds=0.2) as harness:
        url = f"{harness.edge.url}/api/speech/stream"
        async with harness.session.post(url, headers=harness.build_bearer(), data=b"{}") as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()


async def test_a_lost_service_does_not_affect_the_others(tmp_path: Path) -> None:
    gone = Address(LOOPBACK, find_free_ports(1)[0])
    async with run_harness(tmp_path, gateway_address=gone) as harness:
        answer = await harness.send("GET", "/api/voices", harness.build_bearer())
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        assert answer.headers["retry-after"] == "1"
        await harness.make_speech_stub().GetVoice(
            tts_pb2.GetVoiceRequest(voice="Aria"), metadata=[*harness.build_bearer().items()], timeout=5
        )


async def test_the_health_of_the_suite_is_reachable_while_a_service_is_down(tmp_path: Path) -> None:
    async with run_upstreams() as upstreams:
        await upstreams.common_health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        settings = make_edge_settings(tmp_path, **upstreams.get_addresses())
        async with (
            run_envoy(settings, tmp_path / "edge.log") as edge,
            grpc.aio.insecure_channel(edge.target) as channel,
        ):
            check: grpc.aio.UnaryUnaryMultiCallable[Any, Any] = channel.unary_unary("/grpc.health.v1.Health/Check")
            token = issue_token(tmp_path, "operator")
            answer = await check(b"", metadata=[("authorization", f"Bearer {token}")], timeout=5)
            status = health_pb2.HealthCheckResponse.FromString(answer).status
            assert status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_a_second_edge_on_the_same_port_does_not_start(tmp_path: Path) -> None:
    async with run_harness(tmp_path) as harness:
        settings = make_edge_settings(tmp_path, port=harness.edge.settings.port)
        with pytest.raises(RuntimeError, match=r"Address .*in use"):
            async with run_envoy(settings, tmp_path / "second.log"):
                pass

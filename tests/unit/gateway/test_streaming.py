"""Tests of answers with one JSON object a line: each line is sent at once, and a failure cuts the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import grpc
import orjson
import pytest
from aiohttp import web
from google.protobuf import wrappers_pb2

from gateway.errors import handle_errors
from gateway.http_server import run_http
from gateway.streaming import NDJSON, Lines, send_lines
from services.common.errors import MediaError, Reason, invalid
from services.common.rpc.call_limits import DEFAULT_CALL_LIMITS
from tests.fakes.counting import LiveCount
from tests.fakes.grpc_server import UNARY, Call, Context, Request, build_probe, run_test_server

Step = dict[str, object] | asyncio.Event | BaseException


class Script:
    """Yields lines, waits and fails as scripted; `live` counts the running generators."""

    def __init__(self, *steps: Step) -> None:
        self.steps = steps
        self.live = LiveCount()

    async def run(self) -> Lines:
        """Run the steps."""
        with self.live.one():
            for step in self.steps:
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, BaseException):
                    raise step
                else:
                    yield step


@asynccontextmanager
async def run_script(script: Script, *opening: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    """Run a server that answers with the lines of a script, and yield a session with its base URL."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await send_lines(request, script.run(), DEFAULT_CALL_LIMITS, opening=opening)

    app = web.Application(middlewares=[handle_errors])
    app.router.add_get("/", answer)
    async with (
        run_http(app, "127.0.0.1", 0, grace_seconds=1) as http,
        aiohttp.ClientSession(f"http://127.0.0.1:{http.port}") as session,
    ):
        yield session


async def test_each_line_is_an_object_and_the_last_one_ends_the_answer() -> None:
    script = Script({"progress": 1}, {"text": "two\nlines, \u00e9"}, {"done": True})
    async with run_script(script) as http, http.get("/", headers={"X-Request-Id": "order-1"}) as answer:
        assert (answer.status, answer.content_type) == (200, NDJSON)
        assert answer.headers["X-Request-Id"] == "order-1"
        body = await answer.read()
    assert body.count(b"\n") == 3
    assert body.endswith(b"\n")
    assert [orjson.loads(line) for line in body.splitlines()] == list(script.steps)


async def test_a_line_is_sent_when_it_is_ready() -> None:
    goes_on = asyncio.Event()
    script = Script({"progress": 1}, goes_on, {"done": True})
    async with run_script(script) as http, http.get("/") as answer:
        assert orjson.loads(await answer.content.readline()) == {"progress": 1}
        assert script.live.now == 1
        goes_on.set()
        assert orjson.loads(await answer.content.readline()) == {"done": True}
        assert await answer.content.readline() == b""


async def test_opening_lines_are_sent_in_one_write_with_the_first_line() -> None:
    async with run_script(Script({"progress": 1}, {"done": True}), {"header": 1}) as http, http.get("/") as answer:
        assert await answer.content.readchunk() == (b'{"header":1}\n{"progress":1}\n', True)
        assert await answer.content.readchunk() == (b'{"done":true}\n', True)


async def test_no_lines_are_an_empty_answer() -> None:
    async with run_script(Script()) as http, http.get("/") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


@pytest.mark.parametrize("reason", [Reason.NOT_FOUND, Reason.PROVIDER_BUSY, Reason.UNAVAILABLE])
async def test_a_failure_before_the_first_line_is_a_plain_error_response(reason: Reason) -> None:
    async with run_script(Script(MediaError(reason, "No.", retry_after_seconds=2))) as http, http.get("/") as answer:
        assert (answer.status, answer.content_type) == (reason.info.http_status, "application/json")
        assert answer.headers["Retry-After"] == "2"
        assert (await answer.json())["error"]["code"] == reason.name


async def test_a_later_failure_is_the_last_line_and_cuts_the_answer() -> None:
    script = Script({"progress": 1}, invalid("image_url", "must be readable", Reason.URL_UNREACHABLE))
    async with run_script(script) as http, http.get("/", headers={"X-Request-Id": "order-1"}) as answer:
        assert answer.status == 200
        assert orjson.loads(await answer.content.readline()) == {"progress": 1}
        error_line = orjson.loads(await answer.content.readline())
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()
    assert error_line == {
        "success": False,
        "error": {
            "code": "URL_UNREACHABLE",
            "message": "imageUrl: must be readable",
            "details": [{"field": "imageUrl", "description": "must be readable"}],
            "requestId": "order-1",
        },
    }


async def test_an_error_of_a_service_keeps_its_message() -> None:
    async def refuse(_: Request, __: Context) -> wrappers_pb2.BytesValue:
        raise MediaError(Reason.CONTENT_BLOCKED, "No.")

    async with run_test_server(build_probe({UNARY: refuse})) as service:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Call().run(service.channel, UNARY)
    async with run_script(Script({"progress": 1}, caught.value)) as http, http.get("/") as answer:
        await answer.content.readline()
        error = orjson.loads(await answer.content.readline())["error"]
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()
    assert (error["code"], error["message"]) == ("CONTENT_BLOCKED", "No.")


async def test_an_unexpected_exception_cuts_the_answer_without_a_line() -> None:
    async with run_script(Script({"progress": 1}, RuntimeError("secret"))) as http, http.get("/") as answer:
        assert orjson.loads(await answer.content.readline()) == {"progress": 1}
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.read()


@pytest.mark.parametrize("beginning", [(), ({"progress": 1},)], ids=["before the first line", "between two lines"])
async def test_a_disconnect_closes_the_lines(beginning: tuple[Step, ...]) -> None:
    script = Script(*beginning, asyncio.Event())
    async with run_script(script) as http:

        async def read_answer() -> bytes:
            async with http.get("/") as answer:
                return await answer.read()

        reading = asyncio.create_task(read_answer())
        await script.live.wait_for(1)
        reading.cancel()
        await script.live.wait_for(0)
    assert script.live.total == 1

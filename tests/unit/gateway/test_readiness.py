"""The state of the suite: one check for many questions, and a client that reads the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.readiness import Readiness, ServiceCheck
from gateway.suite_state import PATH, PartState, SuiteState, read_suite_state
from services.common import VERSION


class CountedCheck(ServiceCheck):
    """A check with a fixed result, which counts its calls."""

    def __init__(self, state: PartState) -> None:
        self.calls = 0
        self._state = state

    async def read_state(self) -> PartState:
        """Return the state after other tasks have run."""
        self.calls += 1
        await asyncio.sleep(0)
        return self._state


async def test_many_questions_share_one_check() -> None:
    check = CountedCheck(PartState.SERVING)
    readiness = Readiness({"tts": check}, lambda: False)
    states = await asyncio.gather(*(readiness.read() for _ in range(20)))
    assert check.calls == 1
    assert states[0] == SuiteState(VERSION, {"gateway": PartState.SERVING, "tts": PartState.SERVING})
    assert states[0].is_ready


async def test_a_gateway_that_drains_is_not_ready() -> None:
    state = await Readiness({"tts": CountedCheck(PartState.SERVING)}, lambda: True).read()
    assert state.parts == {"gateway": PartState.NOT_SERVING, "tts": PartState.SERVING}
    assert not state.is_ready


def test_states_are_plain_words_as_all_choices_in_json_are() -> None:
    suite = SuiteState("1.2.3", {state.name: state for state in PartState})
    words = {"SERVING": "serving", "NOT_SERVING": "not_serving", "NO_ANSWER": "no_answer"}
    assert suite.to_json() == {"ok": False, "version": "1.2.3", "parts": words}


@pytest.mark.parametrize("state", PartState)
def test_a_state_round_trips_as_json(state: PartState) -> None:
    suite = SuiteState("1.2.3", {"tts": state})
    assert SuiteState.from_json(json.dumps(suite.to_json()).encode()) == suite


@asynccontextmanager
async def serve(status: int, body: str) -> AsyncIterator[str]:
    """Serve `body` as the state of a suite, and yield the address."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_get(PATH, answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


@pytest.mark.parametrize("status", [200, 503])
async def test_a_command_reads_the_state_of_a_running_suite(status: int) -> None:
    suite = SuiteState("1.2.3", {"tts": PartState.NO_ANSWER})
    async with serve(status, json.dumps(suite.to_json())) as url:
        assert await asyncio.to_thread(read_suite_state, url, 30.0) == suite


@pytest.mark.parametrize("body", ["<html>", "[]", '{"ok": true}', '{"version": "1", "parts": {"tts": "ASLEEP"}}'])
async def test_something_else_than_a_suite_is_an_error(body: str) -> None:
    async with serve(200, body) as url:
        with pytest.raises(ValueError, match=r"."):
            await asyncio.to_thread(read_suite_state, url, 30.0)


async def test_a_suite_that_does_not_run_is_an_error() -> None:
    with pytest.raises(OSError, match=r"."):
        await asyncio.to_thread(read_suite_state, "http://127.0.0.1:9", 30.0)

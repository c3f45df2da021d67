"""Tests of the drain supervisor with a tiny process instead of Envoy and a scripted admin page."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.ports import find_free_ports
from gateway.envoy import drain_supervisor

DEADLINE_SECONDS = 20
NULL = "/dev/null"
WAITS = "import signal\nprint('up', flush=True)\nwhile True: signal.pause()\n"
ENDS_WELL = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n" + WAITS
IGNORES_SIGTERM = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + WAITS
QUIET = (0, 0)


class AdminPage:
    """Acts as Envoy's admin page: one pair of gauges for each poll, and the last pair for all later polls."""

    def __init__(self, *gauges: tuple[int, int]) -> None:
        self.port = 0
        self.requests: list[str] = []
        self._gauges = list(gauges) or [QUIET]

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = await reader.readuntil(b"\r\n\r\n")
        method, path, _ = head.decode().split(" ", 2)
        self.requests.append(f"{method} {path.partition('?')[0]}")
        body = "OK\n"
        if method == "GET":
            active, buffered = self._gauges.pop(0) if len(self._gauges) > 1 else self._gauges[0]
            body = (
                f"http.public.downstream_cx_tx_bytes_buffered: {buffered}\nhttp.public.downstream_rq_active: {active}\n"
            )
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def run_admin_page(*gauges: tuple[int, int]) -> AsyncIterator[AdminPage]:
    page = AdminPage(*gauges)
    async with await asyncio.start_server(page.receive, "127.0.0.1", 0) as server:
        page.port = server.sockets[0].getsockname()[1]
        yield page


@asynccontextmanager
async def run_supervisor(
    script: str, admin_port: int, *, notice: float = 0, grace: float = 600, form: str = "json", level: str = "INFO"
) -> AsyncIterator[Process]:
    command = [
        sys.executable,
        "-I",
        "-S",
        drain_supervisor.__file__,
        str(admin_port),
        str(notice),
        str(grace),
        form,
        level,
    ]
    envoy = [sys.executable, "-I", "-S", "-c", script]
    with open(NULL, "rb") as configuration:  # noqa: ASYNC230, PTH123 - its number is all that matters
        number = configuration.fileno()
        process = await asyncio.create_subprocess_exec(
            *command, str(number), *envoy, stdout=PIPE, stderr=PIPE, pass_fds=[number]
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def wait_until_up(process: Process) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await process.stdout.readline() == b"up\n"


async def wait_for_exit(process: Process) -> tuple[int | None, str]:
    """Return the exit code and the output."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_a_drain_fails_health_then_stops_listening_then_waits() -> None:
    async with run_admin_page((2, 0), QUIET) as page, run_supervisor(ENDS_WELL, page.port) as process:
        await wait_until_up(process)
        process.terminate()
        assert (await wait_for_exit(process))[0] == 0
        assert page.requests == ["POST /healthcheck/fail", "POST /drain_listeners", *["GET /stats"] * 3]


async def test_a_buffered_answer_is_in_flight() -> None:
    async with run_admin_page((0, 9), (0, 9), QUIET) as page, run_supervisor(ENDS_WELL, page.port) as process:
        await wait_until_up(process)
        process.terminate()
        await wait_for_exit(process)
        assert page.requests.count("GET /stats") == 4


async def test_one_poll_without_requests_does_not_end_the_drain() -> None:
    async with run_admin_page(QUIET, (1, 0), QUIET) as page, run_supervisor(ENDS_WELL, page.port) as process:
        await wait_until_up(process)
        process.terminate()
        await wait_for_exit(process)
        assert page.requests.count("GET /stats") == 4


async def test_the_drain_ends_after_the_grace() -> None:
    async with run_admin_page((1, 0)) as page, run_supervisor(ENDS_WELL, page.port, grace=0.2) as process:
        await wait_until_up(process)
        process.terminate()
        code, output = await wait_for_exit(process)
        assert code == 0
        assert [json.loads(line)["level"] for line in output.splitlines()] == ["info", "warning"]


async def test_a_second_signal_skips_the_notice() -> None:
    async with run_admin_page() as page, run_supervisor(ENDS_WELL, page.port, notice=600) as process:
        await wait_until_up(process)
        process.terminate()
        assert process.stdout is not None
        assert b"draining" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert (await wait_for_exit(process))[0] == 0
        assert "POST /drain_listeners" not in page.requests


async def test_an_envoy_that_ignores_sigterm_is_killed() -> None:
    async with run_admin_page() as page, run_supervisor(IGNORES_SIGTERM, page.port) as process:
        await wait_until_up(process)
        process.terminate()
        assert (await wait_for_exit(process))[0] == 128 + signal.SIGKILL


async def test_without_an_admin_page_envoy_is_stopped_at_once() -> None:
    async with run_supervisor(ENDS_WELL, find_free_ports(1)[0]) as process:
        await wait_until_up(process)
        process.terminate()
        code, output = await wait_for_exit(process)
        assert code == 0
        assert "without a drain" in output


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("raise SystemExit(3)", 3),
        ("import os\nos.abort()", 128 + signal.SIGABRT),
        ("raise SystemExit(0)", 0),
    ],
)
async def test_an_unexpected_exit_is_passed_on_and_logged(script: str, code: int) -> None:
    async with run_supervisor(script, 1, level="ERROR") as process:
        found, output = await wait_for_exit(process)
    assert found == code
    line = json.loads(output)
    assert (line["service"], line["event"], line["exit_code"]) == ("edge", "Envoy ended unexpectedly", code)


async def test_the_log_follows_format_and_level() -> None:
    async with run_admin_page() as page, run_supervisor(ENDS_WELL, page.port, form="console") as process:
        await wait_until_up(process)
        process.terminate()
        assert (await wait_for_exit(process))[1].endswith("Z info draining\n")
    async with run_admin_page() as page, run_supervisor(ENDS_WELL, page.port, level="WARNING") as process:
        await wait_until_up(process)
        process.terminate()
        assert (await wait_for_exit(process))[1] == ""


async def test_a_missing_executable_is_reported() -> None:
    command = [sys.executable, "-I", "-S", drain_supervisor.__file__, "1", "0", "0", "json", "INFO"]
    with open(NULL, "rb") as configuration:  # noqa: ASYNC230, PTH123 - its number is all that matters
        number = configuration.fileno()
        process = await asyncio.create_subprocess_exec(
            *command, str(number), "/nowhere/envoy", stdout=PIPE, stderr=PIPE, pass_fds=[number]
        )
    async with asyncio.timeout(DEADLINE_SECONDS):
        _, errors = await process.communicate()
    assert process.returncode == drain_supervisor.EXIT_NOT_STARTED
    assert b"cannot be started" in errors

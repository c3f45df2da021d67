"""Tests of starting, restarting and stopping, with real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from deploy.local.processes import Process
from deploy.local.settings import ROOT
from deploy.local.shutdown import StopRequest, catch_stop_signals
from deploy.local.supervisor import Options, SuiteError, run_processes
from tests.fakes.children import (
    DEADLINE_SECONDS,
    FAIL,
    FORK_AND_WAIT,
    IGNORE_SIGTERM,
    PRINT_AND_WAIT,
    RecordingOutput,
    ReportServer,
    run_report_server,
)

OPTIONS = Options(ready_seconds=DEADLINE_SECONDS, stop_seconds=4.0, poll_seconds=0, backoff_seconds=0)


@pytest.fixture
async def server() -> AsyncIterator[ReportServer]:
    async with run_report_server() as report_server:
        yield report_server


@pytest.fixture
def output() -> RecordingOutput:
    return RecordingOutput()


@pytest.fixture
async def stop() -> StopRequest:
    return StopRequest()


async def is_never_ready() -> bool:
    return False


async def wait_forever() -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        await asyncio.Event().wait()


async def test_the_context_is_entered_when_all_processes_are_ready_and_stops_them_at_its_end(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    async with run_processes([server.make_process("one"), server.make_process("two")], output, stop, OPTIONS):
        assert {process.name for process in server.processes} == {"one", "two"}
        assert server.ended_names == []
    await server.wait_until_all_ended()


async def test_processes_stop_in_reverse_order_of_the_table(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    suite = [server.make_process(name) for name in ("one", "two", "three")]
    async with run_processes(suite, output, stop, OPTIONS):
        pass
    await server.wait_until_all_ended()
    assert server.ended_names == ["three", "two", "one"]


async def test_a_process_starts_after_the_processes_that_it_needs(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    suite = [server.make_process("late", after=("early",)), server.make_process("early")]
    async with run_processes(suite, output, stop, OPTIONS):
        assert [process.name for process in server.processes] == ["early", "late"]


async def test_a_process_leads_its_own_session_so_that_ctrl_c_does_not_reach_it(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    async with run_processes([server.make_process("one")], output, stop, OPTIONS):
        pid = server.processes[0].pid
        assert os.getsid(pid) == pid == os.getpgid(pid)


async def test_lines_of_both_streams_are_forwarded(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    async with run_processes([server.make_process("one", PRINT_AND_WAIT)], output, stop, OPTIONS):
        pass
    assert output.lines == [("one", "to stdout"), ("one", "to stderr")]


async def test_a_process_that_ends_before_all_are_ready_fails_the_suite_with_its_last_lines(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    dies = replace(server.make_process("dies", FAIL), ready=is_never_ready)
    with pytest.raises(SuiteError, match=r"dies ended with exit code 3 before the suite was ready\.") as failure:
        async with run_processes([server.make_process("lives"), dies], output, stop, OPTIONS):
            pytest.fail("the suite cannot be ready")
    assert "no such luck" in str(failure.value)
    await server.wait_until_all_ended()


async def test_the_error_names_a_command_that_does_not_exist(output: RecordingOutput, stop: StopRequest) -> None:
    nothing = Process("nothing", ("/no/such/command",), {}, is_never_ready)
    with pytest.raises(SuiteError, match="nothing cannot be started: /no/such/command: No such file"):
        async with run_processes([nothing], output, stop, OPTIONS):
            pytest.fail("the suite cannot be ready")


async def test_the_error_names_processes_that_are_not_ready_in_time_with_their_last_lines(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    slow = replace(server.make_process("slow", PRINT_AND_WAIT), ready=is_never_ready)
    suite = [slow, server.make_process("other", after=("slow",))]
    with pytest.raises(SuiteError) as failure:
        async with run_processes(suite, output, stop, replace(OPTIONS, ready_seconds=0.5, poll_seconds=0.05)):
            pytest.fail("the suite cannot be ready")
    assert "The suite is not ready after 0.5 s." in str(failure.value)
    assert "slow runs, but is not ready." in str(failure.value)
    assert "other waits for slow." in str(failure.value)
    await server.wait_until_all_ended()


async def test_a_process_that_ends_is_restarted(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    async with run_processes([server.make_process("one"), server.make_process("two")], output, stop, OPTIONS):
        os.kill(server.processes[0].pid, signal.SIGKILL)
        again = await server.wait_for_process(server.processes[0].name, 2)
        assert again.pid != server.processes[0].pid
    await server.wait_until_all_ended()
    assert f"{again.name} was ended by SIGKILL; starting it again in 0 s" in output.notes


async def test_children_of_a_dead_process_are_killed_before_it_is_restarted(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    async with run_processes([server.make_process("one", FORK_AND_WAIT)], output, stop, OPTIONS):
        orphan = await server.wait_for_process("one-child")
        os.kill((await server.wait_for_process("one")).pid, signal.SIGKILL)
        await server.wait_for_process("one", 2)
        await server.wait_for_end(orphan)
        assert orphan.ended.is_set()
    await server.wait_until_all_ended()


async def test_a_process_that_ends_quickly_too_often_fails_the_suite(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    options = replace(OPTIONS, quick_deaths=2, quick_seconds=DEADLINE_SECONDS)

    async def kill_each_start() -> None:
        for number in (1, 2, 3):
            os.kill((await server.wait_for_process("one", number)).pid, signal.SIGKILL)
        await wait_forever()

    with pytest.raises(SuiteError, match="one was ended by SIGKILL too often; giving up"):
        async with run_processes([server.make_process("one"), server.make_process("two")], output, stop, options):
            await kill_each_start()
    await server.wait_until_all_ended()


async def test_a_process_that_ran_long_enough_is_always_restarted(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    async with run_processes(
        [server.make_process("one")], output, stop, replace(OPTIONS, quick_deaths=1, quick_seconds=0)
    ):
        for number in (1, 2, 3):
            os.kill((await server.wait_for_process("one", number)).pid, signal.SIGKILL)
        fourth = await server.wait_for_process("one", 4)
        assert not fourth.ended.is_set()


async def test_a_process_that_ignores_sigterm_is_killed(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    suite = [server.make_process("one"), server.make_process("deaf", IGNORE_SIGTERM)]
    async with run_processes(suite, output, stop, replace(OPTIONS, stop_seconds=0.3)):
        pass
    assert "deaf does not stop; killing it" in output.notes
    await server.wait_until_all_ended()
    assert server.ended_names == ["one", "deaf"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_stops_everything_in_order(
    number: signal.Signals, server: ReportServer, output: RecordingOutput
) -> None:
    with catch_stop_signals() as stop:
        async with run_processes([server.make_process("one"), server.make_process("two")], output, stop, OPTIONS):
            signal.raise_signal(number)
            await wait_forever()
    assert stop.requested
    await server.wait_until_all_ended()
    assert server.ended_names == ["two", "one"]


async def test_a_signal_stops_a_suite_that_is_not_ready_yet(server: ReportServer, output: RecordingOutput) -> None:
    slow = replace(server.make_process("slow"), ready=is_never_ready)

    async def stop_when_started() -> None:
        await server.wait_for_process("slow")
        signal.raise_signal(signal.SIGTERM)

    stopping = asyncio.create_task(stop_when_started())
    with catch_stop_signals() as stop:
        async with run_processes([slow], output, stop, replace(OPTIONS, poll_seconds=0.05)):
            await wait_forever()
    await stopping
    await server.wait_until_all_ended()
    assert stop.requested
    assert server.ended_names == ["slow"]


async def test_a_second_signal_kills_the_remaining_processes(server: ReportServer, output: RecordingOutput) -> None:
    options = replace(OPTIONS, stop_seconds=3600)
    with catch_stop_signals() as stop:
        async with run_processes([server.make_process("deaf", IGNORE_SIGTERM)], output, stop, options):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            await wait_forever()
    await server.wait_until_all_ended()
    assert stop.urgent.is_set()
    assert server.ended_names == ["deaf"]


async def test_an_error_inside_the_context_is_raised_unchanged(
    server: ReportServer, output: RecordingOutput, stop: StopRequest
) -> None:
    with pytest.raises(LookupError, match="inside"):
        async with run_processes([server.make_process("one")], output, stop, OPTIONS):
            raise LookupError("inside")
    await server.wait_until_all_ended()


@asynccontextmanager
async def run_supervisor(server: ReportServer) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a supervisor in a process of its own, with three processes below it."""
    command = (sys.executable, "-m", "tests.fakes.supervised", str(server.port))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        # A process may report before the supervisor has registered it with the watchdog.
        registered = {(await process.stdout.readline()).decode().strip() for _ in range(2)}
        assert registered == {"deaf", "parent"}
        for name in ("deaf", "parent", "parent-child"):
            await server.wait_for_process(name)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_no_process_remains_after_the_supervisor_is_killed(server: ReportServer) -> None:
    async with run_supervisor(server) as supervisor:
        supervisor.kill()
        await supervisor.wait()
        await server.wait_until_all_ended()
    assert sorted(server.ended_names) == ["deaf", "parent", "parent-child"]


async def test_no_process_remains_after_the_supervisor_is_terminated(server: ReportServer) -> None:
    async with run_supervisor(server) as supervisor:
        supervisor.terminate()
        assert await supervisor.wait() == 0
        await server.wait_until_all_ended()
    assert sorted(server.ended_names) == ["deaf", "parent", "parent-child"]

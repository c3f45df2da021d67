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
from deploy.local.supervisor import Options, SuiteFailed, run_processes
from tests.fakes.children import (
    DEADLINE_SECONDS,
    DIES,
    HAS_A_CHILD,
    IGNORES_SIGTERM,
    SPEAKS,
    Home,
    Notebook,
    open_home,
)

OPTIONS = Options(ready_seconds=DEADLINE_SECONDS, stop_seconds=4.0, poll_seconds=0, backoff_seconds=0)


@pytest.fixture
async def home() -> AsyncIterator[Home]:
    async with open_home() as opened:
        yield opened


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
async def stop() -> StopRequest:
    return StopRequest()


async def never() -> bool:
    return False


async def for_ever() -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        await asyncio.Event().wait()


async def test_the_context_is_entered_once_every_process_is_ready_and_leaves_none(
    home: Home, notebook: Notebook, stop: StopRequest
) -> None:
    async with run_processes([home.process("one"), home.process("two")], notebook, stop, OPTIONS):
        assert {guest.name for guest in home.guests} == {"one", "two"}
        assert home.departures == []
    await home.empty()


async def test_processes_stop_in_the_opposite_order_of_the_table(
    home: Home, notebook: Notebook, stop: StopRequest
) -> None:
    suite = [home.process(name) for name in ("one", "two", "three")]
    async with run_processes(suite, notebook, stop, OPTIONS):
        pass
    await home.empty()
    assert home.departures == ["three", "two", "one"]


async def test_a_process_starts_after_those_it_needs(home: Home, notebook: Notebook, stop: StopRequest) -> None:
    suite = [home.process("late", after=("early",)), home.process("early")]
    async with run_processes(suite, notebook, stop, OPTIONS):
        assert [guest.name for guest in home.guests] == ["early", "late"]


async def test_a_process_leads_a_session_of_its_own_so_that_no_ctrl_c_reaches_it(
    home: Home, notebook: Notebook, stop: StopRequest
) -> None:
    async with run_processes([home.process("one")], notebook, stop, OPTIONS):
        pid = home.guests[0].pid
        assert os.getsid(pid) == pid == os.getpgid(pid)


async def test_lines_of_both_streams_are_passed_on(home: Home, notebook: Notebook, stop: StopRequest) -> None:
    async with run_processes([home.process("one", SPEAKS)], notebook, stop, OPTIONS):
        pass
    assert notebook.lines == [("one", "to stdout"), ("one", "to stderr")]


async def test_a_death_before_all_are_ready_ends_the_suite_with_the_last_lines(
    home: Home, notebook: Notebook, stop: StopRequest
) -> None:
    dies = replace(home.process("dies", DIES), ready=never)
    with pytest.raises(SuiteFailed, match=r"dies ended with exit code 3 before the suite was ready\.") as failure:
        async with run_processes([home.process("lives"), dies], notebook, stop, OPTIONS):
            pytest.fail("the suite cannot be ready")
    assert "no such luck" in str(failure.value)
    await home.empty()


async def test_a_command_that_does_not_exist_is_named(notebook: Notebook, stop: StopRequest) -> None:
    nothing = Process("nothing", ("/no/such/command",), {}, never)
    with pytest.raises(SuiteFailed, match="nothing cannot be started: /no/such/command: No such file"):
        async with run_processes([nothing], notebook, stop, OPTIONS):
            pytest.fail("the suite cannot be ready")


async def test_what_is_not_ready_in_time_is_named_with_its_last_lines(
    home: Home, notebook: Notebook, stop: StopRequest
) -> None:
    slow = replace(home.process("slow", SPEAKS), ready=never)
    suite = [slow, home.process("other", after=("slow",))]
    with pytest.raises(SuiteFailed) as failure:
        async with run_processes(suite, notebook, stop, replace(OPTIONS, ready_seconds=0.5, poll_seconds=0.05)):
            pytest.fail("the suite cannot be ready")
    assert "The suite is not ready after 0.5 s." in str(failure.value)
    assert "slow runs, but is not ready." in str(failure.value)
    assert "other waits for slow." in str(failure.value)
    await home.empty()


async def test_a_process_that_dies_is_started_again(home: Home, notebook: Notebook, stop: StopRequest) -> None:
    async with run_processes([home.process("one"), home.process("two")], notebook, stop, OPTIONS):
        os.kill(home.guests[0].pid, signal.SIGKILL)
        again = await home.guest(home.guests[0].name, 2)
        assert again.pid != home.guests[0].pid
    await home.empty()
    assert f"{again.name} was ended by SIGKILL; starting it again in 0 s" in notebook.notes


async def test_what_a_dead_process_leaves_is_ended_before_its_next_life(
    home: Home, notebook: Notebook, stop: StopRequest
) -> None:
    async with run_processes([home.process("one", HAS_A_CHILD)], notebook, stop, OPTIONS):
        orphan = await home.guest("one-child")
        os.kill((await home.guest("one")).pid, signal.SIGKILL)
        await home.guest("one", 2)
        await home.left(orphan)
    await home.empty()


async def test_a_process_that_keeps_dying_is_given_up(home: Home, notebook: Notebook, stop: StopRequest) -> None:
    options = replace(OPTIONS, quick_deaths=2, quick_seconds=DEADLINE_SECONDS)

    async def kill_each_life() -> None:
        for number in (1, 2, 3):
            os.kill((await home.guest("one", number)).pid, signal.SIGKILL)
        await for_ever()

    with pytest.raises(SuiteFailed, match="one was ended by SIGKILL, time and again; giving up"):
        async with run_processes([home.process("one"), home.process("two")], notebook, stop, options):
            await kill_each_life()
    await home.empty()


async def test_a_process_that_lived_long_is_not_given_up(home: Home, notebook: Notebook, stop: StopRequest) -> None:
    async with run_processes([home.process("one")], notebook, stop, replace(OPTIONS, quick_deaths=1, quick_seconds=0)):
        for number in (1, 2, 3):
            os.kill((await home.guest("one", number)).pid, signal.SIGKILL)
        await home.guest("one", 4)


async def test_a_process_that_ignores_sigterm_is_killed(home: Home, notebook: Notebook, stop: StopRequest) -> None:
    suite = [home.process("one"), home.process("deaf", IGNORES_SIGTERM)]
    async with run_processes(suite, notebook, stop, replace(OPTIONS, stop_seconds=0.3)):
        pass
    assert "deaf does not stop; killing it" in notebook.notes
    await home.empty()
    assert home.departures == ["one", "deaf"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_stops_everything_in_order(number: signal.Signals, home: Home, notebook: Notebook) -> None:
    with catch_stop_signals() as stop:
        async with run_processes([home.process("one"), home.process("two")], notebook, stop, OPTIONS):
            signal.raise_signal(number)
            await for_ever()
    assert stop.asked
    await home.empty()
    assert home.departures == ["two", "one"]


async def test_a_signal_before_the_suite_is_ready_stops_it_too(home: Home, notebook: Notebook) -> None:
    slow = replace(home.process("slow"), ready=never)

    async def stop_when_started() -> None:
        await home.guest("slow")
        signal.raise_signal(signal.SIGTERM)

    stopping = asyncio.create_task(stop_when_started())
    with catch_stop_signals() as stop:
        async with run_processes([slow], notebook, stop, replace(OPTIONS, poll_seconds=0.05)):
            await for_ever()
    await stopping
    await home.empty()


async def test_a_second_signal_does_not_wait(home: Home, notebook: Notebook) -> None:
    patient = replace(OPTIONS, stop_seconds=3600)
    with catch_stop_signals() as stop:
        async with run_processes([home.process("deaf", IGNORES_SIGTERM)], notebook, stop, patient):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            await for_ever()
    await home.empty()


async def test_a_failure_inside_the_context_comes_out_as_it_is(
    home: Home, notebook: Notebook, stop: StopRequest
) -> None:
    with pytest.raises(LookupError, match="inside"):
        async with run_processes([home.process("one")], notebook, stop, OPTIONS):
            raise LookupError("inside")
    await home.empty()


@asynccontextmanager
async def a_supervisor(home: Home) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a supervisor in a process of its own, with three processes below it."""
    command = (sys.executable, "-m", "tests.fakes.supervised", str(home.port))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        for name in ("deaf", "parent", "parent-child"):
            await home.guest(name)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_no_process_is_left_when_the_supervisor_itself_is_killed(home: Home) -> None:
    async with a_supervisor(home) as supervisor:
        supervisor.kill()
        await supervisor.wait()
        await home.empty()
    assert sorted(home.departures) == ["deaf", "parent", "parent-child"]


async def test_no_process_is_left_when_the_supervisor_is_terminated(home: Home) -> None:
    async with a_supervisor(home) as supervisor:
        supervisor.terminate()
        assert await supervisor.wait() == 0
        await home.empty()

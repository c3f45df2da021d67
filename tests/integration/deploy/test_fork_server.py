"""Tests of the fork server: a forked process behaves like one that `python -m` starts."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.local.fork_server import PRELOADED, ForkRequest, parse_command, start_fork_server
from deploy.local.settings import ROOT

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="there is no fork server on this system")


async def run_host(request: str) -> Any:
    """Return what a supervisor with a fork server reports about one process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.fork_server_host", request),
        stdout=asyncio.subprocess.PIPE,
        env=environment,
    )
    async with asyncio.timeout(30):
        report, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(report)


@on_linux
async def test_a_forked_process_behaves_like_python_m() -> None:
    report = await run_host("exits")
    state = json.loads(report["lines"][0])
    assert state.pop("pid") != report["host"]
    assert state == {
        "argv": ["exits"],
        "folder": str(ROOT),
        "word": "given",
        "home": False,
        "leads_a_session": True,
        "parent": report["host"],
        "stdin": "",
        "is_preloaded": True,
        "package": "tests.fakes",
    }
    assert report["code"] == 3


@on_linux
async def test_a_signal_ends_a_forked_process() -> None:
    assert (await run_host("waits"))["code"] == -signal.SIGTERM


@on_linux
async def test_a_forked_process_that_fails_prints_its_error_and_has_an_exit_code() -> None:
    report = await run_host("raises")
    assert report["code"] == 1
    assert report["lines"][-1] == "RuntimeError: no such luck"


@on_linux
@pytest.mark.parametrize("behavior", ["exits", "waits", "raises", "is abandoned"])
async def test_no_process_remains_of_the_fork_server_and_its_forks(behavior: str) -> None:
    assert (await run_host(behavior))["children"] == []


@on_linux
async def test_a_supervisor_without_standard_input_can_fork() -> None:
    command = f"exec {shlex.quote(sys.executable)} -m tests.fakes.fork_server_host exits <&-"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE, env=environment)
    async with asyncio.timeout(30):
        report, _ = await process.communicate()
    assert json.loads(report)["code"] == 3


@on_linux
async def test_a_forked_process_that_is_never_released_exits_without_output() -> None:
    report = await run_host("is abandoned")
    assert (report["code"], report["lines"]) == (0, [])


@on_linux
async def test_without_a_fork_server_a_process_starts_as_a_new_interpreter() -> None:
    report = await run_host("has lost its fork server")
    state = json.loads(report["lines"][0])
    assert (state["argv"], state["parent"]) == (["has lost its fork server"], report["host"])
    assert state["is_preloaded"] is False


@pytest.mark.parametrize("argv", [("nats-server",), ("/usr/bin/other", "-m", "gateway"), (sys.executable, "x.py")])
def test_only_python_m_commands_are_forked(argv: tuple[str, ...]) -> None:
    assert parse_command(argv, {}, Path("/")) is None


def test_a_command_becomes_a_fork_request() -> None:
    argv = (sys.executable, "-m", "gateway.envoy", "run")
    assert parse_command(argv, {"A": "b"}, Path("/x")) == ForkRequest("gateway.envoy", ["run"], {"A": "b"}, "/x")


async def test_a_process_with_an_event_loop_and_threads_has_no_fork_server() -> None:
    await asyncio.to_thread(lambda: None)
    with start_fork_server() as fork_server:
        assert fork_server is None


def test_every_preloaded_module_exists() -> None:
    for module in PRELOADED:
        assert (ROOT / f"{module.replace('.', '/')}.py").exists() or (ROOT / module.replace(".", "/")).is_dir()

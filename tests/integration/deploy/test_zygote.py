"""Processes that are forked from one that has imported everything: they are what `python -m` would have made."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.local.settings import ROOT
from deploy.local.zygote import IMPORTED, Order, parse_command, start_zygote

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every process starts by itself")


async def hosted(request: str) -> Any:
    """Return what a supervisor with a zygote tells of one process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.fakes.zygote_host", request), stdout=asyncio.subprocess.PIPE, env=environment
    )
    async with asyncio.timeout(30):
        told, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(told)


@on_linux
async def test_a_copy_is_what_python_would_have_made_of_the_module() -> None:
    told = await hosted("exits")
    found = json.loads(told["lines"][0])
    assert found.pop("pid") != told["host"]
    assert found == {
        "argv": ["exits"],
        "folder": str(ROOT),
        "word": "given",
        "home": False,
        "leads_a_session": True,
        "parent": told["host"],
        "stdin": "",
        "found_imported": True,
        "package": "tests.fakes",
    }
    assert told["code"] == 3


@on_linux
async def test_a_copy_ends_by_a_signal_as_any_process_does() -> None:
    assert (await hosted("waits"))["code"] == -signal.SIGTERM


@on_linux
async def test_a_copy_that_fails_says_why_and_has_an_exit_code() -> None:
    told = await hosted("raises")
    assert told["code"] == 1
    assert told["lines"][-1] == "RuntimeError: no such luck"


@on_linux
@pytest.mark.parametrize("behavior", ["exits", "waits", "raises", "is not let go"])
async def test_nothing_is_left_of_the_zygote_and_its_copies(behavior: str) -> None:
    assert (await hosted(behavior))["children"] == []


@on_linux
async def test_a_supervisor_without_standard_input_starts_copies_all_the_same() -> None:
    command = f"exec {sys.executable} -m tests.fakes.zygote_host exits <&-"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.PIPE, env=environment)
    async with asyncio.timeout(30):
        told, _ = await process.communicate()
    assert json.loads(told)["code"] == 3


@on_linux
async def test_a_copy_that_nobody_lets_go_ends_without_a_word() -> None:
    told = await hosted("is not let go")
    assert (told["code"], told["lines"]) == (0, [])


@on_linux
async def test_without_a_zygote_a_process_starts_by_itself() -> None:
    told = await hosted("has lost its zygote")
    found = json.loads(told["lines"][0])
    assert (found["argv"], found["parent"]) == (["has lost its zygote"], told["host"])
    assert found["found_imported"] is False


@pytest.mark.parametrize("argv", [("nats-server",), ("/usr/bin/other", "-m", "gateway"), (sys.executable, "x.py")])
def test_what_is_no_module_of_this_python_is_not_for_a_zygote(argv: tuple[str, ...]) -> None:
    assert parse_command(argv, {}, Path("/")) is None


def test_an_order_is_the_command_in_other_words() -> None:
    argv = (sys.executable, "-m", "gateway.envoy", "run")
    assert parse_command(argv, {"A": "b"}, Path("/x")) == Order("gateway.envoy", ["run"], {"A": "b"}, "/x")


async def test_a_process_with_an_event_loop_and_threads_has_no_zygote() -> None:
    await asyncio.to_thread(lambda: None)
    with start_zygote() as zygote:
        assert zygote is None


def test_what_is_imported_beforehand_is_there_to_be_imported() -> None:
    for module in IMPORTED:
        assert (ROOT / f"{module.replace('.', '/')}.py").exists() or (ROOT / module.replace(".", "/")).is_dir()

"""Tests of the command `run` as a whole, with one small process in place of the suite."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.child import Pipe
from deploy.local.ports import EDGE, choose_free_ports
from deploy.local.settings import ROOT
from tests.fakes.children import DEADLINE_SECONDS

RUN = (
    "import asyncio; from deploy.local.suite import run_suite; from deploy.local.settings import LocalSettings;"
    "from tests.fakes.tiny_edge import SPEC; asyncio.run(run_suite(LocalSettings(), [SPEC]))"
)


@dataclass(frozen=True, slots=True)
class Run:
    """The command `run` while it runs."""

    process: asyncio.subprocess.Process
    output: Pipe
    port: int

    async def read_until(self, text: str) -> str:
        """Return its output up to and including `text`."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return (await self.output.reader.readuntil(text.encode())).decode()

    async def wait_for_exit(self) -> int:
        """Wait until it ends and return its exit code."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.process.wait()


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    port = choose_free_ports([EDGE])[EDGE.variable]
    environment = {**os.environ, EDGE.variable: str(port), "MEDIA_RUN_DIR": str(tmp_path)}
    output, writing_end = await Pipe.open()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, cwd=ROOT, env=environment, stdout=writing_end
    )
    os.close(writing_end)
    yield Run(process, output, port)
    if process.returncode is None:
        process.kill()
    await process.wait()
    output.close()


async def test_run_prints_its_addresses_and_ends_with_exit_code_0_on_ctrl_c(run: Run, tmp_path: Path) -> None:
    text = await run.read_until("Ctrl-C stops everything.")
    assert text.startswith("suite | starting edge\n")
    assert f"  edge      localhost:{run.port}" in text
    assert f"  state     {tmp_path}" in text
    run.process.send_signal(signal.SIGINT)
    await run.read_until("suite | stopped\n")
    assert await run.wait_for_exit() == 0


async def test_run_ends_with_exit_code_0_when_its_terminal_is_closed(run: Run) -> None:
    await run.read_until("Ctrl-C stops everything.")
    run.output.close()
    run.process.send_signal(signal.SIGHUP)
    assert await run.wait_for_exit() == 0

"""Tests of the commands `run` and `demo` as a whole, with one small process in place of the suite."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deploy.local.child import Pipe
from deploy.local.demo import Wish, demonstrate
from deploy.local.ports import EDGE, choose_free
from deploy.local.settings import ROOT, LocalSettings
from deploy.local.supervisor import SuiteFailed
from tests.fakes.children import DEADLINE_SECONDS
from tests.fakes.tiny_edge import ALIGNMENT, AUDIO, ROW

RUN = (
    "import asyncio; from deploy.local.suite import run_suite; from deploy.local.settings import LocalSettings;"
    "from tests.fakes.tiny_edge import ROW; asyncio.run(run_suite(LocalSettings(), [ROW]))"
)


@dataclass(frozen=True, slots=True)
class Run:
    """The command `run` at work."""

    process: asyncio.subprocess.Process
    output: Pipe
    port: int

    async def says(self, until: str) -> str:
        """Returns what it says up to and with `until`."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return (await self.output.reader.readuntil(until.encode())).decode()

    async def ends(self) -> int:
        """Returns its exit code."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await self.process.wait()


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[Run]:
    port = choose_free([EDGE])[EDGE.variable]
    environment = {**os.environ, EDGE.variable: str(port), "MEDIA_RUN_DIR": str(tmp_path)}
    output, outer = await Pipe.open()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", RUN, cwd=ROOT, env=environment, stdout=outer)
    os.close(outer)
    yield Run(process, output, port)
    if process.returncode is None:
        process.kill()
    await process.wait()
    output.close()


async def test_run_says_what_is_where_and_ends_well_on_ctrl_c(run: Run, tmp_path: Path) -> None:
    text = await run.says("Ctrl-C stops everything.")
    assert text.startswith("suite | starting edge\n")
    assert f"  edge      localhost:{run.port}" in text
    assert f"  state     {tmp_path}" in text
    run.process.send_signal(signal.SIGINT)
    await run.says("suite | stopped\n")
    assert await run.ends() == 0


async def test_run_ends_well_when_its_terminal_is_closed(run: Run) -> None:
    await run.says("Ctrl-C stops everything.")
    run.output.close()
    run.process.send_signal(signal.SIGHUP)
    assert await run.ends() == 0


async def test_demo_leaves_speech_and_its_alignment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = LocalSettings(run_dir=tmp_path)
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await demonstrate(settings, Wish("Hi"), [ROW])
    assert (tmp_path / "demo" / "speech.mp3").read_bytes() == AUDIO
    assert json.loads((tmp_path / "demo" / "alignment.json").read_text()) == ALIGNMENT
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'demo' / 'speech.mp3'}: 1.0 s of speech by espeak, 16 bytes" in printed
    assert "each of 2 characters" in printed


async def test_a_demo_that_can_not_start_shows_why(tmp_path: Path) -> None:
    broken = replace(ROW, command=("python", "-c", "import sys; sys.exit('no luck today')"))
    with pytest.raises(SuiteFailed, match="no luck today"):
        await demonstrate(LocalSettings(run_dir=tmp_path), Wish("Hi"), [broken])
    assert "no luck today" in (tmp_path / "logs" / "edge.log").read_text()


async def test_a_demo_that_is_stopped_says_so(tmp_path: Path) -> None:
    never_ready = replace(ROW, ready="http://127.0.0.1:{MEDIA_PORT}/nothing")
    demo = asyncio.create_task(demonstrate(LocalSettings(run_dir=tmp_path), Wish("Hi"), [never_ready]))
    # One turn of the loop takes the demo to its first wait, where it can be stopped.
    await asyncio.sleep(0)
    signal.raise_signal(signal.SIGINT)
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert not await demo

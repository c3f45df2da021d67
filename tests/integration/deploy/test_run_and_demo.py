"""Tests of the commands `run` and `demo` as a whole, with one small process in place of the suite."""

from __future__ import annotations

import asyncio
import json
import os
import re
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
from deploy.local.video_client import Script
from tests.fakes.children import DEADLINE_SECONDS
from tests.fakes.tiny_edge import ROW
from tests.fakes.video_edge import ALIGNMENT, FILES

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
        """Return what it says up to and with `until`."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return (await self.output.reader.readuntil(until.encode())).decode()

    async def ends(self) -> int:
        """Return its exit code."""
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


def demo_of(image: bytes | None = None, output: Path | None = None) -> Wish:
    return Wish(Script("Hi", "", "zoom in"), "A cat", image, output)


async def test_a_demo_leaves_a_video_that_talks_and_what_it_is_made_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await demonstrate(LocalSettings(run_dir=tmp_path), demo_of(), [ROW])
    made = tmp_path / "demo"
    names = {"still.png": "still.png", "speech.mp3": "a.mp3", "video.mp4": "b.mp4", "talking.mp4": "c.mp4"}
    assert sorted(file.name for file in made.iterdir()) == sorted([*names, "alignment.json"])
    assert {name: (made / name).read_bytes() for name in names} == {name: FILES[kept] for name, kept in names.items()}
    assert json.loads((made / "alignment.json").read_text()) == ALIGNMENT
    printed = capsys.readouterr().out
    assert printed.endswith(
        f"""
 100%  done

{made}/
  still.png                1024 x 576  by embedded
  speech.mp3       1.0 s               by espeak
  video.mp4        2.0 s    640 x 360  by embedded
  talking.mp4      2.0 s    640 x 360  by the suite
  alignment.json  when each of 2 characters is heard
"""
    )


async def test_a_demo_takes_an_image_and_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, output = LocalSettings(run_dir=tmp_path / "run"), tmp_path / "videos"
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await demonstrate(settings, demo_of(b"mine", output), [ROW])
    names = ["alignment.json", "speech.mp3", "talking.mp4", "video.mp4"]
    assert sorted(file.name for file in output.iterdir()) == names
    assert "Painting" not in capsys.readouterr().out


async def test_a_demo_is_by_itself_whatever_is_set_for_the_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NATS_URL", "nats://cluster:4222")
    monkeypatch.setenv("JOBS_REPLICAS", "3")
    shows = "import os, sys; sys.exit(' '.join(os.environ[name] for name in ('NATS_URL', 'JOBS_REPLICAS')))"
    row = replace(ROW, command=("python", "-c", shows), habits={"NATS_URL": "nats://127.0.0.1:{MEDIA_PORT}"})
    with pytest.raises(SuiteFailed, match=r"nats://127\.0\.0\.1:\d+ 1"):
        await demonstrate(LocalSettings(run_dir=tmp_path), demo_of(), [row])


async def test_a_demo_keeps_nothing_where_the_suite_keeps_its_jobs(tmp_path: Path) -> None:
    shows = "import os, sys; sys.exit(os.environ['MEDIA_STATE_DIR'])"
    with pytest.raises(SuiteFailed, match=re.escape(str(tmp_path / "demo-suite" / "state"))):
        await demonstrate(LocalSettings(run_dir=tmp_path), demo_of(), [replace(ROW, command=("python", "-c", shows))])


async def test_a_demo_that_cannot_start_shows_why(tmp_path: Path) -> None:
    broken = replace(ROW, command=("python", "-c", "import sys; sys.exit('no luck today')"))
    with pytest.raises(SuiteFailed, match="no luck today"):
        await demonstrate(LocalSettings(run_dir=tmp_path), demo_of(), [broken])
    assert "no luck today" in (tmp_path / "demo-suite" / "logs" / "edge.log").read_text()


async def test_a_demo_that_is_stopped_says_so(tmp_path: Path) -> None:
    never_ready = replace(ROW, ready="http://127.0.0.1:{MEDIA_PORT}/nothing")
    demo = asyncio.create_task(demonstrate(LocalSettings(run_dir=tmp_path), demo_of(), [never_ready]))
    # One turn of the loop takes the demo to its first wait, where it can be stopped.
    await asyncio.sleep(0)
    signal.raise_signal(signal.SIGINT)
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert not await demo

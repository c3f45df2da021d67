"""Tests of the whole demo, with one small process instead of the suite."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.settings import LocalSettings
from deploy.local.supervisor import SuiteError
from examples.talking_video.demo import DemoOptions, run_demo
from examples.talking_video.video_client import Script
from tests.fakes.children import DEADLINE_SECONDS
from tests.fakes.tiny_edge import SPEC
from tests.fakes.video_edge import ALIGNMENT, FILES


def build_options(image: bytes | None = None, output: Path | None = None) -> DemoOptions:
    return DemoOptions(Script("Hi", "", "zoom in"), "A cat", image, output)


async def test_a_demo_stores_a_talking_video_and_its_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await run_demo(LocalSettings(run_dir=tmp_path), build_options(), [SPEC])
    folder = tmp_path / "demo"
    names = {"image.png": "image.png", "speech.mp3": "a.mp3", "video.mp4": "b.mp4", "talking.mp4": "c.mp4"}
    assert sorted(file.name for file in folder.iterdir()) == sorted([*names, "alignment.json"])
    assert {name: (folder / name).read_bytes() for name in names} == {
        name: FILES[source] for name, source in names.items()
    }
    assert json.loads((folder / "alignment.json").read_text()) == ALIGNMENT
    printed = capsys.readouterr().out
    assert printed.endswith(
        f"""
 100%  done

{folder}/
  image.png                1024 x 576  by embedded
  speech.mp3       1.0 s               by espeak
  video.mp4        2.0 s    640 x 360  by embedded
  talking.mp4      2.0 s    640 x 360  by the suite
  alignment.json  start and end of 2 characters in the speech
"""
    )


async def test_a_demo_takes_an_image_and_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings, output = LocalSettings(run_dir=tmp_path / "run"), tmp_path / "videos"
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert await run_demo(settings, build_options(b"image", output), [SPEC])
    names = ["alignment.json", "speech.mp3", "talking.mp4", "video.mp4"]
    assert sorted(file.name for file in output.iterdir()) == names
    assert "Generating" not in capsys.readouterr().out


async def test_a_demo_ignores_the_settings_of_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://cluster:4222")
    monkeypatch.setenv("JOBS_REPLICAS", "3")
    program = "import os, sys; sys.exit(' '.join(os.environ[name] for name in ('NATS_URL', 'JOBS_REPLICAS')))"
    spec = replace(SPEC, command=("python", "-c", program), defaults={"NATS_URL": "nats://127.0.0.1:{MEDIA_PORT}"})
    with pytest.raises(SuiteError, match=r"nats://127\.0\.0\.1:\d+ 1"):
        await run_demo(LocalSettings(run_dir=tmp_path), build_options(), [spec])


async def test_a_demo_has_its_own_state_folder(tmp_path: Path) -> None:
    program = "import os, sys; sys.exit(os.environ['MEDIA_STATE_DIR'])"
    with pytest.raises(SuiteError, match=re.escape(str(tmp_path / "demo-suite" / "state"))):
        await run_demo(
            LocalSettings(run_dir=tmp_path), build_options(), [replace(SPEC, command=("python", "-c", program))]
        )


async def test_a_demo_that_cannot_start_reports_the_output_of_the_process(tmp_path: Path) -> None:
    broken = replace(SPEC, command=("python", "-c", "import sys; sys.exit('cannot start today')"))
    with pytest.raises(SuiteError, match="cannot start today"):
        await run_demo(LocalSettings(run_dir=tmp_path), build_options(), [broken])
    assert "cannot start today" in (tmp_path / "demo-suite" / "logs" / "edge.log").read_text()


async def test_a_stopped_demo_returns_false(tmp_path: Path) -> None:
    never_ready = replace(SPEC, ready="http://127.0.0.1:{MEDIA_PORT}/nothing")
    demo = asyncio.create_task(run_demo(LocalSettings(run_dir=tmp_path), build_options(), [never_ready]))
    # After one turn of the event loop, the demo waits for its process and can be stopped.
    await asyncio.sleep(0)
    signal.raise_signal(signal.SIGINT)
    async with asyncio.timeout(DEADLINE_SECONDS):
        assert not await demo

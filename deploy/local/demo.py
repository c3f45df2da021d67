"""`python -m deploy.local demo`: starts a suite, has it make a video that talks from a still and a text, and stops."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import aiohttp

from deploy.local.dev_keys import ensure_identity, issue_token
from deploy.local.engines import engines
from deploy.local.output import Files
from deploy.local.ports import EDGE, LOOPBACK, choose_free
from deploy.local.processes import SUITE, Row, list_ports, processes
from deploy.local.progress import Progress
from deploy.local.settings import LocalSettings
from deploy.local.shutdown import stoppable
from deploy.local.state_dir import hold_lock, prepare
from deploy.local.supervisor import Options, running
from deploy.local.video_client import Script, VideoFailed, begin, download, fetch_result, follow, paint, upload
from deploy.local.zygote import Zygote

_LOCK = "lock"
_LIFETIME_SECONDS = 3 * 3600.0
"""Longer than the longest wait for a video."""
_ALONE: Mapping[str, str] = {"JOBS_REPLICAS": "1"}
"""What fits a suite whose jobs are on one machine."""
_NAMES: Mapping[str, str] = {"image": "still", "audio": "speech", "video": "video", "final": "talking"}
"""What the files are called, by what they are in a job's result."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the demo makes."""

    script: Script
    """What is said, and what happens to the image."""
    prompt: str
    """What is painted, where there is no image."""
    image: bytes | None = None
    """The still; None to have one painted."""
    output: Path | None = None
    """Folder for the files; None for `demo` in the folder of the suite's state."""


async def demonstrate(
    settings: LocalSettings, request: Wish, rows: Sequence[Row] = SUITE, zygote: Zygote | None = None
) -> bool:
    """Make a video that talks and what it is made of, with a suite of its own beside one that may be running.

    Args:
        settings: Where the state is, and how patient to be.
        request: What to make.
        rows: What runs meanwhile.
        zygote: Makes its processes.

    Returns:
        Whether it came to its end; False if it was asked to stop before.

    Raises:
        ConfigurationError: A setting is wrong, or a demo is running.
        SuiteFailed: A process cannot run.
        VideoFailed: The suite gave no video.
    """
    # Jobs, keys and logs of its own: two suites must not keep their jobs in one folder.
    folder = prepare(prepare(settings.run_dir) / "demo-suite")
    target = prepare(request.output or settings.run_dir / "demo", "--output" if request.output else "MEDIA_RUN_DIR")
    makers = engines()
    chosen = choose_free(list_ports(rows))
    logs = folder / "logs"
    with hold_lock(folder, _LOCK, f"a demo, process {os.getpid()}"), stoppable() as stop:
        suite = processes(
            [_by_itself(row) for row in rows],
            chosen,
            jwks_file=ensure_identity(folder),
            log_format=settings.log_format,
        )
        print(f"Starting a suite; its logs are in {logs}", *_lines(makers), sep="\n")
        with closing(Files(logs, [process.name for process in suite])) as output:
            async with running(suite, output, stop, Options(ready_seconds=settings.ready_seconds), zygote):
                await _video(f"http://{LOOPBACK}:{chosen[EDGE.variable]}", _token(settings, folder), request, target)
    return not stop.asked


def _by_itself(row: Row) -> Row:
    """Return a row that keeps its habits whatever the user set, such as where jobs are or where links lead."""
    return replace(row, environment={**row.habits, **_ALONE, **row.environment})


async def _video(edge: str, token: str, request: Wish, target: Path) -> None:
    async with aiohttp.ClientSession(edge, headers={"Authorization": f"Bearer {token}"}) as session:
        made: dict[str, Any] = {}
        if request.image is None:
            print("Painting an image")
            image = await paint(session, request.prompt)
            made["image"] = image | {"url": image["imageUrl"]}
        else:
            image = await upload(session, request.image)
        job_id = await begin(session, image["key"], request.script)
        print(f"The job {job_id} is accepted")
        with Progress(sys.stdout) as progress:
            await follow(session, job_id, progress.show)
        made |= await fetch_result(session, job_id)
    print(f"\n{target}/")
    for medium, name in _NAMES.items():
        if medium in made:
            file = target / f"{name}{PurePosixPath(made[medium]['key']).suffix}"
            await download(made[medium]["url"], file)
            print(f"  {file.name:<14}  {_describe(made[medium])}")
    _save_timing(made.get("alignment"), target / "alignment.json")


def _save_timing(alignment: Mapping[str, Any] | None, file: Path) -> None:
    if alignment is None:
        raise VideoFailed("The suite does not know when each character is heard; its logs say why. Run it again.")
    draft = file.with_name(f"{file.name}.part")
    draft.write_text(json.dumps(alignment, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    draft.replace(file)
    print(f"  {file.name:<14}  when each of {len(alignment['characters'])} characters is heard")


def _describe(medium: Mapping[str, Any]) -> str:
    seconds = f"{medium['durationSeconds']:.1f} s" if medium.get("durationSeconds") else ""
    pixels = f"{medium['width']} x {medium['height']}" if medium["width"] else ""
    # What names nobody was put together by the suite from what others made.
    return f"{seconds:>6}  {pixels:>11}  by {medium['provider'] or 'the suite'}"


def _lines(makers: Mapping[str, str]) -> Iterator[str]:
    return (f"  {medium:<9} {maker}" for medium, maker in makers.items())


def _token(settings: LocalSettings, folder: Path) -> str:
    return issue_token(folder, "demo", _LIFETIME_SECONDS, issuer=settings.jwt_issuer, audience=settings.jwt_audience)

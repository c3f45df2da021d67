"""Demo: starts a suite, generates a talking video from an image and a text, and stops the suite."""

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

from deploy.local.cleanup import DEMO_SUITE
from deploy.local.dev_keys import ensure_identity, issue_token
from deploy.local.fork_server import ForkServer
from deploy.local.output import LogFiles
from deploy.local.ports import EDGE, LOOPBACK, choose_free_ports
from deploy.local.processes import SUITE, ProcessSpec, build_processes, list_ports
from deploy.local.settings import LocalSettings
from deploy.local.shutdown import catch_stop_signals
from deploy.local.state_dir import LOCK, hold_lock, prepare_folder
from deploy.local.suite import list_default_engines
from deploy.local.supervisor import Options, run_processes
from examples.talking_video.progress import Progress
from examples.talking_video.video_client import (
    Script,
    VideoError,
    create_job,
    download,
    fetch_result,
    follow_job,
    generate_image,
    upload_image,
)

_LIFETIME_SECONDS = 3 * 3600.0
"""Longer than the longest wait for a video."""
_ALONE: Mapping[str, str] = {"JOBS_REPLICAS": "1"}
"""Settings of a suite that keeps jobs on one machine."""
_NAMES: Mapping[str, str] = {"image": "image", "audio": "speech", "video": "video", "final": "talking"}
"""File names by the fields of a job's result."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the demo generates."""

    script: Script
    """Text, voice and camera motion."""
    prompt: str
    """Prompt of the image if there is no `image`."""
    image: bytes | None = None
    """Source image; None to generate one."""
    output: Path | None = None
    """Folder for the files; None for `demo` in the state directory."""


async def run_demo(
    settings: LocalSettings,
    request: DemoOptions,
    specs: Sequence[ProcessSpec] = SUITE,
    fork_server: ForkServer | None = None,
) -> bool:
    """Generate a talking video with a suite of its own, which can run beside `make run`.

    Args:
        settings: State directory and time limits.
        request: What to generate.
        specs: Processes of the suite.
        fork_server: Makes its processes.

    Returns:
        True if the video is complete, False if a signal stopped the demo.

    Raises:
        ConfigurationError: A setting is wrong, or another demo is running.
        SuiteError: A process cannot run.
        VideoError: The suite generated no video.
    """
    # The demo has its own jobs, keys and logs: two suites must not store jobs in one folder.
    folder = prepare_folder(prepare_folder(settings.run_dir) / DEMO_SUITE)
    target = prepare_folder(
        request.output or settings.run_dir / "demo", "--output" if request.output else "MEDIA_RUN_DIR"
    )
    engines = list_default_engines()
    chosen = choose_free_ports(list_ports(specs))
    logs = folder / "logs"
    with hold_lock(folder, LOCK, f"a demo, process {os.getpid()}"), catch_stop_signals() as stop:
        suite = build_processes(
            [_isolate(spec) for spec in specs],
            chosen,
            jwks_file=ensure_identity(folder),
            log_format=settings.log_format,
        )
        print(f"Starting a suite; its logs are in {logs}", *_format_engines(engines), sep="\n")
        with closing(LogFiles(logs, [process.name for process in suite])) as output:
            async with run_processes(suite, output, stop, Options(ready_seconds=settings.ready_seconds), fork_server):
                await _generate_video(
                    f"http://{LOOPBACK}:{chosen[EDGE.variable]}", _issue_token(settings, folder), request, target
                )
    return not stop.requested


def _isolate(spec: ProcessSpec) -> ProcessSpec:
    """Return a spec that keeps its defaults, such as the address of NATS, even if the user has set them."""
    return replace(spec, environment={**spec.defaults, **_ALONE, **spec.environment})


async def _generate_video(edge: str, token: str, request: DemoOptions, target: Path) -> None:
    async with aiohttp.ClientSession(edge, headers={"Authorization": f"Bearer {token}"}) as session:
        media: dict[str, Any] = {}
        if request.image is None:
            print("Generating an image")
            image = await generate_image(session, request.prompt)
            media["image"] = image | {"url": image["imageUrl"]}
        else:
            image = await upload_image(session, request.image)
        job_id = await create_job(session, image["key"], request.script)
        print(f"The job {job_id} is accepted")
        with Progress(sys.stdout) as progress:
            await follow_job(session, job_id, progress.show)
        media |= await fetch_result(session, job_id)
    print(f"\n{target}/")
    for medium, name in _NAMES.items():
        if medium in media:
            file = target / f"{name}{PurePosixPath(media[medium]['key']).suffix}"
            await download(media[medium]["url"], file)
            print(f"  {file.name:<14}  {_describe(media[medium])}")
    _save_timing(media.get("alignment"), target / "alignment.json")


def _save_timing(alignment: Mapping[str, Any] | None, file: Path) -> None:
    if alignment is None:
        raise VideoError("The job has no alignment of the speech; the logs of the suite say why. Run it again.")
    draft = file.with_name(f"{file.name}.part")
    draft.write_text(json.dumps(alignment, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    draft.replace(file)
    print(f"  {file.name:<14}  start and end of {len(alignment['characters'])} characters in the speech")


def _describe(medium: Mapping[str, Any]) -> str:
    seconds = f"{medium['durationSeconds']:.1f} s" if medium.get("durationSeconds") else ""
    pixels = f"{medium['width']} x {medium['height']}" if medium["width"] else ""
    # The suite itself muxes the result, so it has no provider.
    return f"{seconds:>6}  {pixels:>11}  by {medium['provider'] or 'the suite'}"


def _format_engines(engines: Mapping[str, str]) -> Iterator[str]:
    return (f"  {medium:<9} {engine}" for medium, engine in engines.items())


def _issue_token(settings: LocalSettings, folder: Path) -> str:
    return issue_token(folder, "demo", _LIFETIME_SECONDS, issuer=settings.jwt_issuer, audience=settings.jwt_audience)

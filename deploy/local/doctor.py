"""Checks the configuration of the suite, the suite that runs, and whether providers and stores can be reached."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import nats.errors
import orjson
from aiohttp import ClientTimeout
from yarl import URL

from deploy.local.ports import EDGE, choose_ports
from deploy.local.processes import SUITE, list_ports
from deploy.local.settings import LocalSettings
from deploy.local.state_dir import read_running_suite
from deploy.local.suite_checks import check_suite
from deploy.local.variables import find_invalid_variables, find_unknown_variables
from deploy.nats.server import find_nats_server
from gateway.settings import GatewaySettings
from services.common.diagnostics import Diagnostic, Level, ok, problem, warning
from services.common.errors import MediaError
from services.common.settings import ConfigurationError, load
from services.common.storage import ObjectSpec, open_object_store
from services.common.storage.settings import StorageSettings
from services.image import diagnostics as image_diagnostics
from services.image.settings import ImageSettings
from services.jobs import diagnostics as job_diagnostics
from services.jobs.jetstream import connect_nats
from services.jobs.server import build_stream_options
from services.jobs.settings import WorkerSettings
from services.tts import diagnostics as tts_diagnostics
from services.tts.settings import TtsSettings
from services.video import diagnostics as video_diagnostics
from services.video.settings import VideoSettings

CHECK_SECONDS = 5.0
"""Time limit of one check."""
_KEY_REFUSED = frozenset({401, 403})
_PROBE = b"a probe of make doctor"

Check = Callable[[], Awaitable[Diagnostic]]


@dataclass(frozen=True, slots=True)
class Dependency:
    """A paid provider, and a request to it that costs nothing."""

    name: str
    url: str
    headers: Mapping[str, str]
    variable: str
    """Variable that holds its API key."""
    checks_key: bool = True
    """Whether the response shows if the key is valid."""


async def run_checks() -> list[Diagnostic]:
    """Run all checks and return their diagnostics in a fixed order."""
    unknown = find_unknown_variables(Path.cwd())
    if invalid := find_invalid_variables():
        return [*unknown, *invalid]
    tts, image, video = load(TtsSettings), load(ImageSettings), load(VideoSettings)
    gateway, worker = load(GatewaySettings), load(WorkerSettings)
    folder = load(LocalSettings).run_dir.absolute()
    diagnostics = [
        *unknown,
        *await check_suite(folder),
        *tts_diagnostics.diagnose_speech(tts),
        *image_diagnostics.diagnose_image(image),
        *video_diagnostics.diagnose_video(video),
        *job_diagnostics.diagnose_jobs(worker),
        *check_links(gateway, _find_public_port(folder)),
    ]
    async with aiohttp.ClientSession(timeout=ClientTimeout(total=CHECK_SECONDS)) as session:
        checks: list[Check] = [
            *(
                lambda dependency=dependency: check_dependency(session, dependency)
                for dependency in list_dependencies(tts, image, video)
            ),
            lambda: check_store(image),
            lambda: check_mongo(image.mongodb_uri.get_secret_value()),
            lambda: check_nats(worker),
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_run_bounded(check)) for check in checks]
    return [*diagnostics, *(task.result() for task in tasks)]


def _find_public_port(folder: Path) -> int:
    """Return the public port of the suite that runs, or of the one that would run."""
    running = read_running_suite(folder)
    return (running.ports if running else choose_ports(list_ports(SUITE)))[EDGE.variable]


def check_links(gateway: GatewaySettings, port: int) -> Sequence[Diagnostic]:
    """Check that links to stored media point to the suite.

    Args:
        gateway: Settings of the gateway, which serves the media.
        port: The public port.
    """
    url = URL(gateway.public_url)
    if gateway.store_name != "local":
        return [ok("links", f"come from {gateway.store_name}")]
    # If the user has not set the variable, the suite derives it from its port.
    set_by_user = "public_url" in gateway.model_fields_set
    if set_by_user and url.host in ("localhost", "127.0.0.1") and url.port != port:
        return [
            warning(
                "links",
                f"MEDIA_PUBLIC_URL is {gateway.public_url}, but the suite is on port {port}",
                f"set MEDIA_PUBLIC_URL=http://localhost:{port}, or unset it",
            )
        ]
    return [ok("links", f"begin with {gateway.public_url if set_by_user else f'http://localhost:{port}'}")]


def list_dependencies(tts: TtsSettings, image: ImageSettings, video: VideoSettings) -> list[Dependency]:
    """Return the requests to the providers that have a key."""
    eleven, gemini, fal = (
        key.get_secret_value() for key in (tts.elevenlabs_api_key, image.gemini_api_key, image.fal_key)
    )
    replicate = video.replicate_api_token.get_secret_value()
    bearer = {"Authorization": f"Bearer {replicate}"}
    dependencies = [
        (
            eleven,
            Dependency(
                "elevenlabs", f"{tts.elevenlabs_base_url}/v1/models", {"xi-api-key": eleven}, "ELEVENLABS_API_KEY"
            ),
        ),
        (
            gemini,
            Dependency("gemini", f"{image.gemini_base_url}/v1/models", {"x-goog-api-key": gemini}, "GEMINI_API_KEY"),
        ),
        (replicate, Dependency("replicate", f"{video.replicate_base_url}/account", bearer, "REPLICATE_API_TOKEN")),
        # fal has no free request that shows whether a key is valid.
        (fal, Dependency("fal", f"{image.fal_queue_base_url}/", {}, "FAL_KEY", checks_key=False)),
    ]
    return [dependency for key, dependency in dependencies if key]


async def check_dependency(session: aiohttp.ClientSession, dependency: Dependency) -> Diagnostic:
    """Send the free request of `dependency` and report whether the provider accepts it."""
    try:
        async with session.get(dependency.url, headers=dependency.headers, allow_redirects=False) as response:
            if dependency.checks_key and response.status in _KEY_REFUSED:
                return problem(
                    dependency.name,
                    f"refuses {dependency.variable}",
                    f"replace {dependency.variable} or widen its rights",
                )
            if dependency.checks_key and not response.ok:
                return warning(
                    dependency.name, f"responds with status {response.status}", "check the provider's status page"
                )
    except (aiohttp.ClientError, OSError, TimeoutError):
        return problem(dependency.name, "cannot be reached", "check the network, a proxy, and the base URL's variable")
    return ok(
        dependency.name,
        "can be reached and accepts the key"
        if dependency.checks_key
        else "can be reached; its key cannot be checked for free",
    )


async def check_store(settings: StorageSettings) -> Diagnostic:
    """Check that the object store can store, return and delete an object."""
    key = f"doctor/{secrets.token_hex(8)}.txt"
    subject = f"object store {settings.store_name}"
    try:
        async with open_object_store(settings) as store:
            await store.put(key, _PROBE, ObjectSpec("text/plain", cache_control="no-store"))
            async with store.open(key) as stored:
                content = b"".join([chunk async for chunk in stored.chunks])
            await store.delete(key)
    except (MediaError, ConfigurationError) as error:
        return problem(subject, str(error), "see docs/configuration.md")
    if content != _PROBE:
        return problem(subject, "returns other bytes than the stored ones", "check the proxy or cache in front of it")
    return ok(subject, "stores, returns and deletes objects")


async def check_mongo(uri: str) -> Diagnostic:
    """Check that the database can be reached."""
    if not uri:
        return ok("results, usage and records", "are stored in a file; several machines need MONGODB_URI")
    from pymongo.errors import PyMongoError  # noqa: PLC0415 - only users of MongoDB load the driver

    from services.common.cache.mongo import open_mongo_database  # noqa: PLC0415 - as above

    try:
        async with open_mongo_database(uri) as database:
            await database.command("ping")
    except (PyMongoError, ConfigurationError):
        return problem(
            "MongoDB",
            "cannot be reached",
            "check MONGODB_URI; without it stored media are not listed and request ids of videos are refused",
        )
    return ok("MongoDB", "can be reached")


async def check_nats(settings: WorkerSettings) -> Diagnostic:
    """Check that the NATS servers can be reached and have JetStream."""
    subject = "NATS"
    if "nats_url" not in settings.model_fields_set:
        try:
            find_nats_server()
        except ConfigurationError as error:
            return problem(subject, str(error), "run `make run`, which installs it, or set NATS_URL")
        return ok(subject, "comes with make run")
    options = build_stream_options(settings)
    try:
        async with connect_nats(options, "doctor", reconnect=False) as client:
            account = await client.jetstream(timeout=CHECK_SECONDS).account_info()
    except ConfigurationError as error:
        return problem(subject, str(error), "start NATS, or correct NATS_URL and NATS_CREDENTIALS")
    except (nats.errors.Error, TimeoutError):
        return problem(
            subject,
            "has no JetStream",
            "enable JetStream (jetstream in its configuration), and allow this account to use it",
        )
    return ok(subject, f"can be reached and stores {account.streams} streams")


def format_report(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the diagnostics as readable text, with the number of problems and warnings."""
    width = max((len(diagnostic.subject) for diagnostic in diagnostics), default=0)
    lines = []
    for diagnostic in diagnostics:
        lines.append(f"{diagnostic.level.value:<8} {diagnostic.subject:<{width}}  {diagnostic.message}")
        if diagnostic.remedy:
            lines.append(f"{'':<8} {'':<{width}}  -> {diagnostic.remedy}")
    problems = sum(diagnostic.level is Level.PROBLEM for diagnostic in diagnostics)
    warnings = sum(diagnostic.level is Level.WARNING for diagnostic in diagnostics)
    return "\n".join([*lines, "", f"{problems} problems, {warnings} warnings"])


def to_json(diagnostics: Sequence[Diagnostic]) -> str:
    """Return the diagnostics as JSON."""
    rows = [
        {"level": item.level.value, "subject": item.subject, "message": item.message, "remedy": item.remedy}
        for item in diagnostics
    ]
    return orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode()


async def _run_bounded(check: Check) -> Diagnostic:
    try:
        async with asyncio.timeout(2 * CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return problem("a check", "took too long", "try again; check the services that are named above")

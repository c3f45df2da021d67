"""Tests of the doctor: what is configured, what can be reached, and what to do about a problem."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from deploy.local.__main__ import main
from deploy.local.doctor import check_links, format_report, run_checks, to_json
from deploy.local.ports import choose_free_ports
from deploy.local.processes import SUITE, list_ports
from gateway.settings import GatewaySettings
from services.common.diagnostics import Diagnostic, Level, ok, problem, warning
from tests.fakes.nats import run_nats
from tests.fakes.web_host import WebHost, run_web_host

KEYS = (
    "ELEVENLABS_API_KEY",
    "ELEVEN_API_KEY",
    "FAL_KEY",
    "GEMINI_API_KEY",
    "MONGODB_URI",
    "MEDIA_STORAGE",
    "MEDIA_PUBLIC_URL",
    "MEDIA_PORT",
    "NATS_URL",
    "NATS_CREDENTIALS",
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Unset all variables but the folder."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDIA_STORAGE_DIR", str(tmp_path / "objects"))
    monkeypatch.setenv("MEDIA_RUN_DIR", str(tmp_path / "run"))
    for variable, port in choose_free_ports(list_ports(SUITE)).items():
        monkeypatch.setenv(variable, str(port))
    return monkeypatch


@pytest.fixture
async def host() -> AsyncIterator[WebHost]:
    async with run_web_host() as web_host:
        yield web_host


async def find_messages(level: Level) -> dict[str, str]:
    return {diagnostic.subject: diagnostic.message for diagnostic in await run_checks() if diagnostic.level is level}


async def test_the_defaults_have_no_problems(tmp_path: Path) -> None:
    assert await find_messages(Level.PROBLEM) == await find_messages(Level.WARNING) == {}
    healthy = await find_messages(Level.OK)
    assert healthy["NATS"] == "comes with make run"
    assert healthy["object store local"] == "stores, returns and deletes objects"
    assert not list((tmp_path / "objects").rglob("*.txt"))


async def test_a_refused_key_and_a_valid_key_are_reported(environment: pytest.MonkeyPatch, host: WebHost) -> None:
    host.file("/v1/models", b"[]", "application/json")
    for name in ("ELEVENLABS", "GEMINI"):
        environment.setenv(f"{name}_API_KEY", "secret-key")
        environment.setenv(f"{name}_BASE_URL", host.url("").rstrip("/"))
    environment.setenv("FAL_KEY", "secret-key")
    environment.setenv("FAL_QUEUE_BASE_URL", host.url(""))
    healthy = await find_messages(Level.OK)
    assert healthy["elevenlabs"] == healthy["gemini"] == "can be reached and accepts the key"
    assert "cannot be checked for free" in healthy["fal"]

    async def refuse_key(_: web.Request) -> web.Response:
        return web.Response(status=401, text="secret words")

    host.pages["/v1/models"] = refuse_key
    problems = await find_messages(Level.PROBLEM)
    assert problems == {"elevenlabs": "refuses ELEVENLABS_API_KEY", "gemini": "refuses GEMINI_API_KEY"}
    assert "secret" not in format_report(await run_checks())


async def test_a_provider_that_cannot_be_reached_is_reported(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("GEMINI_API_KEY", "k")
    environment.setenv("GEMINI_BASE_URL", "http://127.0.0.1:9")
    environment.setenv("MONGODB_URI", "mongodb://127.0.0.1:9/media?serverSelectionTimeoutMS=100")
    environment.setenv("MEDIA_STORAGE", "s3")
    environment.setenv("S3_BUCKET", "b")
    environment.setenv("S3_ENDPOINT", "http://127.0.0.1:9")
    environment.setenv("NATS_URL", "nats://name:secret@127.0.0.1:9")
    problems = await find_messages(Level.PROBLEM)
    assert {"gemini", "MongoDB", "object store s3", "NATS"} == set(problems)
    assert "secret" not in format_report(await run_checks())


async def test_nats_without_jetstream_is_a_problem(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with run_nats(tmp_path) as url:
        environment.setenv("NATS_URL", url)
        assert (await find_messages(Level.OK))["NATS"] == "can be reached and stores 0 streams"
    async with run_nats(tmp_path, streams=False) as url:
        environment.setenv("NATS_URL", url)
        assert (await find_messages(Level.PROBLEM))["NATS"] == "has no JetStream"


async def test_invalid_and_unknown_variables_are_the_only_diagnostics(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("MEDIA_STORAGE", "ftp")
    environment.setenv("VIDEO_MAX_SECONDS", "long")
    environment.setenv("ELEVENLABS_API_KEYS", "secret")
    found = [(diagnostic.level, diagnostic.message.split()[0]) for diagnostic in await run_checks()]
    assert sorted(found, key=lambda each: each[1]) == [
        (Level.WARNING, "ELEVENLABS_API_KEYS"),
        (Level.PROBLEM, "MEDIA_STORAGE:"),
        (Level.PROBLEM, "VIDEO_MAX_SECONDS:"),
    ]
    assert "secret" not in format_report(await run_checks())


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
async def test_a_base_url_may_end_with_the_version_of_the_api(
    ending: str, environment: pytest.MonkeyPatch, host: WebHost
) -> None:
    host.file("/v1/models", b"[]", "application/json")
    host.file("/v1/account", b"{}", "application/json")
    for prefix, key in (("ELEVENLABS", "API_KEY"), ("GEMINI", "API_KEY"), ("REPLICATE", "API_TOKEN")):
        environment.setenv(f"{prefix}_{key}", "k")
        environment.setenv(f"{prefix}_BASE_URL", host.url("").rstrip("/") + ending)
    healthy = await find_messages(Level.OK)
    assert healthy["elevenlabs"] == healthy["gemini"] == healthy["replicate"] == "can be reached and accepts the key"


@pytest.mark.parametrize(
    ("url", "level"),
    [("http://localhost:8080", Level.OK), ("http://localhost:9090", Level.WARNING), ("https://media.io", Level.OK)],
)
def test_links_to_another_port_are_reported(url: str, level: Level) -> None:
    settings = GatewaySettings(_env_file=None, public_url=url)
    assert [diagnostic.level for diagnostic in check_links(settings, 8080)] == [level]


DIAGNOSTICS = [
    ok("speech", "espeak is the default"),
    warning("links", "the port differs", "set the port"),
    problem("store", "cannot be reached", "start it"),
]


def test_the_report_shows_remedies_and_the_number_of_problems() -> None:
    text = format_report(DIAGNOSTICS)
    assert "-> set the port" in text
    assert text.endswith("1 problems, 1 warnings")
    rows = json.loads(to_json(DIAGNOSTICS))
    assert [Diagnostic(Level(row.pop("level")), **row) for row in rows] == DIAGNOSTICS


def test_the_exit_code_is_1_if_there_is_a_problem(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor"]) == 0
    assert "0 problems" in capsys.readouterr().out
    environment.setenv("IMAGE_DEFAULT_PROVIDER", "fal")
    assert main(["doctor", "--json"]) == 1
    assert any(row["level"] == "problem" for row in json.loads(capsys.readouterr().out))

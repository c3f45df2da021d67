"""Tests of the checks of a running suite: which processes answer, the owners of the ports, and the state folder."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.local import suite_checks
from deploy.local.ports import EDGE, Port, find_free_ports
from deploy.local.processes import ProcessSpec
from deploy.local.state_dir import LOCK, RunningSuite, hold_lock, publish_running_suite, read_running_suite
from deploy.local.suite_checks import check_folder, check_suite
from services.common.diagnostics import Level
from tests.fakes.web_host import run_web_host

SPECS = [
    ProcessSpec("tts", "speech", ("python",), (Port("TTS_PORT", "gRPC"),), "http://127.0.0.1:{TTS_PORT}/health"),
    ProcessSpec("envoy", "the edge", ("python",), (EDGE,), "http://127.0.0.1:{MEDIA_PORT}/health"),
]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Give every process a free port."""
    monkeypatch.chdir(tmp_path)
    for name, port in zip(("TTS_PORT", "MEDIA_PORT"), find_free_ports(2), strict=True):
        monkeypatch.setenv(name, str(port))
    return monkeypatch


@contextmanager
def run_as_suite(folder: Path, ports: dict[str, int], process_id: int | None = None) -> Iterator[None]:
    """Hold the lock of `folder` and describe a suite there, as a supervisor does."""
    with ExitStack() as stack:
        stack.enter_context(hold_lock(folder, LOCK, "process 7, http://localhost:8080"))
        stack.enter_context(publish_running_suite(folder, RunningSuite(process_id or os.getpid(), ports)))
        yield


async def find_messages(folder: Path) -> dict[str, tuple[Level, str]]:
    return {found.subject: (found.level, found.message) for found in await check_suite(folder, SPECS)}


async def test_a_suite_that_answers_has_no_problems(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    async with run_web_host() as tts, run_web_host() as edge:
        for host in (tts, edge):
            host.file("/health", b"{}", "application/json")
        ports = {"TTS_PORT": tts.port, "MEDIA_PORT": edge.port}
        environment.setenv("MEDIA_PORT", str(edge.port))
        with run_as_suite(tmp_path, ports):
            found = await find_messages(tmp_path)
    assert {level for level, _ in found.values()} == {Level.OK}
    assert f"http://localhost:{edge.port}" in found["suite"][1]
    assert f"answers on port {tts.port}" in found["tts"][1]


async def test_a_process_that_is_gone_and_one_that_hangs_are_distinguished(tmp_path: Path) -> None:
    gone, hanging = find_free_ports(2)
    with (
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", hanging)),
        run_as_suite(tmp_path, {"TTS_PORT": gone, "MEDIA_PORT": hanging}),
    ):
        patch.setattr("deploy.local.readiness._TIMEOUT_SECONDS", 0.2)
        found = await find_messages(tmp_path)
    assert found["tts"] == (Level.PROBLEM, f"has no process that listens on port {gone}")
    level, message = found["envoy"]
    assert level is Level.PROBLEM
    if sys.platform == "linux":
        assert message.startswith(f"listens on port {hanging} and does not answer (")


async def test_a_port_that_another_program_holds_is_reported(tmp_path: Path) -> None:
    free, held = find_free_ports(2)
    with (
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", held)),
        # This process does not descend from that supervisor.
        run_as_suite(tmp_path, {"TTS_PORT": held, "MEDIA_PORT": free}, process_id=2**22 + 1),
    ):
        patch.setattr("deploy.local.readiness._TIMEOUT_SECONDS", 0.2)
        found = await find_messages(tmp_path)
    assert found["tts"][0] is Level.PROBLEM
    # Other systems do not show the owner of a port.
    assert ("belongs to" if sys.platform == "linux" else "has no process") in found["tts"][1]


async def test_a_suite_on_another_port_is_a_warning(tmp_path: Path) -> None:
    with run_as_suite(tmp_path, dict(zip(("TTS_PORT", "MEDIA_PORT"), find_free_ports(2), strict=True))):
        level, message = (await find_messages(tmp_path))["suite"]
    assert level is Level.WARNING
    assert "but MEDIA_PORT is" in message


async def test_a_terminal_that_sets_no_port_contradicts_no_suite(
    tmp_path: Path, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("MEDIA_PORT")
    with run_as_suite(tmp_path, dict(zip(("TTS_PORT", "MEDIA_PORT"), find_free_ports(2), strict=True))):
        assert (await find_messages(tmp_path))["suite"][0] is Level.OK


async def test_a_suite_that_is_starting_is_a_warning(tmp_path: Path) -> None:
    with hold_lock(tmp_path, LOCK, "process 7"):
        level, message = (await find_messages(tmp_path))["suite"]
    assert level is Level.WARNING
    assert "process 7" in message


async def test_without_a_suite_its_ports_are_checked(tmp_path: Path) -> None:
    found = await find_messages(tmp_path)
    assert found["suite"][0] is found["ports"][0] is Level.OK
    port = int(os.environ["TTS_PORT"])
    with socket.create_server(("127.0.0.1", port)):
        level, message = (await find_messages(tmp_path))["ports"]
    assert level is Level.PROBLEM
    assert f"TTS_PORT: port {port} is taken" in message


async def test_a_public_port_among_the_ephemeral_ones_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite_checks, "read_ephemeral_range", lambda: (1024, 65535))
    assert (await find_messages(tmp_path))["ports"][0] is Level.WARNING


def test_a_suite_that_was_killed_is_not_running(tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text('{"process_id": 7, "ports": {}}')
    (tmp_path / LOCK).write_text("process 7")
    assert read_running_suite(tmp_path) is None


def test_a_state_folder_that_cannot_be_used_is_a_problem(tmp_path: Path) -> None:
    assert check_folder(tmp_path / "missing").level is Level.OK
    assert check_folder(tmp_path).level is Level.OK
    (tmp_path / "file").touch()
    assert check_folder(tmp_path / "file").level is Level.PROBLEM

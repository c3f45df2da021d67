"""Tests of the table of processes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from deploy.local.ports import EDGE
from deploy.local.processes import SUITE, Process, ProcessSpec, build_processes, list_ports
from deploy.local.supervisor import Options
from deploy.nats.settings import NatsSettings
from gateway.envoy.settings import EdgeSettings
from gateway.settings import GatewaySettings
from services.common.settings import Settings, variables
from services.image.settings import ImageSettings
from services.jobs.settings import JobsSettings, WorkerSettings
from services.tts.settings import TtsSettings
from services.video.settings import VideoSettings

SETTINGS = (
    EdgeSettings,
    GatewaySettings,
    TtsSettings,
    ImageSettings,
    VideoSettings,
    JobsSettings,
    WorkerSettings,
    NatsSettings,
)
PORTS = {port.variable: 20_000 + index for index, port in enumerate(list_ports(SUITE))}
VARIABLES = {name for settings in (*SETTINGS, Settings) for name in variables(settings)}


def build_suite() -> list[Process]:
    return build_processes(SUITE, PORTS, jwks_file=Path("/keys/jwks.json"), log_format="console")


@pytest.mark.parametrize("spec", SUITE, ids=lambda spec: spec.name)
def test_the_command_and_the_variables_of_a_spec_exist(spec: ProcessSpec) -> None:
    assert spec.command[:2] == ("python", "-m")
    assert find_spec(f"{spec.command[2]}.__main__") is not None
    assert set(spec.after) <= {earlier.name for earlier in SUITE[: SUITE.index(spec)]}
    assert all(
        variable in VARIABLES
        for variable in (*spec.environment, *spec.defaults, *(port.variable for port in spec.ports))
    )


def test_the_edge_stops_first() -> None:
    assert EDGE in SUITE[-1].ports


def test_all_processes_get_the_same_ports_and_addresses() -> None:
    for process in build_suite():
        assert process.environment["TTS_PORT"] == str(PORTS["TTS_PORT"])
        assert process.environment["TTS_ADDRESS"] == f"127.0.0.1:{PORTS['TTS_PORT']}"
        assert process.environment["GATEWAY_ADDRESS"] == f"127.0.0.1:{PORTS['GATEWAY_PORT']}"
        assert process.environment["MEDIA_JWT_JWKS_FILE"] == "/keys/jwks.json"
        assert process.environment["MEDIA_LOG_FORMAT"] == "console"


def test_jobs_are_stored_by_the_nats_of_the_suite_unless_the_user_sets_another(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {process.environment["NATS_URL"] for process in build_suite()} == {f"nats://127.0.0.1:{PORTS['NATS_PORT']}"}
    monkeypatch.setenv("NATS_URL", "nats://a-cluster:4222")
    assert {process.environment["NATS_URL"] for process in build_suite()} == {"nats://a-cluster:4222"}


def test_variables_in_the_file_env_replace_defaults_and_are_not_passed_on(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("NATS_URL=nats://a-cluster:4222\nTTS_CACHING_ENABLED=\n")
    processes = build_processes(SUITE, PORTS, jwks_file=tmp_path / "jwks.json", log_format="json", folder=tmp_path)
    for process in processes:
        assert "NATS_URL" not in process.environment
        assert process.environment["TTS_CACHING_ENABLED"] == "true"


def test_processes_that_need_nats_start_after_it() -> None:
    after = {process.name: process.after for process in build_suite()}
    assert "nats" in after["jobs"]
    assert "nats" in after["worker"]
    assert {"jobs", "worker"} <= set(after["envoy"])


def test_a_spec_can_run_any_program_with_its_ports() -> None:
    spec = ProcessSpec(
        "other", "a program", ("other-server", "--port={OTHER_PORT}"), (), "http://127.0.0.1:{OTHER_PORT}/"
    )
    (process,) = build_processes([spec], {"OTHER_PORT": 7}, jwks_file=Path("/keys/jwks.json"), log_format="json")
    assert process.argv == ("other-server", "--port=7")


def test_drains_are_short_unless_the_user_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTS_DRAIN_GRACE_SECONDS", "9")
    monkeypatch.setenv("TTS_DRAIN_NOTICE_SECONDS", "")
    environment = build_suite()[0].environment
    assert environment["TTS_DRAIN_GRACE_SECONDS"] == "9"
    assert environment["TTS_DRAIN_NOTICE_SECONDS"] == "0.2"


def test_the_edge_drains_before_the_supervisor_kills_it() -> None:
    environment = build_suite()[-1].environment
    seconds = [float(environment[f"MEDIA_EDGE_DRAIN_{name}_SECONDS"]) for name in ("NOTICE", "GRACE")]
    assert sum(seconds) < Options().stop_seconds


def test_an_address_in_the_environment_does_not_replace_that_of_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTS_ADDRESS", "elsewhere:1")
    monkeypatch.setenv("MEDIA_JWT_JWKS_URI", "https://elsewhere/keys")
    environment = build_suite()[0].environment
    assert environment["TTS_ADDRESS"] == f"127.0.0.1:{PORTS['TTS_PORT']}"
    assert environment["MEDIA_JWT_JWKS_URI"] == ""

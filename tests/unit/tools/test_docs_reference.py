"""The documents that are generated from the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.nats.settings import NatsSettings
from gateway.envoy.settings import EdgeSettings
from gateway.settings import GatewaySettings
from services.common.errors import Reason
from services.common.settings import Settings, variables
from services.jobs.settings import JobsSettings, WorkerSettings
from services.tts.settings import TtsSettings
from tools import docs_reference as reference


def test_every_reason_has_a_row() -> None:
    rows = reference.build_errors().splitlines()
    for reason in Reason:
        row = next(line for line in rows if line.startswith(f"| `{reason.name}` |"))
        assert f"| {reason.info.http_status} | {reason.info.grpc_code} |" in row


@pytest.mark.parametrize(
    "kind", [EdgeSettings, GatewaySettings, TtsSettings, JobsSettings, WorkerSettings, NatsSettings, Settings]
)
def test_every_variable_has_a_row(kind: type[Settings]) -> None:
    text = reference.build_configuration()
    for name in variables(kind):
        assert f"| `{name}`" in text


def test_aliases_and_defaults_are_listed() -> None:
    text = reference.build_configuration()
    assert "| `ELEVENLABS_API_KEY` or `ELEVEN_API_KEY` | not set |" in text
    assert "| `MEDIA_RUN_DIR` | `.run` |" in text
    assert "| `TTS_REFLECTION` | `false` |" in text
    assert "| `TTS_PORT` | `50051` |" in text


def test_a_variable_of_all_processes_is_listed_once() -> None:
    text = reference.build_configuration()
    assert text.count("| `MEDIA_LOG_LEVEL` |") == 1
    assert "| `MEDIA_LOG_FORMAT` | `console` |" in text


def test_documents_are_independent_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = reference.build_configuration()
    monkeypatch.setenv("TTS_PORT", "1")
    assert reference.build_configuration() == before


def test_documents_are_independent_of_the_machine() -> None:
    assert "| `WORKER_NAME` | not set |" in reference.build_configuration()


def test_a_stale_document_fails_the_check_with_a_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--folder", str(tmp_path)]
    assert reference.main(folder) == 0
    assert reference.main([*folder, "--check"]) == 0
    stale = tmp_path / "docs" / "errors.md"
    stale.write_text(stale.read_text().replace("VOICE_NOT_FOUND", "VOICE_LOST"))
    assert reference.main([*folder, "--check"]) == 1
    printed = capsys.readouterr().out
    assert "-| `VOICE_LOST`" in printed
    assert "+| `VOICE_NOT_FOUND`" in printed


def test_a_missing_document_fails_the_check(tmp_path: Path) -> None:
    assert reference.main(["--folder", str(tmp_path), "--check"]) == 1

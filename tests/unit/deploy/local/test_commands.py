"""Tests of the command line: token, help, and the errors that prevent a start."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from pathlib import Path

import jwt
import pytest

from deploy.local.__main__ import main
from deploy.local.ports import INNER_RANGE, assign_ports, choose_free_ports
from deploy.local.processes import SUITE, list_ports
from deploy.local.settings import ROOT
from deploy.local.state_dir import hold_lock, prepare_folder
from deploy.local.suite import format_welcome
from services.common.settings import EXIT_CONFIGURATION


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDIA_RUN_DIR", str(tmp_path / "run"))
    for variable, port in choose_free_ports(list_ports(SUITE)).items():
        monkeypatch.setenv(variable, str(port))
    return tmp_path / "run"


def read_claims(token: str) -> dict[str, object]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def test_token_prints_only_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--subject", "alice", "--hours", "2"]) == 0
    printed = capsys.readouterr()
    claims = read_claims(printed.out.removesuffix("\n"))
    assert claims["sub"] == "alice"
    assert (claims["iss"], claims["aud"]) == ("media-suite", "media-suite")
    assert printed.err == ""


def test_a_token_has_the_issuer_and_audience_of_the_edge(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDIA_JWT_ISSUER", "me")
    monkeypatch.setenv("MEDIA_JWT_AUDIENCE", "you")
    assert main(["token"]) == 0
    claims = read_claims(capsys.readouterr().out.strip())
    assert (claims["iss"], claims["aud"]) == ("me", "you")


@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf", "many"])
def test_a_lifetime_that_is_not_positive_is_refused(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["token", "--hours", hours])
    assert end.value.code == 2
    assert "--hours" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["run"], ["token"]])
def test_help_names_the_variables(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0
    assert "MEDIA_PORT" in capsys.readouterr().out


def test_run_names_a_taken_port_and_starts_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("GATEWAY_PORT", str(port))
        with pytest.raises(SystemExit) as end:
            main(["run"])
    assert end.value.code == EXIT_CONFIGURATION
    printed = capfd.readouterr()
    assert f"GATEWAY_PORT: port {port} is taken" in printed.err
    assert printed.out == ""


def test_a_second_run_in_the_same_folder_names_the_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = hold_lock(prepare_folder(folder), "lock", f"process {os.getpid()}, http://localhost:8080")
    with first, pytest.raises(SystemExit) as end:
        main(["run"])
    assert end.value.code == EXIT_CONFIGURATION
    assert f"process {os.getpid()}, http://localhost:8080" in capsys.readouterr().err


def test_run_reports_a_wrong_setting_before_it_starts_a_process(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TTS_STALL_SECONDS", "soon")
    with pytest.raises(SystemExit):
        main(["run"])
    assert "TTS_STALL_SECONDS" in capsys.readouterr().err


def test_the_welcome_shows_every_process_with_its_port_and_three_commands_to_try() -> None:
    ports = assign_ports(list_ports(SUITE), {}, INNER_RANGE)
    text = format_welcome(SUITE, ports, ROOT / ".run", {"speech": "espeak (free)", "images": "fal (paid)"}, 2.13)
    for spec in SUITE:
        assert f"  {spec.name} " in text
        assert str(ports[spec.ports[0].variable]) in text
    for part in (
        "after 2.1 s",
        "http://localhost:8080/docs",
        "grpcurl -plaintext",
        "hello.mp3",
        "  speech    espeak (free)\n",
        "  images    fal (paid)\n",
        "$(make -s token)",
    ):
        assert part in text


@pytest.mark.parametrize("name", ["my run", "it's $HOME", '(round) "x" `id`'])
def test_the_token_command_of_the_welcome_names_the_folder_in_use(name: str, tmp_path: Path) -> None:
    ports = assign_ports(list_ports(SUITE), {}, INNER_RANGE)
    welcome = format_welcome(SUITE, ports, Path("/", name), {}, 1)
    (command,) = set(re.findall(r"Bearer \$\((.+)\)\"", welcome))
    # As a variable of the environment: make would expand dollar signs in one of its command line.
    (tmp_path / "Makefile").write_text("token:\n\t@printenv MEDIA_RUN_DIR\n")
    printed = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed == f"/{name}\n"

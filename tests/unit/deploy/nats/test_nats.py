"""Tests of the local NATS server: its configuration, the path of its program, and errors at its start."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from deploy.nats.server import PROGRAM, find_nats_server, render_config
from deploy.nats.settings import NatsSettings
from services.common.settings import EXIT_CONFIGURATION, ConfigurationError

ROOT = Path(__file__).parents[4]
SECONDS = 30


def render_lines(folder: Path) -> list[str]:
    settings = NatsSettings(_env_file=None, port=4001, monitor_port=4002)
    return [line.strip() for line in render_config(settings, folder).splitlines()]


def run_module(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the module in `folder` until it ends."""
    roots = os.pathsep.join((str(ROOT), str(ROOT / "protos" / "gen")))
    return subprocess.run(
        [sys.executable, "-m", "deploy.nats", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": roots, **variables},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_each_write_is_on_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    assert "sync_interval: always" in render_lines(tmp_path)
    assert f'store_dir: "{tmp_path}"' in render_lines(tmp_path)


def test_the_server_listens_on_this_machine_only(tmp_path: Path) -> None:
    assert 'listen: "127.0.0.1:4001"' in render_lines(tmp_path)
    assert 'http: "127.0.0.1:4002"' in render_lines(tmp_path)


@pytest.mark.parametrize("name", ["plain", "with a space", "état", 'say "x"', "it's", "back\\slash", "$HOME {x} %d"])
def test_the_server_accepts_its_configuration(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    file = folder / "nats.conf"
    file.write_text(render_config(NatsSettings(_env_file=None), folder))
    validation = subprocess.run(
        [find_nats_server(), "-t", "-c", str(file)], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert validation.returncode == 0, validation.stderr


def test_the_server_in_a_container_stores_jobs_in_the_same_way(tmp_path: Path) -> None:
    local_lines = set(render_lines(tmp_path))
    container_lines = {line.strip() for line in (ROOT / "deploy" / "nats" / "nats.conf").read_text().splitlines()}
    for line in ("sync_interval: always", "server_name: media", "max_memory_store: 64MB"):
        assert line in local_lines
        assert line in container_lines


def test_the_wheel_installs_the_program() -> None:
    assert Path(find_nats_server()) == Path(sysconfig.get_path("scripts")) / PROGRAM
    assert os.access(find_nats_server(), os.X_OK)


def test_without_the_wheel_the_program_is_found_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bin" / PROGRAM
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(program.parent))
    assert find_nats_server() == str(program)


def test_the_error_names_the_variable_if_there_is_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="NATS_URL must be set"):
        find_nats_server()


def test_help_starts_nothing(tmp_path: Path) -> None:
    result = run_module(tmp_path, "--help", MEDIA_STATE_DIR=str(tmp_path / "state"))
    assert result.returncode == 0
    assert "usage: python -m deploy.nats" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_error_names_a_wrong_port(tmp_path: Path) -> None:
    result = run_module(tmp_path, NATS_PORT="70000", MEDIA_STATE_DIR=str(tmp_path / "state"))
    assert result.returncode == EXIT_CONFIGURATION
    assert "NATS_PORT" in result.stderr
    assert list(tmp_path.iterdir()) == []

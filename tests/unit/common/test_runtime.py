"""Every process starts the same way: help, settings, logs, its main, an exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
from pydantic import Field
from services.common.log import logger
from services.common.runtime import run
from services.common.settings import ConfigurationError, Settings

class ProbeSettings(Settings):
    port: int = Field(1, validation_alias="PROBE_PORT", description="Port of the probe.")

async def main(settings):
    if settings.port == 99:
        raise ConfigurationError("PROBE_PORT: the port is taken.")
    logger("probe").info("running", port=settings.port)

run("services.probe", "Probes.", ProbeSettings, main)
"""


def probe(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_a_process_runs_its_main_with_its_settings(tmp_path: Path) -> None:
    ended = probe(tmp_path, PROBE_PORT="7")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert '"port":7' in ended.stdout
    assert '"service":"services.probe"' in ended.stdout


@pytest.mark.parametrize("port", ["many", "99"])
def test_a_process_that_cannot_start_says_so_without_a_traceback(tmp_path: Path, port: str) -> None:
    ended = probe(tmp_path, PROBE_PORT=port)
    assert ended.returncode == 78
    assert ended.stderr.startswith("PROBE_PORT: ")
    assert "Traceback" not in ended.stderr


def test_help_lists_the_variables(tmp_path: Path) -> None:
    ended = probe(tmp_path, "--help")
    assert ended.returncode == 0
    for words in ("python -m services.probe", "Probes.", "PROBE_PORT", "Port of the probe.", "MEDIA_LOG_LEVEL"):
        assert words in ended.stdout


def test_an_unknown_argument_is_an_error(tmp_path: Path) -> None:
    assert probe(tmp_path, "--port=1").returncode == 2

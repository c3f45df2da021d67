"""Tests of the image that the Dockerfile builds: its content, its user, and what stays out."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from gateway.envoy.settings import EdgeSettings
from gateway.settings import GatewaySettings
from services.common import VERSION
from services.image.settings import ImageSettings
from services.jobs.settings import JobsSettings, WorkerSettings
from services.tts.settings import TtsSettings
from services.video.settings import VideoSettings

ROOT = Path(__file__).parents[3]
DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def find_arguments(instruction: str) -> list[str]:
    """Return the arguments of each such instruction, in order."""
    return re.findall(rf"^{instruction} (.+)$", DOCKERFILE, flags=re.MULTILINE)


def list_copied_sources() -> list[str]:
    return [line.split()[0] for line in find_arguments("COPY") if not line.startswith("--from=")]


def is_in_build_context(path: str) -> bool:
    """Apply .dockerignore to `path`: the last line that matches it or a folder above it decides."""
    names = [path, *(str(folder) for folder in Path(path).parents if folder != Path())]
    is_included = True
    for line in IGNORED:
        pattern = line.removeprefix("!").removeprefix("**/")
        candidates = [part for name in names for part in (name, Path(name).name)] if "**/" in line else names
        if any(fnmatch(name, pattern) for name in candidates):
            is_included = line.startswith("!")
    return is_included


def test_every_stage_uses_the_same_slim_python() -> None:
    assert {line.split()[0] for line in find_arguments("FROM")} == {"python:3.13-slim"}


def test_the_last_user_is_a_number_other_than_root() -> None:
    user = find_arguments("USER")[-1]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert f"--uid {user.split(':')[0]} " in DOCKERFILE


def test_packages_are_installed_with_hashes_and_without_building() -> None:
    (install,) = [line for line in find_arguments("RUN") if " pip " in line]
    assert "--require-hashes" in install
    assert "--only-binary :all:" in install
    assert "apt-get" not in DOCKERFILE


@pytest.mark.parametrize("source", list_copied_sources())
def test_every_copied_path_exists_and_is_in_the_build_context(source: str) -> None:
    assert (ROOT / source).exists()
    assert is_in_build_context(source)


@pytest.mark.parametrize(
    "path",
    [
        ".run/identity.pem",
        ".venv/bin/python",
        ".env",
        ".git/config",
        "services/__pycache__/x.pyc",
        "gateway/envoy/__pycache__/x.pyc",
        "tests/conftest.py",
        "README.md",
    ],
)
def test_files_that_the_image_does_not_need_are_not_in_the_build_context(path: str) -> None:
    assert not is_in_build_context(path)


def test_the_import_paths_are_those_of_a_checkout() -> None:
    (environment,) = find_arguments("ENV")
    assert "PYTHONPATH=/app:/app/protos/gen" in environment
    assert "PYTHONDONTWRITEBYTECODE=1" in environment


def test_the_ports_are_those_of_the_settings() -> None:
    numbers = [
        EdgeSettings.model_fields["port"],
        GatewaySettings.model_fields["port"],
        GatewaySettings.model_fields["grpc_port"],
        TtsSettings.model_fields["port"],
        ImageSettings.model_fields["port"],
        VideoSettings.model_fields["port"],
        JobsSettings.model_fields["port"],
        WorkerSettings.model_fields["port"],
    ]
    assert find_arguments("EXPOSE")[0].split() == [str(number.default) for number in numbers]


def test_the_image_is_labelled_with_the_version_of_the_code() -> None:
    assert f'org.opencontainers.image.version="{VERSION}"' in DOCKERFILE


def test_a_stop_is_the_signal_that_starts_a_drain() -> None:
    assert find_arguments("STOPSIGNAL") == ["SIGTERM"]

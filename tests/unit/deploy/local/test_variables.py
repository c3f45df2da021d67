"""Tests of the check of all variables: invalid values and misspelt names, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.variables import (
    SETTINGS,
    find_invalid_variables,
    find_unknown_variables,
    list_known_names,
    require_valid_variables,
)
from services.common.diagnostics import Level
from services.common.settings import ConfigurationError
from tools.compose import CONTAINERS


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    for name in list_known_names():
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def find_suggestions(folder: Path) -> dict[str, str]:
    """Return the remedy for each unknown variable by its name."""
    return {found.message.split()[0]: found.remedy for found in find_unknown_variables(folder)}


def test_every_container_has_its_settings_in_the_table() -> None:
    assert set(CONTAINERS.values()) <= set(SETTINGS)


def test_the_defaults_are_valid(tmp_path: Path) -> None:
    assert find_invalid_variables() == []
    assert find_unknown_variables(tmp_path) == []


def test_all_invalid_variables_are_named_at_once(environment: pytest.MonkeyPatch) -> None:
    invalid = {
        "MEDIA_LOG_LEVEL": "chatty",
        "MEDIA_RATE_LIMIT_PER_SECOND": "many",
        "TTS_STALL_SECONDS": "-1",
        "MEDIA_STORAGE": "ftp",
        "WORKER_SLOTS": "0",
        "NATS_PORT": "70000",
    }
    for name, value in invalid.items():
        environment.setenv(name, value)
    found = find_invalid_variables()
    assert {diagnostic.message.split(":")[0] for diagnostic in found} == invalid.keys()
    assert len(found) == len(invalid)
    assert {diagnostic.level for diagnostic in found} == {Level.PROBLEM}
    with pytest.raises(ConfigurationError) as failure:
        require_valid_variables()
    assert all(name in str(failure.value) for name in invalid)


def test_ports_that_collide_are_invalid(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TTS_PORT", "7000")
    environment.setenv("IMAGE_PORT", "7000")
    assert "both 7000" in find_invalid_variables()[0].message


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ELEVENLABS_API_KEYS", "ELEVENLABS_API_KEY"),
        ("ELEVENLABS_KEY", "ELEVENLABS_API_KEY"),
        ("MEDIA_PROT", "MEDIA_PORT"),
        ("REPLICATE_TOKEN", "REPLICATE_API_TOKEN"),
        ("SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_SERVICE_ROLE"),
        ("ALLOWED_ORIGINS", "ALLOWED_ORIGIN"),
        ("JOBS_QUOTAS", "JOBS_QUOTA"),
    ],
)
def test_a_misspelt_variable_is_reported_with_the_right_name(
    name: str, nearest: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv(name, "x")
    assert find_suggestions(tmp_path) == {name: f"did you mean {nearest}?"}


@pytest.mark.parametrize(
    "name", ["PATH_INFO", "IMAGE_TAG", "VIDEO_DRIVER", "MEDIA_TEST_MONGO_URI", "S3_CACHE_OF_CI", "HOME"]
)
def test_variables_of_other_programs_are_not_reported(
    name: str, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv(name, "x")
    assert find_suggestions(tmp_path) == {}


def test_every_unknown_variable_of_the_env_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "FAL_KEY=k\nmedia_log_level=INFO\nIMAGE_TAG=1\nEMPTY=\nWHATEVER_ELSE=1\nCOMPOSE_PROJECT_NAME=p\n"
    )
    assert find_suggestions(tmp_path).keys() == {"IMAGE_TAG", "WHATEVER_ELSE"}


def test_an_empty_variable_counts_as_not_set(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("MEDIA_PROT", "")
    assert find_suggestions(tmp_path) == {}

"""Every service reads the same server settings under its own prefix."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from services.common.cache.settings import CacheSettings
from services.common.rpc.settings import CallSeconds, ConcurrentRpcs, Port, ServerSettings
from services.common.settings import ConfigurationError, load, variables


class ProbeSettings(ServerSettings, CacheSettings):
    """Settings of a service with a result cache."""

    model_config = SettingsConfigDict(env_prefix="PROBE_")

    port: Port = 50059
    max_concurrent_rpcs: ConcurrentRpcs = 7
    max_call_seconds: CallSeconds = 60


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    for name in variables(ProbeSettings):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_variables_carry_the_prefix_except_those_that_all_processes_share() -> None:
    assert set(variables(ProbeSettings)) == {
        "PROBE_HOST",
        "PROBE_PORT",
        "PROBE_REFLECTION",
        "PROBE_MAX_CONCURRENT_RPCS",
        "PROBE_MAX_CALL_SECONDS",
        "PROBE_DRAIN_NOTICE_SECONDS",
        "PROBE_DRAIN_GRACE_SECONDS",
        "PROBE_CACHING_ENABLED",
        "PROBE_CACHE_TTL_SECONDS",
        "PROBE_CACHE_MEMORY_BYTES",
        "MONGODB_URI",
        "MEDIA_STATE_DIR",
        "MEDIA_LOG_LEVEL",
        "MEDIA_LOG_FORMAT",
    }


def test_the_environment_becomes_server_options(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PROBE_HOST", "0.0.0.0")
    environment.setenv("PROBE_PORT", "0")
    environment.setenv("PROBE_REFLECTION", "true")
    environment.setenv("PROBE_DRAIN_NOTICE_SECONDS", "0.25")
    options = load(ProbeSettings).server_options()
    assert (options.host, options.port, options.port_variable) == ("0.0.0.0", 0, "PROBE_PORT")
    assert (options.limits.concurrent_rpcs, options.limits.deadline_seconds) == (7, 60)
    assert (options.reflection, options.notice_seconds, options.grace_seconds) == (True, 0.25, 20.0)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PROBE_PORT", "65536"),
        ("PROBE_MAX_CONCURRENT_RPCS", "0"),
        ("PROBE_MAX_CALL_SECONDS", "0"),
        ("PROBE_DRAIN_NOTICE_SECONDS", "-1"),
        ("PROBE_DRAIN_GRACE_SECONDS", "-1"),
        ("PROBE_CACHE_TTL_SECONDS", "0"),
        ("PROBE_CACHE_MEMORY_BYTES", "-1"),
    ],
)
def test_a_value_outside_its_range_names_the_variable(
    environment: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    environment.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"^{variable}: "):
        load(ProbeSettings)


def test_the_database_file_is_in_the_state_folder(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("MEDIA_STATE_DIR", str(tmp_path))
    assert load(ProbeSettings).database_file == tmp_path / "media.sqlite3"

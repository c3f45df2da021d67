"""Tests of the launcher: Envoy accepts the configuration in every variant, and starts with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from deploy.local.dev_keys import ensure_identity
from deploy.local.ports import find_free_ports
from gateway.envoy import launcher
from gateway.envoy.__main__ import main
from gateway.envoy.config import render_config, to_json
from services.common.rpc.addresses import Address
from services.common.settings import EXIT_CONFIGURATION, ConfigurationError
from tests.fakes.edge import make_edge_settings

KEY = "0123456789abcdef"
COMPOSE: dict[str, Any] = {
    "host": "0.0.0.0",
    "port": 8080,
    "gateway_address": Address("gateway", 8081),
    "gateway_grpc_address": Address("gateway", 8082),
    "tts_address": Address("tts", 50051),
}
VARIANTS: dict[str, dict[str, Any]] = {
    "laptop": {},
    "laptop, console log": {"log_format": "console", "log_level": "DEBUG"},
    "compose": COMPOSE,
    "keys from a URL": {"jwt_jwks_uri": "https://keys.example.com:8443/jwks.json?v=1"},
    "behind a proxy": {"trusted_hops": 2},
    "two origins": {"allowed_origin": "https://a.example, https://b.example"},
    "IPv6": {"host": "::", "tts_address": Address("::1", 50051)},
    "small limits": {"rate_limit_per_second": 1, "unary_timeout_seconds": 0.25, "max_concurrent_requests": 1},
}


@pytest.fixture
def api_keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"robot:{KEY}\n")
    return path


@pytest.mark.parametrize("with_api_keys", [False, True], ids=["tokens", "tokens and API keys"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_envoy_accepts_every_variant(tmp_path: Path, api_keys: Path, variant: str, with_api_keys: bool) -> None:
    changes = VARIANTS[variant] | ({"api_keys_file": api_keys} if with_api_keys else {})
    settings = make_edge_settings(tmp_path, **changes)
    launcher.validate(settings)
    assert ("api_key_auth" in to_json(render_config(settings))) == with_api_keys


def test_a_configuration_that_envoy_refuses_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Envoy refuses"):
        launcher.validate(make_edge_settings(tmp_path, host="not an address"))


def test_without_a_ca_bundle_keys_cannot_come_from_a_url(tmp_path: Path) -> None:
    settings = make_edge_settings(tmp_path, jwt_jwks_uri="https://keys.example.com/", ca_file=tmp_path / "none")
    with pytest.raises(ConfigurationError, match="MEDIA_CA_FILE"):
        render_config(settings)


def test_a_binary_that_cannot_be_run_names_its_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ENVOY_BINARY"):
        launcher.find_binary(make_edge_settings(tmp_path, envoy_binary=tmp_path))


def test_api_keys_are_not_on_the_command_line(tmp_path: Path, api_keys: Path) -> None:
    settings = make_edge_settings(tmp_path, api_keys_file=api_keys)
    descriptor = launcher.create_private_file(to_json(render_config(settings)))
    try:
        assert KEY in Path(f"/dev/fd/{descriptor}").read_text()
        assert KEY not in " ".join(launcher.build_command(settings, descriptor))
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDIA_JWT_JWKS_FILE", str(ensure_identity(tmp_path / "identity")))
    monkeypatch.setenv("MEDIA_ADMIN_PORT", str(find_free_ports(1)[0]))
    return monkeypatch


def test_render_writes_a_file_for_its_owner_only(
    environment: pytest.MonkeyPatch, tmp_path: Path, api_keys: Path
) -> None:
    environment.setenv("MEDIA_API_KEYS_FILE", str(api_keys))
    target = tmp_path / "envoy.json"
    target.touch(mode=0o644)
    assert main(["render", "--output", str(target)]) == 0
    assert target.stat().st_mode & 0o777 == 0o600
    assert KEY in target.read_text()


@pytest.mark.usefixtures("environment")
def test_render_prints_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["render"]) == 0
    assert json.loads(capsys.readouterr().out)["node"]["cluster"] == "media"


@pytest.mark.usefixtures("environment")
def test_validate_reports_that_envoy_accepts_the_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate"]) == 0
    assert "accepts" in capsys.readouterr().out


@pytest.mark.usefixtures("environment")
def test_a_stopped_edge_is_not_ready() -> None:
    assert main(["ready"]) == 1


def test_a_wrong_value_ends_the_command_with_the_variable(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("MEDIA_API_KEYS_FILE", "none")
    with pytest.raises(SystemExit) as caught:
        main(["validate"])
    assert caught.value.code == EXIT_CONFIGURATION
    assert "MEDIA_API_KEYS_FILE" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["render", "--help"], ["run", "--help"]])
def test_every_command_has_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert "python -m gateway.envoy" in capsys.readouterr().out


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_the_log_level_of_envoy_never_includes_tokens(tmp_path: Path, level: str) -> None:
    words = launcher.build_command(make_edge_settings(tmp_path, log_level=level), 3)
    assert words[words.index("--log-level") + 1] in ("warning", "error")

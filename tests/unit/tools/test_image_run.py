"""Tests of the composed suite without containers: every address and folder of docker-compose.yml is translated."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.compose import CONTAINERS, read_compose_file, resolve_environment
from tools.image_run import Places, choose_places

SERVICES = read_compose_file()["services"]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return choose_places(SERVICES, tmp_path, tmp_path / "jwks.json")


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_no_variable_names_a_container_or_a_folder_of_one(name: str, places: Places, tmp_path: Path) -> None:
    for variable, value in resolve_environment(SERVICES[name]["environment"], {"MONGODB_URI": ""}).items():
        translated = places.translate(name, variable, value)
        if variable.endswith("_ADDRESS"):
            assert translated.startswith("127.0.0.1:")
            assert translated == places.addresses[value]
        assert "/var/" not in translated.replace(str(tmp_path), "")
        assert not translated.startswith("/etc/")


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_a_process_listens_where_its_health_check_and_its_callers_look(name: str, places: Places) -> None:
    declared = resolve_environment(SERVICES[name]["environment"], {})
    ports = {
        variable: places.translate(name, variable, number)
        for variable, number in declared.items()
        if variable.endswith("_PORT") and number.isdigit()
    }
    assert ports
    assert all(f"127.0.0.1:{port}" in places.addresses.values() for port in ports.values())
    check = [places.translate(name, "", word) for word in SERVICES[name]["healthcheck"]["test"][1:]]
    if "127.0.0.1" in check[-1]:
        assert any(f"127.0.0.1:{port}/" in check[-1] for port in ports.values())


def test_a_number_that_only_begins_like_a_port_stays() -> None:
    places = Places({"tts:5005": "127.0.0.1:7"})
    assert places.translate("gateway", "TTS_ADDRESS", "tts:50051") == "tts:50051"
    assert places.translate("gateway", "TTS_ADDRESS", "tts:5005") == "127.0.0.1:7"
    assert places.translate("gateway", "TTS_ADDRESS", "other-tts:5005") == "other-tts:5005"

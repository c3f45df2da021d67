"""The containers as docker-compose.yml describes them, held against the code that runs in them."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from gateway.envoy.settings import EdgeSettings
from gateway.envoy.table import TABLE
from gateway.settings import GatewaySettings
from services.common.settings import Settings, load, variables
from services.common.version import VERSION
from services.image.service import SERVICE_NAME as IMAGE_SERVICE_NAME
from services.image.settings import ImageSettings
from services.tts.service import SERVICE_NAME
from services.tts.settings import TtsSettings
from services.video.service import SERVICE_NAME as VIDEO_SERVICE_NAME
from services.video.settings import VideoSettings

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
READS: dict[str, type[Settings]] = {
    "envoy": EdgeSettings,
    "gateway": GatewaySettings,
    "tts": TtsSettings,
    "image": ImageSettings,
    "video": VideoSettings,
}
STORING = ("gateway", "tts", "image", "video")
FOREIGN = {"mongo", "nats"}
BYTES = {"m": 1024**2, "g": 1024**3}

S = TypeVar("S", bound=Settings)
SettingsOf = Callable[[str, type[S]], S]


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SettingsOf[Any]:
    """Returns what reads a container's settings as they are where nobody sets anything outside."""
    monkeypatch.chdir(tmp_path)

    def read(name: str, kind: type[S]) -> S:
        for variable in variables(kind):
            monkeypatch.delenv(variable, raising=False)
        for variable, text in SERVICES[name]["environment"].items():
            monkeypatch.setenv(variable, outside_unset(text))
        return load(kind)

    return read


def outside_unset(text: str) -> str:
    """Returns what compose makes of `text` where no variable is set."""
    return re.sub(r"\$\{[A-Z0-9_]+:-([^}]*)\}", r"\1", text)


def seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration.removesuffix("s"))


def health_command(name: str) -> list[str]:
    test: list[str] = SERVICES[name]["healthcheck"]["test"]
    assert test[0] == "CMD", "a health check needs no shell"
    return test[1:]


def test_the_services_are_ours_and_the_two_stores() -> None:
    assert set(SERVICES) == set(READS) | FOREIGN


def test_only_envoy_publishes_a_port_and_only_envoy_is_in_front() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["envoy"]
    assert [name for name, service in SERVICES.items() if "front" in service["networks"]] == ["envoy"]
    assert COMPOSE["networks"]["back"]["internal"] is True


def test_the_published_port_is_the_one_that_envoy_listens_on(settings_of: SettingsOf[EdgeSettings]) -> None:
    edge = settings_of("envoy", EdgeSettings)
    assert SERVICES["envoy"]["ports"] == [f"${{MEDIA_PORT:-{edge.port}}}:{edge.port}"]
    assert edge.host == "0.0.0.0"


def test_everybody_is_looked_for_where_he_listens(settings_of: SettingsOf[Any]) -> None:
    edge: EdgeSettings = settings_of("envoy", EdgeSettings)
    gateway: GatewaySettings = settings_of("gateway", GatewaySettings)
    tts: TtsSettings = settings_of("tts", TtsSettings)
    assert str(edge.gateway_address) == f"gateway:{gateway.port}"
    assert str(edge.gateway_grpc_address) == f"gateway:{gateway.grpc_port}"
    assert str(edge.tts_address) == gateway.tts_address == f"tts:{tts.port}"
    image: ImageSettings = settings_of("image", ImageSettings)
    assert str(edge.image_address) == gateway.image_address == f"image:{image.port}"
    video: VideoSettings = settings_of("video", VideoSettings)
    assert str(edge.video_address) == gateway.video_address == f"video:{video.port}"
    assert gateway.host == tts.host == image.host == video.host == "0.0.0.0"


@pytest.mark.parametrize("name", sorted(READS))
def test_every_variable_is_read_by_the_process_that_gets_it(name: str) -> None:
    assert set(SERVICES[name]["environment"]) <= set(variables(READS[name]))


@pytest.mark.parametrize("name", sorted(READS))
def test_every_variable_from_outside_keeps_its_name_and_may_be_unset(name: str) -> None:
    for variable, text in SERVICES[name]["environment"].items():
        if "$" in text:
            assert text == f"${{{variable}:-}}"


@pytest.mark.parametrize("name", sorted(READS))
def test_every_command_explains_itself(name: str) -> None:
    program, *arguments = SERVICES[name]["command"]
    assert (program, arguments[0]) == ("python", "-m")
    ended = subprocess.run([sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"usage: python -m {arguments[1]}" in ended.stdout


@pytest.mark.parametrize("name", sorted(READS))
def test_every_health_command_is_code_of_ours(name: str) -> None:
    program, flag, module, *_ = health_command(name)
    assert (program, flag) == ("python", "-m")
    assert importlib.util.find_spec(module) is not None


def test_health_is_asked_where_the_process_listens(settings_of: SettingsOf[Any]) -> None:
    gateway: GatewaySettings = settings_of("gateway", GatewaySettings)
    tts: TtsSettings = settings_of("tts", TtsSettings)
    assert health_command("tts")[3:] == [f"grpc://127.0.0.1:{tts.port}/{SERVICE_NAME}"]
    image: ImageSettings = settings_of("image", ImageSettings)
    assert health_command("image")[3:] == [f"grpc://127.0.0.1:{image.port}/{IMAGE_SERVICE_NAME}"]
    video: VideoSettings = settings_of("video", VideoSettings)
    assert health_command("video")[3:] == [f"grpc://127.0.0.1:{video.port}/{VIDEO_SERVICE_NAME}"]
    assert health_command("gateway")[3:] == [f"http://127.0.0.1:{gateway.port}/health"]
    assert "/health" in {row.path for row in TABLE if row.public}
    assert health_command("envoy")[2:] == ["gateway.envoy", "ready"]


def test_nats_is_asked_on_its_monitoring_port() -> None:
    command = SERVICES["nats"]["command"]
    port = command[command.index("--http_port") + 1]
    assert health_command("nats")[-1] == f"http://127.0.0.1:{port}/healthz"


@pytest.mark.parametrize("name", sorted(READS))
def test_a_drain_is_over_before_the_process_is_killed(name: str, settings_of: SettingsOf[Any]) -> None:
    settings = settings_of(name, READS[name])
    drain_seconds = settings.drain_notice_seconds + settings.drain_grace_seconds
    assert seconds(SERVICES[name]["stop_grace_period"]) > drain_seconds


def test_envoy_sheds_load_before_its_container_is_full(settings_of: SettingsOf[EdgeSettings]) -> None:
    size = SERVICES["envoy"]["mem_limit"]
    assert settings_of("envoy", EdgeSettings).max_heap_bytes < int(size[:-1]) * BYTES[size[-1]]


def test_the_public_keys_are_mounted_where_envoy_reads_them(settings_of: SettingsOf[EdgeSettings]) -> None:
    (mount,) = SERVICES["envoy"]["volumes"]
    assert mount["target"] == str(settings_of("envoy", EdgeSettings).jwt_jwks_file)
    assert mount["read_only"] is True
    assert mount["bind"] == {"create_host_path": False}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert {"cpus", "mem_limit", "pids_limit", "healthcheck", "stop_grace_period", "logging"} <= service.keys()


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_image_is_pinned(name: str) -> None:
    repository, _, tag = SERVICES[name]["image"].partition(":")
    assert repository
    assert re.fullmatch(r"\d+\.\d+\.\d+(-alpine)?", tag)


@pytest.mark.parametrize("name", sorted(READS))
def test_our_image_is_built_here_in_the_version_of_the_code(name: str) -> None:
    assert SERVICES[name]["image"] == f"media-suite:{VERSION}"
    assert SERVICES[name]["build"] == "."


def test_nothing_depends_on_the_stores_yet() -> None:
    wanted = {dependency for service in SERVICES.values() for dependency in service.get("depends_on", {})}
    assert not wanted & FOREIGN


def test_everybody_waits_for_the_health_of_those_he_calls() -> None:
    assert SERVICES["envoy"]["depends_on"].keys() == {"gateway", "tts", "image", "video"}
    assert SERVICES["gateway"]["depends_on"].keys() == {"tts", "image", "video"}
    conditions = {
        wanted["condition"] for service in SERVICES.values() for wanted in service.get("depends_on", {}).values()
    }
    assert conditions == {"service_healthy"}


def test_everybody_who_stores_or_serves_media_sees_the_same_folder(settings_of: SettingsOf[Any]) -> None:
    stores = {name: settings_of(name, READS[name]) for name in STORING}
    assert {settings.store_name for settings in stores.values()} == {"local"}
    (folder,) = {settings.storage_dir for settings in stores.values()}
    for name in STORING:
        mounts = dict(mount.split(":") for mount in SERVICES[name]["volumes"])
        assert folder.is_relative_to(mounts["media-objects"])


def test_films_in_the_making_have_a_volume_and_not_memory(settings_of: SettingsOf[Any]) -> None:
    video: VideoSettings = settings_of("video", VideoSettings)
    mounts = dict(mount.split(":") for mount in SERVICES["video"]["volumes"])
    assert str(video.temp_dir) == mounts["video-work"]
    assert mounts["video-work"] in (ROOT / "Dockerfile").read_text()


def test_every_volume_and_network_that_is_used_is_declared() -> None:
    named = {
        mount.partition(":")[0]
        for service in SERVICES.values()
        for mount in service.get("volumes", [])
        if isinstance(mount, str)
    }
    joined = {network for service in SERVICES.values() for network in service["networks"]}
    assert named == set(COMPOSE["volumes"])
    assert joined == set(COMPOSE["networks"])

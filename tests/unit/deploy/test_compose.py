"""Tests of docker-compose.yml: the containers match the code that runs in them."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from deploy.nats.server import find_nats_server
from gateway.envoy.route_table import TABLE
from gateway.envoy.settings import EdgeSettings
from gateway.settings import GatewaySettings
from services.common import VERSION
from services.common.settings import Settings, list_names, load
from services.image.service import SERVICE_NAME as IMAGE_SERVICE_NAME
from services.image.settings import ImageSettings
from services.jobs.server import build_stream_options
from services.jobs.service import SERVICE_NAME as JOB_SERVICE_NAME
from services.jobs.settings import JobsSettings, WorkerSettings
from services.jobs.worker.server import HEALTH_NAME as WORKER_HEALTH_NAME
from services.tts.service import SERVICE_NAME
from services.tts.settings import TtsSettings
from services.video.service import SERVICE_NAME as VIDEO_SERVICE_NAME
from services.video.settings import VideoSettings
from tools.compose import CONTAINERS, build_environment, read_compose_file, resolve_environment

ROOT = Path(__file__).parents[3]
COMPOSE = read_compose_file()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
FIXED = re.compile(r"(MEDIA|GATEWAY|TTS|IMAGE|VIDEO|JOBS|WORKER)_(HOST|PORT|GRPC_PORT|ADMIN_PORT|ADDRESS|GRPC_ADDRESS)")
FIXED_FOLDERS = {"MEDIA_STORAGE_DIR", "MEDIA_STATE_DIR", "VIDEO_TEMP_DIR"}
STORING = ("gateway", "tts", "image", "video", "jobs", "worker")
QUEUE = ("jobs", "worker")
DRAINING = sorted(set(CONTAINERS) - {"worker"})
STORES = {"mongo", "nats"}
NATS = ROOT / "deploy" / "nats" / "nats.conf"
BYTES = {"m": 1024**2, "g": 1024**3}

S = TypeVar("S", bound=Settings)


class SettingsReader(Protocol[S]):
    def __call__(self, name: str, settings_type: type[S], **outside: str) -> S: ...


@pytest.fixture
def read_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SettingsReader[Any]:
    """Return a function that reads the settings of a container without variables from outside."""
    monkeypatch.chdir(tmp_path)

    def read(name: str, settings_type: type[S], **outside: str) -> S:
        for variable in list_names(settings_type):
            monkeypatch.delenv(variable, raising=False)
        for variable, text in resolve_environment(SERVICES[name]["environment"], outside).items():
            monkeypatch.setenv(variable, text)
        return load(settings_type)

    return read


def parse_seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration.removesuffix("s"))


def get_health_command(name: str) -> list[str]:
    test: list[str] = SERVICES[name]["healthcheck"]["test"]
    assert test[0] == "CMD", "a health check needs no shell"
    return test[1:]


def read_nats_option(key: str) -> str:
    """Return the only value of `key` in the configuration of NATS."""
    (value,) = re.findall(rf"^\s*{key}: (.+)$", NATS.read_text(), flags=re.MULTILINE)
    return str(value).strip('"')


def test_the_services_are_the_suite_and_two_stores() -> None:
    assert set(SERVICES) == set(CONTAINERS) | STORES


def test_only_envoy_publishes_a_port_and_is_in_the_front_network() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["envoy"]
    assert [name for name, service in SERVICES.items() if "front" in service["networks"]] == ["envoy"]
    assert COMPOSE["networks"]["back"]["internal"] is True


def test_the_published_port_is_the_one_that_envoy_listens_on(read_settings: SettingsReader[EdgeSettings]) -> None:
    edge = read_settings("envoy", EdgeSettings)
    assert SERVICES["envoy"]["ports"] == [f"${{MEDIA_PORT:-{edge.port}}}:{edge.port}"]
    assert edge.host == "0.0.0.0"


def test_every_address_is_the_one_that_its_service_listens_on(read_settings: SettingsReader[Any]) -> None:
    edge: EdgeSettings = read_settings("envoy", EdgeSettings)
    gateway: GatewaySettings = read_settings("gateway", GatewaySettings)
    tts: TtsSettings = read_settings("tts", TtsSettings)
    assert str(edge.gateway_address) == f"gateway:{gateway.port}"
    assert str(edge.gateway_grpc_address) == f"gateway:{gateway.grpc_port}"
    assert str(edge.tts_address) == str(gateway.tts_address) == f"tts:{tts.port}"
    image: ImageSettings = read_settings("image", ImageSettings)
    assert str(edge.image_address) == str(gateway.image_address) == f"image:{image.port}"
    video: VideoSettings = read_settings("video", VideoSettings)
    assert str(edge.video_address) == str(gateway.video_address) == f"video:{video.port}"
    jobs: JobsSettings = read_settings("jobs", JobsSettings)
    assert str(edge.jobs_address) == str(gateway.jobs_address) == f"jobs:{jobs.port}"
    assert gateway.host == tts.host == image.host == video.host == jobs.host == "0.0.0.0"
    worker: WorkerSettings = read_settings("worker", WorkerSettings)
    assert jobs.tts_address == worker.tts_address == edge.tts_address
    assert (worker.image_address, worker.video_address) == (edge.image_address, edge.video_address)


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_a_container_gets_exactly_the_variables_that_its_process_reads(name: str) -> None:
    assert SERVICES[name]["environment"].keys() == list_names(CONTAINERS[name]) - {"WORKER_NAME"}


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_every_variable_can_be_set_unless_the_containers_depend_on_it(name: str) -> None:
    declared = SERVICES[name]["environment"]
    for variable in declared:
        is_fixed = FIXED.fullmatch(variable) is not None or variable in FIXED_FOLDERS
        is_set = resolve_environment(declared, {variable: "from outside"}).get(variable) == "from outside"
        assert is_set is not is_fixed, variable


def test_the_environments_are_those_of_the_settings() -> None:
    assert (ROOT / "deploy" / "compose" / "environment.yml").read_text() == build_environment()


@pytest.mark.parametrize("name", STORING)
@pytest.mark.parametrize(
    ("outside", "url"),
    [
        ({}, "http://localhost:8080"),
        ({"MEDIA_PORT": "9000"}, "http://localhost:9000"),
        ({"MEDIA_PORT": "9000", "MEDIA_PUBLIC_URL": "https://media.example"}, "https://media.example"),
    ],
)
def test_links_begin_with_the_published_address(
    name: str, outside: dict[str, str], url: str, read_settings: SettingsReader[Any]
) -> None:
    assert read_settings(name, CONTAINERS[name], **outside).public_url == url


def test_caching_is_on_and_can_be_switched_off(read_settings: SettingsReader[Any]) -> None:
    assert read_settings("tts", TtsSettings).caching_enabled is True
    assert read_settings("tts", TtsSettings, TTS_CACHING_ENABLED="false").caching_enabled is False
    assert read_settings("image", ImageSettings).caching_enabled is True
    assert read_settings("image", ImageSettings, IMAGE_CACHING_ENABLED="false").caching_enabled is False
    assert read_settings("video", VideoSettings).caching_enabled is True
    assert read_settings("video", VideoSettings, VIDEO_CACHING_ENABLED="false").caching_enabled is False


def test_results_are_in_the_database_or_on_the_volume(read_settings: SettingsReader[Any]) -> None:
    for name in ("tts", "image", "video"):
        assert read_settings(name, CONTAINERS[name]).mongodb_uri.get_secret_value() == "mongodb://mongo:27017/media"
        without = read_settings(name, CONTAINERS[name], MONGODB_URI="")
        assert without.mongodb_uri.get_secret_value() == ""
        assert str(without.state_dir) == "/var/lib/media/state"


def test_the_keys_of_an_identity_provider_count_in_place_of_the_local_ones(
    read_settings: SettingsReader[EdgeSettings],
) -> None:
    uri = "https://issuer.example/keys"
    assert read_settings("envoy", EdgeSettings, MEDIA_JWT_JWKS_URI=uri).jwt_jwks_uri == uri


def test_a_health_check_that_needs_a_new_engine_says_so() -> None:
    uses_start_interval = any("start_interval" in service["healthcheck"] for service in SERVICES.values())
    assert uses_start_interval == ("Docker Engine 25 or newer" in (ROOT / "docker-compose.yml").read_text())


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_every_command_prints_its_help(name: str) -> None:
    program, *arguments = SERVICES[name]["command"]
    assert (program, arguments[0]) == ("python", "-m")
    result = subprocess.run(
        [sys.executable, *arguments, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert f"usage: python -m {arguments[1]}" in result.stdout


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_every_health_command_is_a_module_of_the_suite(name: str) -> None:
    program, flag, module, *_ = get_health_command(name)
    assert (program, flag) == ("python", "-m")
    assert importlib.util.find_spec(module) is not None


def test_health_commands_use_the_addresses_of_the_processes(read_settings: SettingsReader[Any]) -> None:
    gateway: GatewaySettings = read_settings("gateway", GatewaySettings)
    tts: TtsSettings = read_settings("tts", TtsSettings)
    assert get_health_command("tts")[3:] == [f"grpc://127.0.0.1:{tts.port}/{SERVICE_NAME}"]
    image: ImageSettings = read_settings("image", ImageSettings)
    assert get_health_command("image")[3:] == [f"grpc://127.0.0.1:{image.port}/{IMAGE_SERVICE_NAME}"]
    video: VideoSettings = read_settings("video", VideoSettings)
    assert get_health_command("video")[3:] == [f"grpc://127.0.0.1:{video.port}/{VIDEO_SERVICE_NAME}"]
    jobs: JobsSettings = read_settings("jobs", JobsSettings)
    assert get_health_command("jobs")[3:] == [f"grpc://127.0.0.1:{jobs.port}/{JOB_SERVICE_NAME}"]
    worker: WorkerSettings = read_settings("worker", WorkerSettings)
    assert get_health_command("worker")[3:] == [f"grpc://127.0.0.1:{worker.port}/{WORKER_HEALTH_NAME}"]
    assert get_health_command("gateway")[3:] == [f"http://127.0.0.1:{gateway.port}/health"]
    assert "/health" in {row.path for row in TABLE if row.public}
    assert get_health_command("envoy")[2:] == ["gateway.envoy", "ready"]


def test_nats_is_reached_at_its_own_addresses(read_settings: SettingsReader[Any]) -> None:
    assert read_nats_option("http") == "0.0.0.0:8222"
    assert get_health_command("nats")[-1] == "http://127.0.0.1:8222/healthz"
    assert read_nats_option("listen") == "0.0.0.0:4222"
    assert {read_settings(name, CONTAINERS[name]).nats_url for name in QUEUE} == {"nats://nats:4222"}


def test_nats_writes_to_its_volume_before_it_acknowledges(tmp_path: Path) -> None:
    command = SERVICES["nats"]["command"]
    volume, configuration = SERVICES["nats"]["volumes"]
    assert configuration["target"] == command[command.index("--config") + 1]
    assert configuration["read_only"] is True
    assert (ROOT / configuration["source"]).samefile(NATS)
    assert read_nats_option("sync_interval") == "always"
    assert read_nats_option("store_dir") == volume.partition(":")[2]
    # The server checks the file and opens no port.
    subprocess.run([find_nats_server(), "-t", "-c", NATS], cwd=tmp_path, capture_output=True, check=True)


def test_all_processes_that_create_the_streams_use_the_same_settings(read_settings: SettingsReader[Any]) -> None:
    options = [build_stream_options(read_settings(name, CONTAINERS[name])) for name in QUEUE]
    assert options[0] == options[1]


def test_any_number_of_workers_may_run() -> None:
    assert not {"container_name", "hostname", "ports"} & SERVICES["worker"].keys()
    assert "WORKER_NAME" not in SERVICES["worker"]["environment"]


def test_a_worker_has_time_to_release_its_jobs() -> None:
    assert parse_seconds(SERVICES["worker"]["stop_grace_period"]) >= 10


@pytest.mark.parametrize("name", DRAINING)
def test_a_drain_ends_before_the_process_is_killed(name: str, read_settings: SettingsReader[Any]) -> None:
    settings = read_settings(name, CONTAINERS[name])
    drain_seconds = settings.drain_notice_seconds + settings.drain_grace_seconds
    assert parse_seconds(SERVICES[name]["stop_grace_period"]) > drain_seconds


def test_envoy_rejects_requests_before_the_memory_of_its_container_is_used_up(
    read_settings: SettingsReader[EdgeSettings],
) -> None:
    size = SERVICES["envoy"]["mem_limit"]
    assert read_settings("envoy", EdgeSettings).max_heap_bytes < int(size[:-1]) * BYTES[size[-1]]


def test_the_public_keys_are_mounted_where_envoy_reads_them(read_settings: SettingsReader[EdgeSettings]) -> None:
    (mount,) = SERVICES["envoy"]["volumes"]
    assert mount["target"] == str(read_settings("envoy", EdgeSettings).jwt_jwks_file)
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


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_the_image_of_the_suite_is_built_with_the_version_of_the_code(name: str) -> None:
    assert SERVICES[name]["image"] == f"media-suite:{VERSION}"
    assert SERVICES[name]["build"] == "."


def test_only_jobs_depend_on_a_store() -> None:
    dependants = {
        name: set(service.get("depends_on", {})) & STORES
        for name, service in SERVICES.items()
        if set(service.get("depends_on", {})) & STORES
    }
    assert dependants == {"jobs": {"nats"}, "worker": {"nats"}}


def test_every_service_waits_for_the_health_of_the_services_that_it_calls() -> None:
    assert SERVICES["envoy"]["depends_on"].keys() == {"gateway", "tts", "image", "video", "jobs"}
    assert SERVICES["gateway"]["depends_on"].keys() == {"tts", "image", "video", "jobs"}
    assert SERVICES["jobs"]["depends_on"].keys() == {"nats", "tts"}
    assert SERVICES["worker"]["depends_on"].keys() == {"nats", "tts", "image", "video"}
    conditions = {
        dependency["condition"]
        for service in SERVICES.values()
        for dependency in service.get("depends_on", {}).values()
    }
    assert conditions == {"service_healthy"}


def test_all_services_that_store_or_serve_media_mount_the_same_folder(read_settings: SettingsReader[Any]) -> None:
    stores = {name: read_settings(name, CONTAINERS[name]) for name in STORING}
    assert {settings.store_name for settings in stores.values()} == {"local"}
    (folder,) = {settings.storage_dir for settings in stores.values()}
    for name in STORING:
        mounts = dict(mount.split(":") for mount in SERVICES[name]["volumes"])
        assert folder.is_relative_to(mounts["media-objects"])


def test_unfinished_videos_are_on_a_volume_and_not_in_memory(read_settings: SettingsReader[Any]) -> None:
    video: VideoSettings = read_settings("video", VideoSettings)
    mounts = dict(mount.split(":") for mount in SERVICES["video"]["volumes"])
    assert str(video.temp_dir) == mounts["video-work"]
    assert mounts["video-work"] in (ROOT / "Dockerfile").read_text()


def test_every_volume_and_network_that_is_used_is_declared() -> None:
    used_volumes = {
        mount.partition(":")[0]
        for service in SERVICES.values()
        for mount in service.get("volumes", [])
        if isinstance(mount, str)
    }
    used_networks = {network for service in SERVICES.values() for network in service["networks"]}
    assert used_volumes == set(COMPOSE["volumes"])
    assert used_networks == set(COMPOSE["networks"])

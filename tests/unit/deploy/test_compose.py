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

from deploy.nats.server import find_nats_server
from gateway.envoy.route_table import TABLE
from gateway.envoy.settings import EdgeSettings
from gateway.settings import GatewaySettings
from services.common import VERSION
from services.common.settings import Settings, load, variables
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

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
READS: dict[str, type[Settings]] = {
    "envoy": EdgeSettings,
    "gateway": GatewaySettings,
    "tts": TtsSettings,
    "image": ImageSettings,
    "video": VideoSettings,
    "jobs": JobsSettings,
    "worker": WorkerSettings,
}
STORING = ("gateway", "tts", "image", "video", "jobs", "worker")
QUEUE = ("jobs", "worker")
DRAINING = sorted(set(READS) - {"worker"})
FOREIGN = {"mongo", "nats"}
NATS = ROOT / "deploy" / "nats" / "nats.conf"
BYTES = {"m": 1024**2, "g": 1024**3}

S = TypeVar("S", bound=Settings)
SettingsOf = Callable[[str, type[S]], S]


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SettingsOf[Any]:
    """Return a function that reads a container's settings without any variable from outside."""
    monkeypatch.chdir(tmp_path)

    def read(name: str, kind: type[S]) -> S:
        for variable in variables(kind):
            monkeypatch.delenv(variable, raising=False)
        for variable, text in SERVICES[name]["environment"].items():
            monkeypatch.setenv(variable, outside_unset(text))
        return load(kind)

    return read


def outside_unset(text: str) -> str:
    """Return what compose makes of `text` where no variable is set."""
    return re.sub(r"\$\{[A-Z0-9_]+:-([^}]*)\}", r"\1", text)


def seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration.removesuffix("s"))


def health_command(name: str) -> list[str]:
    test: list[str] = SERVICES[name]["healthcheck"]["test"]
    assert test[0] == "CMD", "a health check needs no shell"
    return test[1:]


def nats_says(key: str) -> str:
    """Return the only value of `key` in the configuration of NATS."""
    (value,) = re.findall(rf"^\s*{key}: (.+)$", NATS.read_text(), flags=re.MULTILINE)
    return str(value).strip('"')


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


def test_every_address_is_the_one_that_its_service_listens_on(settings_of: SettingsOf[Any]) -> None:
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
    jobs: JobsSettings = settings_of("jobs", JobsSettings)
    assert str(edge.jobs_address) == gateway.jobs_address == f"jobs:{jobs.port}"
    assert gateway.host == tts.host == image.host == video.host == jobs.host == "0.0.0.0"
    worker: WorkerSettings = settings_of("worker", WorkerSettings)
    assert jobs.tts_address == worker.tts_address == str(edge.tts_address)
    assert (worker.image_address, worker.video_address) == (str(edge.image_address), str(edge.video_address))


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
    jobs: JobsSettings = settings_of("jobs", JobsSettings)
    assert health_command("jobs")[3:] == [f"grpc://127.0.0.1:{jobs.port}/{JOB_SERVICE_NAME}"]
    worker: WorkerSettings = settings_of("worker", WorkerSettings)
    assert health_command("worker")[3:] == [f"grpc://127.0.0.1:{worker.port}/{WORKER_HEALTH_NAME}"]
    assert health_command("gateway")[3:] == [f"http://127.0.0.1:{gateway.port}/health"]
    assert "/health" in {row.path for row in TABLE if row.public}
    assert health_command("envoy")[2:] == ["gateway.envoy", "ready"]


def test_nats_is_looked_for_where_it_listens(settings_of: SettingsOf[Any]) -> None:
    assert nats_says("http") == "0.0.0.0:8222"
    assert health_command("nats")[-1] == "http://127.0.0.1:8222/healthz"
    assert nats_says("listen") == "0.0.0.0:4222"
    assert {settings_of(name, READS[name]).nats_url for name in QUEUE} == {"nats://nats:4222"}


def test_nats_has_every_write_on_its_volume_before_it_acknowledges(tmp_path: Path) -> None:
    command = SERVICES["nats"]["command"]
    volume, configuration = SERVICES["nats"]["volumes"]
    assert configuration["target"] == command[command.index("--config") + 1]
    assert configuration["read_only"] is True
    assert (ROOT / configuration["source"]).samefile(NATS)
    assert nats_says("sync_interval") == "always"
    assert nats_says("store_dir") == volume.partition(":")[2]
    # The server itself checks the file; it opens nothing.
    subprocess.run([find_nats_server(), "-t", "-c", NATS], cwd=tmp_path, capture_output=True, check=True)


def test_all_processes_that_create_the_streams_use_the_same_settings(settings_of: SettingsOf[Any]) -> None:
    made = [build_stream_options(settings_of(name, READS[name])) for name in QUEUE]
    assert made[0] == made[1]
    outside = [{name for name, text in SERVICES[of]["environment"].items() if "$" in text} for of in QUEUE]
    about_streams = {"NATS_URL", "NATS_CREDENTIALS", "JOBS_REPLICAS", "JOBS_QUOTA", "JOBS_RETENTION_DAYS"}
    assert outside[0] & about_streams == outside[1] & about_streams


def test_any_number_of_workers_may_run() -> None:
    assert not {"container_name", "hostname", "ports"} & SERVICES["worker"].keys()
    assert "WORKER_NAME" not in SERVICES["worker"]["environment"]


def test_a_worker_that_gives_its_jobs_back_is_not_killed_meanwhile() -> None:
    assert seconds(SERVICES["worker"]["stop_grace_period"]) >= 10


@pytest.mark.parametrize("name", DRAINING)
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


def test_only_jobs_depend_on_a_store() -> None:
    waiting = {
        name: set(service.get("depends_on", {})) & FOREIGN
        for name, service in SERVICES.items()
        if set(service.get("depends_on", {})) & FOREIGN
    }
    assert waiting == {"jobs": {"nats"}, "worker": {"nats"}}


def test_every_service_waits_for_the_health_of_the_services_that_it_calls() -> None:
    assert SERVICES["envoy"]["depends_on"].keys() == {"gateway", "tts", "image", "video", "jobs"}
    assert SERVICES["gateway"]["depends_on"].keys() == {"tts", "image", "video", "jobs"}
    assert SERVICES["jobs"]["depends_on"].keys() == {"nats", "tts"}
    assert SERVICES["worker"]["depends_on"].keys() == {"nats", "tts", "image", "video"}
    conditions = {
        wanted["condition"] for service in SERVICES.values() for wanted in service.get("depends_on", {}).values()
    }
    assert conditions == {"service_healthy"}


def test_all_services_that_store_or_serve_media_mount_the_same_folder(settings_of: SettingsOf[Any]) -> None:
    stores = {name: settings_of(name, READS[name]) for name in STORING}
    assert {settings.store_name for settings in stores.values()} == {"local"}
    (folder,) = {settings.storage_dir for settings in stores.values()}
    for name in STORING:
        mounts = dict(mount.split(":") for mount in SERVICES[name]["volumes"])
        assert folder.is_relative_to(mounts["media-objects"])


def test_videos_in_the_making_have_a_volume_and_not_memory(settings_of: SettingsOf[Any]) -> None:
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

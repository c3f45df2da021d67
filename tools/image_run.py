"""`python -m tools.image_run`: run the composed suite without containers, from what the image contains.

The packages are installed into an empty folder with the Dockerfile's own options, and the files that it copies are
copied there. Each process then starts by its command and environment of docker-compose.yml, on free ports, and has to
pass its own health check; one request goes through all of them, and each has to end in time on SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.dev_keys import ensure_identity, issue_token
from deploy.local.ports import find_free_ports
from deploy.nats.server import find_nats_server
from tools.compose import CONTAINERS, read_compose_file, resolve_environment
from tools.image_install import ROOT, read_dockerfile

_READY_SECONDS, _POLL_SECONDS, _STOP_SECONDS = 60.0, 0.2, 35.0
_OUTSIDE = {
    # There is no database here; the metrics would be on fixed ports.
    "MONGODB_URI": "",
    **{f"{name}_METRICS_PORT": "0" for name in ("TTS", "IMAGE", "VIDEO", "WORKER")},
}
_ORDER = ("tts", "image", "video", "jobs", "worker", "gateway", "envoy")
_NATS_PORTS = {"4222", "8222"}


@dataclass(frozen=True, slots=True)
class Places:
    """Where a container's addresses and folders are on this machine."""

    addresses: Mapping[str, str] = field(default_factory=dict)
    """`container:port`, and `127.0.0.1:port` of a health check, by what stands in docker-compose.yml."""
    folders: Mapping[str, str] = field(default_factory=dict)

    def translate(self, container: str, name: str, value: str) -> str:
        """Return the value of a variable, or a word of a command, on this machine."""
        if name.endswith("_PORT") and f"{container}:{value}" in self.addresses:
            return self.addresses[f"{container}:{value}"].rpartition(":")[2]
        own = value.replace("127.0.0.1:", f"{container}:")
        for text, replacement in {**self.addresses, **self.folders}.items():
            own = re.sub(rf"(?<![\w.-]){re.escape(text)}(?!\d)", replacement, own)
        return own


def choose_places(services: Mapping[str, Any], folder: Path, jwks_file: Path) -> Places:
    """Choose a free port for each port of each container, and a folder for each of its volumes."""
    declared = [
        (name, number)
        for name in CONTAINERS
        for variable, number in resolve_environment(services[name]["environment"], {}).items()
        if variable.endswith("_PORT") and number.isdigit()
    ] + [("nats", number) for number in sorted(_NATS_PORTS)]
    ports = find_free_ports(len(declared))
    addresses = {f"{name}:{number}": f"127.0.0.1:{port}" for (name, number), port in zip(declared, ports, strict=True)}
    folders = {
        "/etc/media/jwks.json": str(jwks_file),
        "/var/lib/media": str(folder / "volume"),
        "/var/tmp/media": str(folder / "work"),
    }
    return Places(addresses, folders)


def install(folder: Path) -> Path:
    """Install what the image contains into `folder` and return the path of its interpreter."""
    text = (ROOT / "Dockerfile").read_text()
    packages = read_dockerfile(text)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", *packages.options]
    subprocess.run([*pip, "--requirement", ROOT / packages.requirements], check=True)
    for source, target in re.findall(r"^COPY (\S+) (/app/\S+)$", text, flags=re.MULTILINE):
        shutil.copytree(
            ROOT / source, folder / target.lstrip("/"), ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
        )
    return python


@contextmanager
def run_container(name: str, service: Mapping[str, Any], python: Path, places: Places) -> Iterator[None]:
    """Run the process of a container until the context ends; enter it when its health check passes.

    Raises:
        RuntimeError: It does not get healthy, or does not end in time on SIGTERM.
    """
    app = python.parents[2] / "app"
    environment = {
        "PATH": f"{python.parent}{os.pathsep}{os.defpath}",
        "PYTHONPATH": f"{app}{os.pathsep}{app / 'protos' / 'gen'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        **{
            variable: places.translate(name, variable, value)
            for variable, value in resolve_environment(service["environment"], _OUTSIDE).items()
        },
    }
    check = [places.translate(name, "", word) for word in service["healthcheck"]["test"][1:]]
    log = python.parents[2] / f"{name}.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            service["command"], cwd=app, env=environment, stdout=output, stderr=output, start_new_session=True
        ) as process,
    ):
        try:
            _wait_until_healthy(name, process, check, environment, app)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                code = process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
            print(f"{name}: ended with code {code}")
            if code:
                print(log.read_text(errors="replace")[-2000:])
    if code:
        raise RuntimeError(f"{name} ended with code {code}")


def _wait_until_healthy(
    name: str, process: subprocess.Popen[bytes], check: Sequence[str], environment: Mapping[str, str], app: Path
) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while subprocess.run(check, cwd=app, env=environment, capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{name} is not healthy: {' '.join(check)}")
        time.sleep(_POLL_SECONDS)
    print(f"{name}: healthy")


@contextmanager
def _run_nats(folder: Path, places: Places) -> Iterator[None]:
    text = (ROOT / "deploy" / "nats" / "nats.conf").read_text().replace("0.0.0.0:", "nats:")
    for address, replacement in places.addresses.items():
        text = text.replace(address, replacement)
    configuration = folder / "nats.conf"
    configuration.write_text(text.replace('"/data"', json.dumps(str(folder / "nats"))))
    with subprocess.Popen([find_nats_server(), "-c", configuration], stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def generate_speech(edge: str, token: str) -> int:
    """Request speech through the edge and return the number of its bytes."""
    request = urllib.request.Request(
        f"http://{edge}/api/speech",
        data=json.dumps({"text": "The image works."}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=_READY_SECONDS) as response:
        return len(response.read())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the composed suite once; return 1 if a process is not healthy or does not end well."""
    argparse.ArgumentParser(prog="python -m tools.image_run", description=__doc__).parse_args(arguments)
    services = read_compose_file()["services"]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        python = install(folder)
        keys = folder / "keys"
        places = choose_places(services, folder, ensure_identity(keys))
        for target in places.folders.values():
            if not target.endswith(".json"):
                Path(target).mkdir()
        try:
            stack.enter_context(_run_nats(folder, places))
            for container in _ORDER:
                stack.enter_context(run_container(container, services[container], python, places))
            size = generate_speech(places.addresses["envoy:8080"], issue_token(keys, "developer"))
            print(f"speech through the edge: {size} bytes")
            stack.close()
        except (RuntimeError, OSError) as error:
            print(f"The composed suite does not work: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

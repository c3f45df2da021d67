"""Fixtures of the end-to-end tests: the whole suite as `make run` starts it, on free ports, once for all tests."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from deploy.local.dev_keys import issue_token
from deploy.local.ports import EDGE, choose_free_ports
from deploy.local.processes import SUITE, list_ports

ROOT = Path(__file__).parents[2]
READY_SECONDS = 120.0
STOP_SECONDS = 30.0
LAST_LINE = "Ctrl-C stops everything."
# Variables of the suite, which must not change the tests, and of make, with which it prints the folders it enters.
_REMOVED = re.compile(
    r"MAKE|(MEDIA|TTS|IMAGE|VIDEO|JOBS|WORKER|NATS|REPLICATE|FFMPEG|GATEWAY|ELEVENLABS|ELEVEN|FAL|GEMINI|SUPABASE|S3"
    r"|DIGITALOCEAN|BRAND|MONGODB|ENVOY|ALLOWED)_"
)


@dataclass(frozen=True, slots=True)
class Suite:
    """A running suite."""

    port: int
    """Its public port."""
    run_dir: Path
    """Folder of its keys and state."""
    environment: Mapping[str, str]
    """Its environment."""
    welcome: str
    """Its output until it was ready."""

    @property
    def url(self) -> str:
        """Base address for HTTP."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def target(self) -> str:
        """Address for gRPC."""
        return f"127.0.0.1:{self.port}"

    def token(self, subject: str = "tests", lifetime_seconds: float = 3600) -> str:
        """Return a bearer token."""
        return issue_token(self.run_dir, subject, lifetime_seconds)


class _Reader:
    """Collects the output of a process, so that a full pipe never blocks it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: list[str] = []
        self._ready = threading.Event()
        self._process = process
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for_welcome(self) -> str:
        """Return the output until the suite was ready."""
        assert self._ready.wait(READY_SECONDS), self.read_output()
        assert self._process.poll() is None, self.read_output()
        return self.read_output()

    def read_output(self) -> str:
        """Return the output so far."""
        return "".join(self._lines)

    def join(self) -> None:
        """Wait for the last line."""
        self._thread.join(STOP_SECONDS)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            if line.strip() == LAST_LINE:
                self._ready.set()
        self._ready.set()


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """Run the suite with the embedded engines, even if the environment of the tests has keys."""
    run_dir = tmp_path_factory.mktemp("suite")
    chosen = choose_free_ports(list_ports(SUITE))
    environment = {name: value for name, value in os.environ.items() if not _REMOVED.match(name)}
    environment |= {variable: str(port) for variable, port in chosen.items()}
    environment |= {"MEDIA_RUN_DIR": str(run_dir), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "run"],
        cwd=ROOT,
        env=environment,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    reader = _Reader(process)
    try:
        yield Suite(chosen[EDGE.variable], run_dir, environment, reader.wait_for_welcome())
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
            process.wait()
            reader.join()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
async def http(suite: Suite) -> AsyncIterator[aiohttp.ClientSession]:
    """HTTP client with a token."""
    headers = {"Authorization": f"Bearer {suite.token()}"}
    async with aiohttp.ClientSession(suite.url, headers=headers) as session:
        yield session

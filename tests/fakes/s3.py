"""An S3 server in a process of its own, as strict as the real one."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import OK, HTTPConnection
from pathlib import Path

ACCESS_KEY, SECRET_KEY = "testing", "testing-secret"
_STARTS_WITHIN_SECONDS = 30


@contextmanager
def run_s3() -> Iterator[str]:
    """Yield the address of an empty server."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.strict_s3", str(port)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(port, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def create_bucket(url: str, name: str) -> None:
    """Create a bucket."""
    connection = HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("PUT", f"/{name}")
    assert connection.getresponse().status == OK
    connection.close()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            # The kernel refuses connections at once until the server listens.
            continue
        return
    raise AssertionError("the server did not start")

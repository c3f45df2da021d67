"""Serves jobs: `python -m services.jobs --help`."""

from __future__ import annotations

from services.common.runtime import run
from services.jobs.server import main
from services.jobs.settings import JobsSettings

if __name__ == "__main__":
    run("services.jobs", "Takes jobs and tells how far they are, over gRPC.", JobsSettings, main)

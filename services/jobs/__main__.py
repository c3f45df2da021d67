"""Serve the jobs API: `python -m services.jobs --help`."""

from __future__ import annotations

from services.common.runtime import run
from services.jobs.server import main
from services.jobs.settings import JobsSettings

if __name__ == "__main__":
    run("services.jobs", "Accept jobs, and report their progress and results over gRPC.", JobsSettings, main)

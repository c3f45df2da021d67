"""Run a worker: `python -m services.jobs.worker --help`. Any number of these may run."""

from __future__ import annotations

from services.common.runtime import run
from services.jobs.settings import WorkerSettings
from services.jobs.worker.server import main

if __name__ == "__main__":
    run("services.jobs.worker", "Run jobs; any number of workers share the queue.", WorkerSettings, main)

"""Works on jobs: `python -m services.jobs.work --help`. Any number of these may run."""

from __future__ import annotations

from services.common.runtime import run
from services.jobs.settings import WorkerSettings
from services.jobs.worker_process import main

if __name__ == "__main__":
    run("services.jobs.work", "Works on jobs, as one of any number.", WorkerSettings, main)

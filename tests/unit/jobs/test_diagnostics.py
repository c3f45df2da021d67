"""Tests of the diagnostics of the jobs configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.common.diagnostics import Level
from services.jobs.diagnostics import diagnose_jobs
from services.jobs.settings import QueueSettings
from tests.fakes.nats_authority import NatsAuthority

ONE, THREE = "nats://a:4222", "nats://a:4222,nats://b:4222,nats://c:4222"


@pytest.mark.parametrize(
    ("servers", "replicas", "level"),
    [
        (ONE, 1, Level.OK),
        (THREE, 3, Level.OK),
        (THREE, 1, Level.WARNING),
        (THREE, 2, Level.WARNING),
        (ONE, 3, Level.WARNING),
    ],
)
def test_replicas_that_do_not_fit_the_servers_are_a_warning(servers: str, replicas: int, level: Level) -> None:
    found = diagnose_jobs(QueueSettings(_env_file=None, NATS_URL=servers, JOBS_REPLICAS=replicas))
    assert [diagnostic.level for diagnostic in found] == [level]
    assert bool(found[0].remedy) is (level is Level.WARNING)


def test_credentials_that_cannot_be_used_are_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "user.creds"
    settings = QueueSettings(_env_file=None, NATS_CREDENTIALS=str(file))
    assert [diagnostic.level for diagnostic in diagnose_jobs(settings)] == [Level.OK, Level.PROBLEM]
    file.touch()
    assert [diagnostic.level for diagnostic in diagnose_jobs(settings)] == [Level.OK, Level.PROBLEM]
    file.write_text(NatsAuthority.create().issue_user())
    assert [diagnostic.level for diagnostic in diagnose_jobs(settings)] == [Level.OK]

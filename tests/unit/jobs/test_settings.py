"""Tests of the settings of the jobs API and the workers."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from services.common.settings import ConfigurationError, load
from services.jobs.jetstream import StreamOptions
from services.jobs.server import build_stream_options
from services.jobs.settings import JobsSettings, QueueSettings, WorkerSettings


def make_settings(**fields: Any) -> JobsSettings:
    return JobsSettings(_env_file=None, **fields)


@pytest.mark.parametrize(
    ("given", "servers"),
    [
        ("nats://127.0.0.1:4222", ("nats://127.0.0.1:4222",)),
        ("nats://a:4222,nats://b:4222", ("nats://a:4222", "nats://b:4222")),
        (" nats://a:4222 , ,nats://b:4222,", ("nats://a:4222", "nats://b:4222")),
    ],
)
def test_servers_are_separated_by_commas(given: str, servers: tuple[str, ...]) -> None:
    assert make_settings(nats_url=given).nats_servers == servers


def test_streams_are_made_as_configured() -> None:
    found = build_stream_options(
        make_settings(nats_url="nats://a:1", nats_credentials="/c.creds", replicas=3, quota=7, retention_days=0.5)
    )
    assert found == StreamOptions(("nats://a:1",), "/c.creds", replicas=3, quota=7, retention_seconds=43_200)


def test_the_service_listens_as_configured() -> None:
    found = make_settings(host="0.0.0.0", port=1234, max_concurrent_rpcs=5, max_call_seconds=9).server_options()
    assert (found.host, found.port, found.port_variable) == ("0.0.0.0", 1234, "JOBS_PORT")
    assert (found.limits.concurrent_rpcs, found.limits.deadline_seconds) == (5, 9)


def test_a_worker_is_named_after_its_host_by_default() -> None:
    assert WorkerSettings(_env_file=None).name == socket.gethostname()
    assert WorkerSettings(_env_file=None, name="blue").name == "blue"


def test_both_processes_have_the_same_defaults() -> None:
    service, worker = JobsSettings(_env_file=None), WorkerSettings(_env_file=None)
    shared = QueueSettings.model_fields
    assert {name: getattr(service, name) for name in shared} == {name: getattr(worker, name) for name in shared}
    assert service.port != worker.port


@pytest.mark.parametrize(
    ("kind", "variable", "value"),
    [
        (JobsSettings, "JOBS_PORT", "70000"),
        (JobsSettings, "JOBS_REPLICAS", "0"),
        (JobsSettings, "JOBS_REPLICAS", "6"),
        (JobsSettings, "JOBS_QUOTA", "0"),
        (JobsSettings, "JOBS_RETENTION_DAYS", "0"),
        (JobsSettings, "JOBS_MAX_CONCURRENT_RPCS", "0"),
        (JobsSettings, "JOBS_MAX_CALL_SECONDS", "0"),
        (JobsSettings, "JOBS_DRAIN_NOTICE_SECONDS", "-1"),
        (JobsSettings, "TTS_MAX_CHARS", "0"),
        (WorkerSettings, "WORKER_PORT", "-1"),
        (WorkerSettings, "WORKER_SLOTS", "0"),
        (WorkerSettings, "JOBS_FLEET", "0"),
        (WorkerSettings, "JOBS_LEASE_SECONDS", "0.4"),
        (WorkerSettings, "WORKER_CALL_SECONDS", "0"),
        (WorkerSettings, "WORKER_VIDEO_SECONDS", "0"),
        (WorkerSettings, "JOBS_QUOTA", "100001"),
        (WorkerSettings, "MEDIA_STORAGE", "ftp"),
        (WorkerSettings, "MEDIA_FETCH_ALLOW", "a b"),
    ],
)
def test_a_wrong_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, kind: type[QueueSettings], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load(kind)

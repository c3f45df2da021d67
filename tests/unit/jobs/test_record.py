"""Records of jobs, their encoding, and ids."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.common.errors import FieldViolation
from services.jobs.record import (
    Attempt,
    JobFailure,
    JobRecord,
    Status,
    format_now,
    make_job_id,
    to_owner_token,
    to_request_token,
)
from tests.unit.jobs.memory_buckets import CREATED_AT, make_record

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=3)
VIOLATIONS = st.lists(st.builds(FieldViolation, st.text(), st.text()), max_size=2).map(tuple)
MAX_FAILURES = st.builds(JobFailure, st.text(), st.text(), st.text(), VIOLATIONS)
MOMENTS = st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "+00:00")
ATTEMPTS = st.builds(Attempt, st.integers(1, 40), MOMENTS, st.just("") | MOMENTS, st.none() | MAX_FAILURES)
RECORDS = st.builds(
    JobRecord,
    job_id=st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    principal=st.text(),
    kind=st.sampled_from(("animate", "talking_video", "headline", "story", "webhook")),
    spec=OBJECTS,
    created_at=MOMENTS,
    updated_at=MOMENTS,
    status=st.sampled_from(Status),
    stage=st.text(),
    percent=st.floats(0, 100),
    attempt=st.integers(0, 40),
    attempts=st.lists(ATTEMPTS, max_size=3).map(tuple),
    steps=OBJECTS,
    intents=st.lists(st.text(), max_size=3).map(tuple),
    failure=st.none() | MAX_FAILURES,
    worker=st.text(),
    delivery=st.integers(0, 1000),
    webhook_url=st.text(),
    request_id=st.text(),
)
BLOCKED = JobFailure("CONTENT_BLOCKED", "The provider's safety rules refuse this content.", "video")
ENDS = [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED]


def change_record(record: JobRecord, **fields: Any) -> bytes:
    """Return the JSON of a record with other fields."""
    return orjson.dumps({**orjson.loads(record.encode()), **fields})


@given(RECORDS)
def test_a_record_round_trips(record: JobRecord) -> None:
    assert JobRecord.decode(record.encode()) == record


def test_fields_of_a_newer_version_are_ignored() -> None:
    record = make_record(spec={"video": {}}).start_attempt("w-1", 3).end_attempt(Status.FAILED, BLOCKED)
    (attempt,) = orjson.loads(record.encode())["attempts"]
    newer = change_record(
        record,
        mood="cheerful",
        failure={"reason": BLOCKED.reason, "message": BLOCKED.message, "stage": BLOCKED.stage, "hint": "ask again"},
        attempts=[{**attempt, "cost": 5, "failure": {**attempt["failure"], "hint": "ask again"}}],
    )
    assert JobRecord.decode(newer) == record


def test_fields_missing_in_an_older_version_have_defaults() -> None:
    older = orjson.loads(make_record().encode())
    for name in ("delivery", "webhook_url", "request_id"):
        del older[name]
    assert JobRecord.decode(orjson.dumps(older)) == make_record()


@pytest.mark.parametrize("data", [b"", b"no json", b"[]", b"42", b"{}", b'{"job_id": "1"}'])
def test_an_invalid_record_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        JobRecord.decode(data)


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValueError, match="dreaming"):
        JobRecord.decode(change_record(make_record(), status="dreaming"))


@pytest.mark.parametrize("status", list(Status))
def test_succeeded_failed_and_cancelled_are_final(status: Status) -> None:
    assert status.is_final is (status in ENDS)


def test_start_attempt_adds_an_attempt() -> None:
    record = replace(make_record(), failure=BLOCKED).start_attempt("w-1", 7)
    assert (record.status, record.worker, record.delivery, record.attempt) == (Status.RUNNING, "w-1", 7, 1)
    assert record.failure is None
    (attempt,) = record.attempts
    assert (attempt.number, attempt.ended_at, attempt.failure) == (1, "", None)
    assert datetime.fromisoformat(attempt.began_at).tzinfo == UTC


def test_an_attempt_ends_with_its_failure() -> None:
    record = (
        make_record()
        .start_attempt("w-1", 1)
        .end_attempt(Status.QUEUED, BLOCKED)
        .start_attempt("w-2", 2)
        .end_attempt(Status.SUCCEEDED)
    )
    first, second = record.attempts
    assert (first.number, first.failure, second.number, second.failure) == (1, BLOCKED, 2, None)
    assert first.began_at <= first.ended_at <= second.began_at <= second.ended_at
    assert (record.status, record.worker, record.failure) == (Status.SUCCEEDED, "", None)


def test_an_attempt_of_a_crashed_worker_has_no_end() -> None:
    record = make_record().start_attempt("w-1", 1).start_attempt("w-2", 2).end_attempt(Status.SUCCEEDED)
    lost, last = record.attempts
    assert (lost.ended_at, lost.failure) == ("", None)
    assert last.ended_at


def test_an_attempt_ends_once() -> None:
    record = make_record().start_attempt("w-1", 1).end_attempt(Status.QUEUED, BLOCKED)
    again = record.end_attempt(Status.CANCELLED)
    assert again.attempts == record.attempts
    assert again.status is Status.CANCELLED


def test_a_job_that_never_ran_ends_without_an_attempt() -> None:
    record = make_record().end_attempt(Status.CANCELLED)
    assert (record.status, record.attempts, record.attempt) == (Status.CANCELLED, (), 0)


def test_only_the_last_attempts_are_kept_and_all_are_counted() -> None:
    record = make_record()
    for number in range(1, 36):
        record = record.start_attempt("w-1", number).end_attempt(Status.QUEUED, BLOCKED)
    assert record.attempt == 35
    assert [attempt.number for attempt in record.attempts] == list(range(16, 36))


@pytest.mark.parametrize("status", [Status.QUEUED, Status.FAILED, Status.CANCELLED])
def test_a_job_that_did_not_succeed_keeps_its_progress(status: Status) -> None:
    record = replace(make_record().start_attempt("w-1", 1), stage="video", percent=42.0).end_attempt(status, BLOCKED)
    assert (record.stage, record.percent) == ("video", 42.0)


def test_a_succeeded_job_is_at_100_percent() -> None:
    record = replace(make_record().start_attempt("w-1", 1), stage="mux", percent=97.0).end_attempt(Status.SUCCEEDED)
    assert (record.stage, record.percent) == ("", 100.0)


def test_a_record_is_immutable() -> None:
    record = make_record(steps={"video": {"key": "videos/1.mp4"}}, intents=("video",))
    before = record.encode()
    ended = record.start_attempt("w-1", 1).end_attempt(Status.SUCCEEDED)
    assert record.encode() == before
    assert (ended.steps, ended.intents, ended.created_at) == (record.steps, record.intents, CREATED_AT)


def test_times_are_utc_with_milliseconds() -> None:
    moment = datetime.fromisoformat(format_now())
    assert moment.tzinfo == UTC
    assert format_now().endswith("+00:00")
    assert moment.microsecond % 1000 == 0


def test_values_that_json_cannot_hold_are_refused() -> None:
    with pytest.raises(TypeError):
        make_record(spec={"video": object()}).encode()


# Valid in a subject and in a key: no separators and no wildcards.
TOKEN = re.compile(r"[A-Za-z0-9_=-]+")
NASTY = st.sampled_from(
    ("", ".", "*", ">", "a.b", "a b", "a\n", "=", "=a", "$KV", "jobs.run.>", "ä", "x" * 64, "x" * 65)
)
PRINCIPALS = st.one_of(NASTY, st.text())
# Twelve digits of milliseconds last until the year 10,889.
SECONDS = st.floats(0, 2**38)


@given(SECONDS, SECONDS)
def test_ids_sort_by_time(first: float, second: float) -> None:
    earlier, later = sorted((first, second))
    if int(earlier * 1000) < int(later * 1000):
        assert make_job_id(earlier) < make_job_id(later)
    assert make_job_id(earlier)[:12] <= make_job_id(later)[:12]


def test_ids_of_one_millisecond_sort_by_time() -> None:
    ids = [make_job_id(1_800_000_000 + step / 100_000) for step in range(100)]
    assert ids == sorted(ids)


def test_an_id_matches_the_contract() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", make_job_id())
    assert re.fullmatch(r"[0-9a-f]{32}", make_job_id(0.0))


def test_no_two_ids_of_one_moment_are_the_same() -> None:
    assert len({make_job_id(1_800_000_000.0) for _ in range(1000)}) == 1000


def test_an_id_begins_with_the_milliseconds_since_1970() -> None:
    assert int(make_job_id(1_800_000_000.125)[:12], 16) == 1_800_000_000_125


@given(PRINCIPALS)
def test_an_owners_token_means_nothing_to_nats(principal: str) -> None:
    assert TOKEN.fullmatch(to_owner_token(principal))
    assert to_owner_token(principal) == to_owner_token(principal)


@given(PRINCIPALS, PRINCIPALS)
@example("a.b", "a_b")
@example("alice", "Alice")
@example("alice", "alice\n")
def test_no_two_owners_share_a_token(one: str, another: str) -> None:
    assert (to_owner_token(one) == to_owner_token(another)) == (one == another)


@given(PRINCIPALS)
def test_no_principal_equals_the_token_of_another(principal: str) -> None:
    token = to_owner_token(principal)
    if token != principal:
        assert to_owner_token(token) != token


@given(st.text(), st.text())
def test_request_ids_have_different_tokens(one: str, another: str) -> None:
    assert TOKEN.fullmatch(to_request_token(one))
    assert (to_request_token(one) == to_request_token(another)) == (one == another)

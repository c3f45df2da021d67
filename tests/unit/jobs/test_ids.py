"""Tests of ids and tokens: ids sort by time; tokens are safe in NATS subjects and unique per owner."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from services.jobs.ids import make_job_id, to_owner_token, to_request_token

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

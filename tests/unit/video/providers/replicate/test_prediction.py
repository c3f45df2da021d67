"""Predictions of any shape are parsed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from services.video.providers.replicate.prediction import estimate_percent, parse_created_at, parse_prediction

VIDEO = "https://replicate.delivery/x.mp4"


@pytest.mark.parametrize(
    "output",
    [
        VIDEO,
        [VIDEO],
        [VIDEO, "https://replicate.delivery/second.mp4"],
        ["a line of text", VIDEO],
        {"video": VIDEO},
        {"seed": 7, "videos": [{"url": VIDEO}]},
        [[[VIDEO]]],
        [None, 3, [], {}, [VIDEO]],
    ],
)
def test_the_video_is_found_in_every_shape(output: Any) -> None:
    assert parse_prediction({"output": output}).output_url == VIDEO


@pytest.mark.parametrize(
    "output", [None, "", "x.mp4", "file:///etc/passwd", "data:video/mp4;base64,AA", [], {}, 7, True]
)
def test_an_output_without_a_url_has_no_video(output: Any) -> None:
    assert parse_prediction({"output": output}).output_url == ""


@pytest.mark.parametrize("depth", [4, 5, 100, 50_000])
def test_a_url_that_is_nested_too_deep_is_ignored(depth: int) -> None:
    output: Any = VIDEO
    for number in range(depth):
        output = [output] if number % 2 else {"deep": output}
    assert parse_prediction({"output": output}).output_url == ""
    assert parse_prediction({"output": [output, VIDEO]}).output_url == VIDEO


@pytest.mark.parametrize(
    ("status", "is_done", "is_queued"),
    [
        ("starting", False, True),
        ("processing", False, False),
        ("succeeded", True, False),
        ("failed", False, False),
        ("aborted", False, False),
        ("something new", False, False),
    ],
)
def test_only_success_is_done(status: str, is_done: bool, is_queued: bool) -> None:
    found = parse_prediction({"status": status})
    assert (found.status, found.is_done, found.is_queued) == (status, is_done, is_queued)


@pytest.mark.parametrize("given", [None, 7, "", "../etc", "a b", "-a", "x" * 101, "p1\n", {"id": "p1"}])
def test_a_malformed_id_is_empty(given: Any) -> None:
    assert parse_prediction({"id": given}).prediction_id == ""


@pytest.mark.parametrize("given", ["p1", "rrr4z55ocneqzikepnug6xezpe", "a_b-C", "x" * 100])
def test_an_id_is_kept_as_it_is(given: str) -> None:
    assert parse_prediction({"id": given}).prediction_id == given


@pytest.mark.parametrize(
    ("logs", "percent"),
    [
        ("", None),
        (None, None),
        (["50%"], None),
        ("Running predict()...", None),
        ("  0%|          | 0/50\n 42%|####2     | 21/50", 42.0),
        ("12.5% done", 12.0),
        ("100%", 100.0),
        ("999%", 100.0),
        ("90%" + " " * 3000, None),
        ("90%" + " " * 3000 + "95%", 95.0),
    ],
)
def test_progress_is_read_from_the_end_of_the_logs(logs: Any, percent: float | None) -> None:
    assert parse_prediction({"logs": logs}).percent == percent


def test_an_empty_body_is_parsed() -> None:
    found = parse_prediction({})
    assert (found.prediction_id, found.status, found.output_url, found.percent) == ("", "", "", None)
    assert (found.error, found.is_done, found.is_queued) == (None, False, False)
    assert parse_prediction({"status": 7}).status == ""


def test_an_estimate_grows_and_stays_below_100() -> None:
    guesses = [estimate_percent(seconds) for seconds in (0, 10, 60, 120, 600, 100_000)]
    assert guesses[0] == 0
    assert guesses == sorted(guesses)
    assert guesses[-1] <= 95.0


def test_the_creation_time_is_parsed_with_its_zone() -> None:
    expected = datetime(2026, 11, 21, 8, 0, 0, 123000, tzinfo=UTC)
    assert parse_created_at({"created_at": "2026-11-21T08:00:00.123Z"}) == expected
    assert parse_created_at({"created_at": "2026-11-21T09:00:00.123000+01:00"}) == expected


@pytest.mark.parametrize("given", [None, 1_800_000_000, "", "yesterday", "2026-11-21T08:00:00", "2026-11-21"])
def test_a_malformed_time_or_one_without_a_zone_is_ignored(given: Any) -> None:
    assert parse_created_at({"created_at": given}) is None

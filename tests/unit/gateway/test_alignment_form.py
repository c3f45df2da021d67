"""Tests of the form of timing: how a caller asks for it, and which routes give it."""

from __future__ import annotations

from typing import Any

import pytest
from media.common.v1 import alignment_pb2
from media.jobs.v1 import jobs_pb2
from media.tts.v1 import tts_pb2

from gateway.alignment_form import take_alignment_form, takes_alignment_form, to_raw_json
from gateway.app import SERVICES
from gateway.codec import decode, encode
from gateway.http_rules import read_http_rules
from services.common.errors import MediaError

ALIGNMENT = alignment_pb2.Alignment(
    characters=["H", "e"], character_start_times_seconds=[0.0, 0.1], character_end_times_seconds=[0.1, 0.2]
)
RAW = {"characters": [{"char": "H", "start": 0.0, "end": 0.1}, {"char": "e", "start": 0.1, "end": 0.2}]}


@pytest.mark.parametrize(
    ("sources", "is_raw"),
    [
        ([{}], False),
        ([{"alignmentForm": "raw"}], True),
        ([{"alignment_form": "raw"}], True),
        ([{"alignmentForm": "RAW"}], True),
        ([{"alignmentForm": "normalized"}], False),
        ([{"alignmentForm": None}], False),
        ([{}, {"alignmentForm": "raw"}], True),
    ],
)
def test_the_form_is_taken_out_of_the_fields(sources: list[dict[str, Any]], is_raw: bool) -> None:
    assert take_alignment_form(*sources) is is_raw
    assert sources == [{}] * len(sources)


@pytest.mark.parametrize(
    "sources",
    [
        [{"alignmentForm": "flat"}],
        [{"alignmentForm": True}],
        [{"alignmentForm": ["raw"]}],
        [{"alignmentForm": "raw"}, {"alignmentForm": "raw"}],
        [{"alignmentForm": "raw", "alignment_form": "raw"}],
    ],
)
def test_another_form_is_refused(sources: list[dict[str, Any]]) -> None:
    with pytest.raises(MediaError) as caught:
        take_alignment_form(*sources)
    assert [item.field for item in caught.value.violations] == ["alignment_form"]


def test_every_route_that_reads_timing_takes_the_form() -> None:
    paths = {rule.path for service in SERVICES for rule in read_http_rules(service) if takes_alignment_form(rule)}
    assert paths == {"/api/audio/{id}", "/api/jobs/{id}"}


def test_an_alignment_is_spelled_the_same_at_every_depth() -> None:
    stored = encode(tts_pb2.StoredAudio(alignment=ALIGNMENT))["alignment"]
    job: Any = encode(jobs_pb2.Job(result=jobs_pb2.JobResult(alignment=ALIGNMENT)))
    assert stored == job["result"]["alignment"] == encode(ALIGNMENT)
    assert list(encode(ALIGNMENT)) == ["characters", "character_start_times_seconds", "character_end_times_seconds"]
    assert decode(alignment_pb2.Alignment, encode(ALIGNMENT)) == ALIGNMENT


def test_the_raw_form_replaces_each_alignment() -> None:
    job = encode(jobs_pb2.Job(id="1", result=jobs_pb2.JobResult(alignment=ALIGNMENT)))
    raw = to_raw_json([job])[0]
    assert raw["result"]["alignment"] == RAW
    assert {**raw, "result": None} == {**job, "result": None}

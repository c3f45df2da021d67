"""Conversion to and from the raw form of an alignment."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.timing.alignment import Alignment
from services.common.timing.raw import from_raw, to_raw
from tests.unit.common.timing.samples import draw_alignments

RAW = {"characters": [{"char": "H", "start": 0.0, "end": 0.1}, {"char": "e", "start": 0.1, "end": 0.2}]}
NORMALIZED = Alignment(("H", "e"), (0.0, 0.1), (0.1, 0.2))

SECONDS = st.floats(0, 1e6)
ENTRIES = st.builds(
    lambda char, times: {"char": char, "start": min(times), "end": max(times)}, st.text(), st.tuples(SECONDS, SECONDS)
)


def test_the_raw_form_has_one_object_per_character() -> None:
    assert to_raw(NORMALIZED) == RAW
    assert from_raw(RAW) == NORMALIZED


def test_an_empty_alignment_is_an_empty_list() -> None:
    assert to_raw(Alignment()) == {"characters": []}
    assert from_raw({"characters": []}) == Alignment()


@given(draw_alignments())
def test_an_alignment_survives_a_round_trip_through_raw_json(alignment: Alignment) -> None:
    assert from_raw(orjson.loads(orjson.dumps(to_raw(alignment)))) == alignment


@given(st.lists(ENTRIES))
def test_the_raw_form_survives_a_round_trip_through_an_alignment(entries: list[dict[str, object]]) -> None:
    assert to_raw(from_raw({"characters": entries})) == {"characters": entries}


@pytest.mark.parametrize("raw", [None, [], "", {}, {"characters": None}, {"characters": {}}, {**RAW, "more": 1}])
def test_an_invalid_raw_alignment_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="one list"):
        from_raw(raw)


@pytest.mark.parametrize(
    "changed",
    [
        {"char": None},
        {"char": 5},
        {"start": "0"},
        {"start": None},
        {"start": True},
        {"start": -0.1},
        {"end": float("nan")},
        {"end": float("inf")},
        {"end": 10**400},
        {"end": 0.0, "start": 0.5},
        {"more": 1},
    ],
)
def test_an_invalid_entry_is_named(changed: dict[str, Any]) -> None:
    entries = [RAW["characters"][0], {"char": "secret", "start": 0.1, "end": 0.2, **changed}]
    with pytest.raises(ValueError, match=r"characters\[1\]") as caught:
        from_raw({"characters": entries})
    assert "secret" not in str(caught.value)


def test_an_entry_without_a_time_is_refused() -> None:
    with pytest.raises(ValueError, match=r"characters\[0\]"):
        from_raw({"characters": [{"char": "H", "start": 0.0}]})

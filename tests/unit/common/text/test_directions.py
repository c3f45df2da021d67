"""Directions are found, and ordinary brackets are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.text.directions import Kind, find_directions, iterate_spoken, list_parts, remove_directions
from services.common.text.mapping import map_parts


@pytest.mark.parametrize(
    ("direction", "kind"),
    [
        ('<break time="1s"/>', Kind.BREAK),
        ("<BREAK Time='0.5s' />", Kind.BREAK),
        ("<break>", Kind.BREAK),
        ('<phoneme alphabet="ipa" ph="x.y">', Kind.PHONEME),
        ("</phoneme>", Kind.PHONEME),
        ('<prosody rate="slow">', Kind.MARKUP),
        ("</speak>", Kind.MARKUP),
        ("[whispers]", Kind.TAG),
        ("[Laughs harder]", Kind.TAG),
        ("[clears throat]", Kind.TAG),
        ("[strong French accent]", Kind.TAG),
        ("[short pause]", Kind.TAG),
        ("[excitedly]", Kind.TAG),
        ("[sings]", Kind.TAG),
        ("[SHOUTING]", Kind.TAG),
    ],
)
def test_a_direction_is_found_whole(direction: str, kind: Kind) -> None:
    (found,) = find_directions(f"One {direction} two.")
    assert (found.kind, found.start, found.end) == (kind, 4, 4 + len(direction))


@pytest.mark.parametrize(
    "text",
    [
        "See [1] and [12], or [a].",
        "[Smith] said: [sic], [their] and [...].",
        "[single] [singular] [Fastnet] [Doors]",
        "3 < 5 and 7 > 6, a <b and c> d, i<3, <3>",
        "<strong>Bold</strong> <br/> <breakfast/> <script>",
        "[laughs](https://example.com) [whispers",
        "array[index], [INST], [x] done, [2024-01-01], [whispers 3 times]",
        "[he would not say whether he laughed or cried that day]",
    ],
)
def test_other_brackets_are_text(text: str) -> None:
    assert find_directions(text) == ()
    assert remove_directions(text) == text


@pytest.mark.parametrize(
    ("attributes", "seconds"),
    [
        (' time="1s"', 1.0),
        (" time='250ms'", 0.25),
        (' time="1.5 s"', 1.5),
        (' time=".5s"', 0.5),
        (' time="3600s"', 10.0),
        (' time="-1s"', 0.5),
        (' time="soon"', 0.5),
        ("", 0.5),
        (' strength="none"', 0.0),
        (' strength="x-strong"', 1.2),
        (' strength="other"', 0.5),
        (' strength="weak" time="2s"', 2.0),
    ],
)
def test_a_break_has_its_time_within_a_limit(attributes: str, seconds: float) -> None:
    (found,) = find_directions(f"<break{attributes}/>")
    assert found.pause_seconds == seconds


def test_only_some_kinds_are_removed() -> None:
    text = 'Hi <break time="1s"/>[whispers] you.'
    assert remove_directions(text, {Kind.TAG}) == 'Hi <break time="1s"/>  you.'
    assert map_parts(list_parts(text, {Kind.BREAK})).text == "Hi [whispers] you."


@given(
    st.lists(
        st.sampled_from(["Hello ", "[whispers]", "[1]", "<break/>", '<break time="2s"/>', "</speak>", "<", "[", "."])
    )
)
def test_the_parts_of_a_text_are_its_directions_and_the_rest(pieces: list[str]) -> None:
    text = "".join(pieces)
    directions = [(found.start, found.end) for found in find_directions(text)]
    parts = sorted([*directions, *iterate_spoken(text, 0, len(text))])
    assert [start for start, _ in parts] == [0, *(end for _, end in parts)][: len(parts)]
    assert not parts or parts[-1][1] == len(text)
    assert map_parts(list_parts(text, frozenset(Kind))).source == text


@pytest.mark.parametrize(
    "text", ["<break " * 15_000, "[whispers " * 10_000, "<break time=" + "1" * 90_000, "<p " + " " * 90_000]
)
def test_a_long_text_of_beginnings_has_no_directions(text: str) -> None:
    assert find_directions(text) == ()

"""Timing of a changed text, told for the characters of its source."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.common.text.mapping import MappedText, map_parts, map_text
from services.common.text.normalization import fold_for_speech, normalize_text
from services.common.timing.alignment import Alignment, join_alignments
from services.common.timing.mapping import AlignmentMapper


def time_text(text: str, start: int = 0) -> Alignment:
    """Return timing in which each code point takes a second."""
    moments = [float(start + index) for index in range(len(text) + 1)]
    return Alignment(tuple(text), tuple(moments[:-1]), tuple(moments[1:]))


def map_all(mapped: MappedText) -> Alignment:
    return AlignmentMapper(mapped).map_piece(time_text(mapped.text))


def list_times(alignment: Alignment) -> list[tuple[str, float, float]]:
    return list(zip(alignment.characters, alignment.starts_seconds, alignment.ends_seconds, strict=True))


def test_text_without_a_change_keeps_its_timing() -> None:
    timing = time_text("abc")
    assert AlignmentMapper(map_text("abc")).map_piece(timing) is timing


def test_the_code_points_of_one_character_share_its_time() -> None:
    assert list_times(map_all(normalize_text("o\u0308k"))) == [("o", 0, 0.5), ("\u0308", 0.5, 1), ("k", 1, 2)]


def test_a_character_that_becomes_several_takes_their_time() -> None:
    assert list_times(map_all(fold_for_speech("ﬁx"))) == [("ﬁ", 0, 2), ("x", 2, 3)]


def test_a_removed_character_takes_no_time() -> None:
    assert list_times(map_all(fold_for_speech("\u200ba\u00adb\u200b"))) == [
        ("\u200b", 0, 0),
        ("a", 0, 1),
        ("\u00ad", 1, 1),
        ("b", 1, 2),
        ("\u200b", 2, 2),
    ]


def test_a_jump_back_begins_at_its_character() -> None:
    mapped = normalize_text("e\u0301a. e\u0301b.")
    mapper = AlignmentMapper(mapped)
    first = mapper.map_piece(time_text("éa. é"))
    again = mapper.map_piece(time_text("éb.", 5), 4)
    assert first.text == "e\u0301a. e\u0301"
    assert again.text == "e\u0301b."
    assert (again.starts_seconds[0], again.ends_seconds[-1]) == (5, 8)


def test_ranges_that_overlap_never_step_back() -> None:
    mapped = map_parts([("a", "a"), ("\u00ad", ""), ("b", "b")])
    timing = Alignment(("a", "b"), (0.0, 0.4), (1.0, 2.0))
    assert AlignmentMapper(mapped).map_piece(timing).starts_seconds == (0, 1, 1)


@given(
    st.text(
        st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("ao\u0301\u0308\u200b\u00ad\ufeffﬁ\uff21"))
    ),
    st.lists(st.integers(0, 40)),
    st.sampled_from([normalize_text, fold_for_speech]),
)
def test_the_timing_covers_exactly_the_characters_of_the_source(text: str, cuts: list[int], change: object) -> None:
    assert callable(change)
    mapped: MappedText = change(text)
    mapper, position, pieces = AlignmentMapper(mapped), 0, []
    for cut in [*sorted(cuts), len(mapped.text)]:
        piece = mapped.text[position : max(position, cut)]
        pieces.append(mapper.map_piece(time_text(piece, position)))
        position += len(piece)
    timing = join_alignments(pieces)
    assert timing.text == (text if mapped.text else "")
    assert all(len(character) == 1 for character in timing.characters)
    moments = [moment for pair in zip(timing.starts_seconds, timing.ends_seconds, strict=True) for moment in pair]
    assert moments == sorted(moments)
    assert not moments or (moments[0], moments[-1]) == (0, len(mapped.text))

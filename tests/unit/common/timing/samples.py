"""Texts and alignments for property tests."""
# ruff: noqa: RUF001 - the tests use other scripts

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from services.common.timing.alignment import Alignment

TRICKY = (
    "Mr. Smith paid $3.50, e.g. for tea... ",
    "“Really?” he said. ",
    "Dr. J. K. Roe left at 5 p.m. Then it rained! ",
    "你好，世界。",
    "「行くの？」",
    "नमस्ते। ",
    "שלום, עולם. ",
    "مرحبا؟ ",
    "\n\n",
    "\r\n- one\n- two\n",
    "https://a.example/b?c=d.e ",
    "👩‍👩‍👧🇩🇪🇫🇷 ",
    "e\u0301",
    "a --> b & <c> {\\an8} ",
    "x" * 60,
    " " * 7,
    "\x00\x01",
    "\u200b",
)
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(TRICKY),
        st.text(st.sampled_from("abZ09 .,!?…。、;:—-'\"()«»“”\n\t好あ😀م\u0301\u200d"), max_size=12),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    ),
    max_size=12,
).map("".join)
"""Texts of all kinds, with features that are hard to divide."""

_STEPS = st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 3))


@st.composite
def draw_alignments(draw: st.DrawFn, texts: st.SearchStrategy[str] = TEXTS) -> Alignment:
    """Return a valid alignment: entries of any number of code points, times in order."""
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5))) if draw(st.booleans()) else range(len(text))
    characters = tuple(text[start:end] for start, end in pairwise([0, *cuts, len(text)]))
    borders = [draw(_STEPS)]
    for step in draw(st.lists(_STEPS, min_size=2 * len(characters), max_size=2 * len(characters))):
        borders.append(borders[-1] + step)
    return Alignment(characters, tuple(borders[: 2 * len(characters) : 2]), tuple(borders[1 : 2 * len(characters) : 2]))


def align_evenly(text: str, seconds_each: float = 0.0625) -> Alignment:
    """Return an alignment of `text` with the same time for each code point."""
    return Alignment(
        tuple(text),
        tuple(number * seconds_each for number in range(len(text))),
        tuple((number + 1) * seconds_each for number in range(len(text))),
    )

"""Tests of final prompts: the caller's words, additions in a fixed order, and the maximum length."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.image.prompt import ART_STYLES, FINANCE, TEMPLATES, THEMES, VERSION, PromptRequest, compose, list_fields

CAT = PromptRequest("A cat on a roof.")
EVERYTHING = PromptRequest(
    "A cat on a roof",
    theme="professional",
    art_styles=("watercolor", "Comic", "my own style"),
    brand_colors=("#0066CC", "#00aa66"),
    brand_style="trustworthy",
    enhance_for_finance=True,
    style_guidelines=("No text in the image", "Wide view"),
)
WORDS = st.text(alphabet="abc \n,é👩‍👩‍👧", min_size=1, max_size=60).filter(lambda text: bool(text.strip()))


def find_refused_field(prompt_request: PromptRequest) -> str:
    with pytest.raises(MediaError) as caught:
        compose(prompt_request)
    assert caught.value.reason is Reason.VALIDATION_ERROR
    (violation,) = caught.value.violations
    return violation.field


def test_a_plain_prompt_is_unchanged() -> None:
    final = compose(CAT)
    assert (final.text, final.style, final.version, final.shortened) == ("A cat on a roof.", "", VERSION, False)
    assert compose(replace(CAT, prompt="  two\n lines ")).text == "two lines"


def test_additions_come_in_a_fixed_order() -> None:
    final = compose(EVERYTHING)
    assert final.text == (
        "A cat on a roof"
        f". Style: {THEMES['professional']}"
        f". Art style: a blend of {ART_STYLES['watercolor']}, {ART_STYLES['comic']} and my own style"
        ". Brand style: trustworthy"
        ". Colors: blue (#0066CC) and green (#00AA66) prevail"
        f". {FINANCE}"
        ". No text in the image"
        ". Wide view"
    )
    assert final.style == "professional, watercolor, Comic, my own style"


@pytest.mark.parametrize("theme", THEMES)
def test_every_theme_adds_its_words(theme: str) -> None:
    assert compose(replace(CAT, theme=theme)).text == f"A cat on a roof. Style: {THEMES[theme]}"


@pytest.mark.parametrize(
    ("color", "name"),
    [
        ("#FF0000", "red"),
        ("#FF0040", "red"),
        ("#FFA500", "orange"),
        ("#FFD700", "yellow"),
        ("#00AA66", "green"),
        ("#00CCCC", "cyan"),
        ("#0066CC", "blue"),
        ("#8000FF", "purple"),
        ("#FF00AA", "pink"),
        ("#000000", "black"),
        ("#FFFFFF", "white"),
        ("#808080", "gray"),
    ],
)
def test_colours_have_a_name_and_a_number(color: str, name: str) -> None:
    assert f"{name} ({color})" in compose(replace(CAT, brand_colors=(color,))).text


@given(st.from_regex(r"#[0-9A-Fa-f]{6}", fullmatch=True))
def test_every_colour_has_a_name(color: str) -> None:
    assert re.search(rf"[a-z]+ \({color.upper()}\)", compose(replace(CAT, brand_colors=(color,))).text)


@given(WORDS, st.integers(1, 400), st.lists(WORDS, max_size=3))
def test_the_maximum_length_holds_and_additions_are_dropped_first(prompt: str, longest: int, rules: list[str]) -> None:
    prompt_request = replace(EVERYTHING, prompt=prompt, style_guidelines=tuple(rules), max_length=longest)
    final, whole = compose(prompt_request), compose(replace(prompt_request, max_length=5000))
    assert 0 < len(final.text) <= longest
    assert compose(prompt_request) == final
    assert final.shortened == (final.text != whole.text)
    own = " ".join(prompt.split())
    if len(own) > longest:
        assert own.startswith(final.text)
    else:
        assert final.text.startswith(own.rstrip(" .,;"))


def test_words_are_not_split() -> None:
    assert compose(replace(CAT, prompt="one two three", max_length=9)).text == "one two"
    assert compose(replace(CAT, prompt="one two three", max_length=7)).text == "one two"
    assert compose(replace(CAT, prompt="onetwothree", max_length=6)).text == "onetwo"
    assert compose(replace(CAT, prompt=", a", max_length=1)).text == ","


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_takes_its_fields(template: str) -> None:
    fields = {name: f"the {name}" for name in list_fields(template) if name != "subject"}
    text = compose(PromptRequest("the subject", template=template, template_fields=fields)).text
    assert "the subject" in text
    assert all(value in text for value in fields.values())
    assert "$" not in text


def test_a_headline_becomes_a_prompt_of_the_requested_length() -> None:
    final = compose(
        PromptRequest(
            "Markets rally after a calm winter",
            template="headline",
            art_styles=("oil painting",),
            style_guidelines=("no people",),
            max_length=150,
        )
    )
    assert "Markets rally after a calm winter" in final.text
    assert len(final.text) <= 150
    assert final.shortened
    assert final.style == "oil painting"


@pytest.mark.parametrize(
    ("prompt_request", "field"),
    [
        (replace(CAT, theme="baroque"), "style.theme"),
        (replace(CAT, template="novel"), "style.template"),
        (replace(CAT, template="goal"), "style.template_fields"),
        (replace(CAT, template="headline", template_fields={"moment": "x"}), "style.template_fields"),
        (replace(CAT, template_fields={"moment": "x"}), "style.template_fields"),
    ],
)
def test_unknown_themes_and_templates_name_their_field(prompt_request: PromptRequest, field: str) -> None:
    assert find_refused_field(prompt_request) == field


def test_a_prompt_is_never_expanded_as_a_template() -> None:
    assert "$mood" in compose(PromptRequest("$mood ${x} $$", template="headline")).text


@pytest.mark.parametrize("table", [THEMES, ART_STYLES, TEMPLATES], ids=["themes", "art styles", "templates"])
def test_the_document_contains_the_tables(table: Mapping[str, str]) -> None:
    document = (Path(__file__).parents[3] / "docs" / "images.md").read_text()
    for name, words in table.items():
        assert f"| `{name}` | {words} |" in document

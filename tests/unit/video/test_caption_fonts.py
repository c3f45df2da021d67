"""choose_fonts, check_characters: every script has a font on every machine, or the error names it."""
# ruff: noqa: RUF001 - the texts are of many scripts

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import MediaError, Reason
from services.video.caption_fonts import check_characters, choose_fonts, clean_text, split_clusters

TEXTS = {
    "Noto Sans": "Hello, Привет, Ελλάδα! 1–2 «…» €",
    "Noto Sans Arabic": "مرحبا",
    "Noto Sans Hebrew Light": "שלום",
    "Noto Sans Devanagari": "नमस्ते",
    "Noto Sans Bengali": "বাংলা",
    "Noto Sans Tamil": "தமிழ்",
    "Noto Sans Thai": "สวัสดี",
    "Noto Sans Lao": "ລາວ",
    "Noto Sans Khmer": "ខ្មែរ",
    "Noto Sans Myanmar": "မြန်မာ",
    "Noto Sans Georgian": "ქართული",
    "Noto Sans Armenian": "Հայերեն",
    "Noto Sans Ethiopic": "አማርኛ",
    "Noto Sans CJK SC": "你好，世界。",
    "Noto Sans CJK JP": "こんにちは世界ー",
    "Noto Sans CJK KR": "안녕하세요",
    "Noto Emoji": "😀👍🏽",
}


@pytest.mark.parametrize("family", TEXTS)
def test_every_script_has_its_font(family: str) -> None:
    check_characters(TEXTS[family], "text")
    assert [run.font.family for run in choose_fonts(TEXTS[family], "und")] == [family]


@pytest.mark.parametrize(
    ("text", "script", "code"),
    [
        ("Hello བོད", "Tibetan", "U+0F56"),
        ("ᠮᠣᠩᠭᠣᠯ", "Mongolian", "U+182E"),
        ("ᚠᚢᚦ", "Runic", "U+16A0"),
        ("\U000e0fff", "unassigned", "U+E0FFF"),
    ],
)
def test_a_script_without_a_font_is_named(text: str, script: str, code: str) -> None:
    with pytest.raises(MediaError) as caught:
        check_characters(text, "captions.alignment.characters")
    error = caught.value
    assert error.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in error.violations] == ["captions.alignment.characters"]
    assert script in error.message
    assert code in error.message


def test_of_many_missing_characters_five_are_named() -> None:
    with pytest.raises(MediaError) as caught:
        check_characters("".join(chr(0x16A0 + number) for number in range(60)), "text")
    assert caught.value.message.count("U+") == 5
    assert "and more" in caught.value.message


def test_digits_marks_and_spaces_stay_in_the_font_of_the_letters_before() -> None:
    runs = choose_fonts("你好 12, Hello 12! 你", "und")
    assert [(run.font.family, run.text) for run in runs] == [
        ("Noto Sans CJK SC", "你好 12, "),
        ("Noto Sans", "Hello 12! "),
        ("Noto Sans CJK SC", "你"),
    ]


@pytest.mark.parametrize(
    ("language", "family"),
    [
        ("jpn", "Noto Sans CJK JP"),
        ("kor", "Noto Sans CJK KR"),
        ("zho", "Noto Sans CJK SC"),
        ("und", "Noto Sans CJK SC"),
    ],
)
def test_the_language_chooses_the_shapes_of_chinese_characters(language: str, family: str) -> None:
    assert [run.font.family for run in choose_fonts("直", language)] == [family]


@pytest.mark.parametrize("cluster", ["e\u0301", "👍🏽", "👩\u200d👩\u200d👧", "❤\ufe0f", "क्ष"])
def test_marks_and_modifiers_stay_with_their_letter(cluster: str) -> None:
    assert len({run.font.family for run in choose_fonts(cluster, "und")}) == 1
    check_characters(cluster, "text")


def test_controls_and_line_breaks_are_no_characters_of_a_caption() -> None:
    assert clean_text("a\x00b\tc\u2060d\ufeff\ne\u00ad") == "ab cd e"
    assert clean_text("\u200fא\u200e") == "\u200fא\u200e"


@given(st.text(max_size=40))
def test_any_text_is_accepted_whole_or_refused(text: str) -> None:
    cleaned = clean_text(text)
    assert "".join(split_clusters(cleaned)) == cleaned
    try:
        check_characters(text, "text")
    except MediaError:
        return
    runs = choose_fonts(text, "und")
    assert "".join(run.text for run in runs) == cleaned
    assert all(run.font.has(run.text) for run in runs)

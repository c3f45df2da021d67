"""Names and ids of embedded voices, and their engine voices."""

from __future__ import annotations

import re

import pytest

from services.common.errors import MediaError, Reason
from services.tts.named_voices import NAMED_VOICES, NamedVoice
from services.tts.providers.espeak.languages import LANGUAGES, find_language
from services.tts.providers.espeak.voices import VOICES, VoiceVariant, choose_timbre, get_identifier, resolve
from services.tts.providers.interface import Voice

HOSTILE = [
    "../../etc/passwd",
    "en+/etc/passwd",
    "espeak-en-us-f3/..",
    "gmw/en-US",
    "en+f3",
    "",
    " ",
    "espeak-",
    "Aria\0",
]


def build_voice(name: str) -> Voice:
    found = resolve(name)
    assert found is not None
    return found


@pytest.mark.parametrize("named", NAMED_VOICES, ids=lambda named: named.name)
def test_a_named_voice_is_found_by_name_in_any_case_and_by_its_elevenlabs_id(named: NamedVoice) -> None:
    found = build_voice(named.name)

    assert resolve(named.name.upper()) is found
    assert resolve(named.name.lower()) is found
    assert resolve(named.voice_id) is found
    assert resolve(found.voice_id) is found
    assert found.name == named.name


@pytest.mark.parametrize("named", NAMED_VOICES, ids=lambda named: named.name)
def test_a_named_voice_names_espeak_as_its_provider(named: NamedVoice) -> None:
    found = build_voice(named.voice_id)

    assert (found.provider, found.type) == ("espeak", "embedded")
    assert found.voice_id.startswith("espeak-")
    assert found.labels["gender"] == named.gender
    assert found.labels["variant"][0] == "m" or named.gender == "female"
    assert named.language_code in found.language_codes


def test_every_voice_has_a_unique_name_id_and_sound() -> None:
    assert len({found.voice_id for found in VOICES}) == len(VOICES)
    assert len({found.name.casefold() for found in VOICES}) == len(VOICES)
    assert len({get_identifier(choose_timbre(found, "")) for found in VOICES}) == len(VOICES)


def test_every_voice_name_is_valid_in_a_request() -> None:
    # The pattern is simpler than the rule of the contract, which the tests of the contract check exactly.
    allowed = re.compile(r"^\w[\w ._+&'(),-]{0,99}$")
    assert [found for found in VOICES if not allowed.match(found.name) or not allowed.match(found.voice_id)] == []


def test_there_is_a_voice_for_each_language() -> None:
    german = build_voice("espeak German")

    assert german is resolve("espeak-de")
    assert german.language_codes == ("de",)
    assert choose_timbre(german, "") == VoiceVariant("de", "")
    assert len(LANGUAGES) == 138


@pytest.mark.parametrize("name", HOSTILE)
def test_an_unlisted_voice_is_not_found(name: str) -> None:
    assert resolve(name) is None


@pytest.mark.parametrize("name", HOSTILE[:5])
def test_a_path_is_not_an_engine_voice(name: str) -> None:
    with pytest.raises(KeyError):
        get_identifier(VoiceVariant(name, ""))
    with pytest.raises(KeyError):
        get_identifier(VoiceVariant("en-us", name))


def test_an_unknown_voice_is_refused() -> None:
    made_up = Voice("../../etc/passwd", "x", "espeak", "embedded")

    with pytest.raises(MediaError) as caught:
        choose_timbre(made_up, "")

    assert caught.value.reason is Reason.VOICE_NOT_FOUND
    assert [item.field for item in caught.value.violations] == ["voice"]


@pytest.mark.parametrize(
    ("code", "language"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("pt-BR", "pt-br"),
        ("pt", "pt"),
        ("fr-FR", "fr"),
        ("zh", "cmn"),
        ("zh-Hant-TW", "cmn"),
        ("no", "nb"),
    ],
)
def test_a_language_code_changes_the_language_and_keeps_the_speaker(code: str, language: str) -> None:
    assert choose_timbre(build_voice("Aria"), code) == VoiceVariant(language, "f3")


@pytest.mark.parametrize("code", ["en", "EN", "en-US"])
def test_a_voice_that_speaks_the_language_keeps_its_accent(code: str) -> None:
    assert choose_timbre(build_voice("Aria"), code) == VoiceVariant("en-us", "f3")


@pytest.mark.parametrize("code", ["xx", "fo", "../de", "de/../../x"])
def test_an_unknown_language_is_a_violation_of_its_field(code: str) -> None:
    with pytest.raises(MediaError) as caught:
        choose_timbre(build_voice("Aria"), code)

    assert caught.value.reason is Reason.VALIDATION_ERROR
    assert [item.field for item in caught.value.violations] == ["language_code"]


def test_a_language_is_found_by_each_of_its_codes() -> None:
    assert find_language("EN_gb") is LANGUAGES["en-gb"]
    assert find_language("en") is LANGUAGES["en-gb"]
    assert find_language("") is None

"""The voices: the named table, those of the account, and any well-formed id."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.common.errors import MediaError, Reason
from services.tts.named_voices import NAMED_VOICES
from services.tts.providers.elevenlabs import ElevenLabsProvider, ElevenLabsSettings, open_elevenlabs
from services.tts.providers.elevenlabs.provider import open_client
from services.tts.providers.elevenlabs.settings import PROVIDER
from tests.fakes.elevenlabs import API_KEY, FakeElevenLabs
from tests.fakes.elevenlabs_answers import (
    Answer,
    StepControl,
    build_html_error,
    build_legacy_error,
    build_refusal,
)

TABLE_IDS = [item.voice_id for item in NAMED_VOICES]


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now_seconds = 1000.0

    def __call__(self) -> float:
        return self.now_seconds


@asynccontextmanager
async def open_with(fake: FakeElevenLabs, clock: Clock, key: str = API_KEY) -> AsyncIterator[ElevenLabsProvider]:
    settings = ElevenLabsSettings(key, fake.base_url, voices_timeout_seconds=0.3)
    async with open_client(settings) as client:
        yield ElevenLabsProvider(client, settings, clock)


def build_account_voice(number: int, **members: Any) -> dict[str, Any]:
    return {"voice_id": f"account{number:013}", "name": f"Mine {number}", "category": "cloned"} | members


async def list_account_ids(provider: ElevenLabsProvider) -> list[str]:
    ids = [voice.voice_id for voice in await provider.list_voices()]
    assert ids[: len(TABLE_IDS)] == TABLE_IDS
    return ids[len(TABLE_IDS) :]


@pytest.mark.parametrize("item", NAMED_VOICES, ids=lambda item: str(item.name))
@pytest.mark.parametrize("spelled", [str, str.lower, str.upper])
def test_named_voices_are_found_in_any_case_and_by_id(
    provider: ElevenLabsProvider, item: Any, spelled: type[str]
) -> None:
    found = provider.resolve(spelled(item.name))
    assert found is not None
    assert found == provider.resolve(item.voice_id)
    assert (found.voice_id, found.name, found.type, found.provider) == (item.voice_id, item.name, item.type, PROVIDER)
    assert found.language_codes == (item.language_code,)


def test_an_unknown_well_formed_id_is_a_voice(provider: ElevenLabsProvider) -> None:
    found = provider.resolve("21m00Tcm4TlvDq8ikWAM")
    assert found is not None
    assert (found.voice_id, found.name, found.type) == ("21m00Tcm4TlvDq8ikWAM", "21m00Tcm4TlvDq8ikWAM", "account")


@pytest.mark.parametrize(
    "voice", ["", "nobody", "../../etc/passwd/..", "short", "x" * 65, "21m00Tcm4TlvDq8ikWAM\n", "ünïcödé-ünïcödé-id"]
)
def test_a_malformed_id_is_not_a_voice(fake: FakeElevenLabs, provider: ElevenLabsProvider, voice: str) -> None:
    assert provider.resolve(voice) is None
    assert fake.requests == []


async def test_the_accounts_voices_follow_the_table(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    fake.account_voices = [
        build_account_voice(
            1,
            labels={"accent": "irish", "age": None},
            preview_url="https://example.test/1.mp3",
            verified_languages=[{"language": "en"}, {"language": "pt"}, {"language": "en"}],
        )
    ]
    assert provider.resolve("mine 1") is None
    voice = (await provider.list_voices())[-1]
    assert (voice.name, voice.type, voice.language_codes) == ("Mine 1", "account", ("en", "pt"))
    assert (voice.labels, voice.preview_url) == ({"accent": "irish"}, "https://example.test/1.mp3")
    assert provider.resolve("MINE 1") == provider.resolve(voice.voice_id) == voice


async def test_all_pages_are_read(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    fake.account_voices = [build_account_voice(number) for number in range(250)]
    fake.first_page_extra = 7
    assert await list_account_ids(provider) == [voice["voice_id"] for voice in fake.account_voices]
    assert [dict(request.query) for request in fake.requests] == [
        {"page_size": "100"},
        {"page_size": "100", "next_page_token": "107"},
        {"page_size": "100", "next_page_token": "207"},
    ]


async def test_pages_that_repeat_a_token_end(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    fake.account_voices = [build_account_voice(number) for number in range(150)]
    fake.repeat_token = True
    assert len(await list_account_ids(provider)) == 150
    assert len(fake.requests) == 2


async def test_ids_and_names_are_listed_once(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    fake.account_voices = [
        build_account_voice(1, voice_id=TABLE_IDS[0], name="Aria by another name"),
        build_account_voice(2, name="ARIA"),
        build_account_voice(3, name="Twin"),
        build_account_voice(4, name="twin"),
        build_account_voice(3),
    ]
    voices = await provider.list_voices()
    assert [voice.name for voice in voices[len(TABLE_IDS) :]] == [
        "ARIA (account0000000000002)",
        "Twin",
        "twin (account0000000000004)",
    ]
    aria = provider.resolve("aria")
    assert aria is not None
    assert aria.voice_id == TABLE_IDS[0]


async def test_malformed_entries_are_not_listed(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    fake.account_voices = [
        {},
        build_account_voice(1, voice_id="../../etc"),
        build_account_voice(2, voice_id=7),
        build_account_voice(3, name=None, labels=[], verified_languages="en", preview_url="javascript:alert(1)"),
    ]
    voice = (await provider.list_voices())[-1]
    assert len(await provider.list_voices()) == len(TABLE_IDS) + 1
    assert (voice.name, voice.labels, voice.language_codes, voice.preview_url) == (voice.voice_id, {}, (), "")


async def test_a_listing_is_cached_until_it_expires(fake: FakeElevenLabs) -> None:
    clock = Clock()
    async with open_with(fake, clock) as provider:
        assert await list_account_ids(provider) == []
        fake.account_voices = [build_account_voice(1)]
        clock.now_seconds += 299
        assert await list_account_ids(provider) == []
        clock.now_seconds += 1
        assert len(await list_account_ids(provider)) == 1
    assert len(fake.requests) == 2


async def test_concurrent_listings_call_the_api_once(fake: FakeElevenLabs, provider: ElevenLabsProvider) -> None:
    control = StepControl()
    fake.account_voices = [build_account_voice(1)]
    fake.voices_answer = Answer(head_control=control)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(list_account_ids(provider)) for _ in range(5)]
        await control.wait_until_held()
        tasks[0].cancel()
        control.release(5)
    assert [len(task.result()) for task in tasks[1:]] == [1] * 4
    assert len(fake.requests) == 2, "one for the caller that left, one for all others"


@pytest.mark.parametrize(
    "answer",
    [
        build_refusal(500, "internal_error"),
        build_html_error(502),
        build_refusal(401, "invalid_api_key"),
        build_refusal(429, "system_busy"),
        Answer(lines=(b"<html>",)),
        Answer(lines=(b"[]",)),
        Answer(lines=(b'{"voices": null}',)),
        Answer(head_control=StepControl()),
    ],
)
async def test_after_a_failed_listing_the_previous_one_is_returned(fake: FakeElevenLabs, answer: Answer) -> None:
    clock = Clock()
    async with open_with(fake, clock) as provider:
        with capture_logs() as logs:
            fake.voices_answer = answer
            assert await list_account_ids(provider) == []
            fake.voices_answer, fake.account_voices = Answer(), [build_account_voice(1)]
            assert await list_account_ids(provider) == [], "no second request at once"
            clock.now_seconds += 15
            assert len(await list_account_ids(provider)) == 1
            fake.voices_answer = answer
            clock.now_seconds += 300
            assert len(await list_account_ids(provider)) == 1
    warnings = [entry for entry in logs if entry["event"] == "account voices could not be listed"]
    assert len(warnings) == 2
    assert "SECRET" not in str(logs)
    assert API_KEY not in str(logs)


@pytest.mark.parametrize(("key", "requests"), [(API_KEY, 2), ("", 0)])
async def test_a_key_without_permission_gives_the_table_and_is_logged_once(
    fake: FakeElevenLabs, key: str, requests: int
) -> None:
    clock = Clock()
    fake.voices_answer = build_legacy_error(401, "missing_permissions")
    async with open_with(fake, clock, key) as provider:
        with capture_logs() as logs:
            for _ in range(2):
                assert await list_account_ids(provider) == []
                assert await list_account_ids(provider) == []
                clock.now_seconds += 300
    assert len(fake.requests) == requests
    assert [entry["log_level"] for entry in logs] == ["info"]


async def test_an_endless_listing_times_out(fake: FakeElevenLabs) -> None:
    fake.account_voices = [build_account_voice(number) for number in range(12_000)]
    async with open_elevenlabs(ElevenLabsSettings(API_KEY, fake.base_url)) as provider:
        assert len(await list_account_ids(provider)) == 10_000


SIGNS = "AC/DC's “Voice” #1, 100% [Ünïcode] | <b> 😀 & more"


async def test_an_account_voice_is_found_by_name_without_a_listing_before(fake: FakeElevenLabs) -> None:
    fake.account_voices = [build_account_voice(1), build_account_voice(2, name=SIGNS)]
    async with open_with(fake, Clock()) as provider:
        await asyncio.gather(
            *(provider.learn_voice(name) for name in [SIGNS, "mine 1", SIGNS.upper(), " Mine  1 "] * 5)
        )
        for name in (SIGNS, SIGNS.upper()):
            assert (found := provider.resolve(name)) is not None
            assert found.voice_id == f"account{2:013}"
        assert provider.resolve(" mine  1") is provider.resolve("Mine 1") is not None
    assert len(fake.requests) == 1


async def test_a_name_that_looks_like_an_id_is_looked_up(fake: FakeElevenLabs) -> None:
    fake.account_voices = [build_account_voice(1, name="CorporateNarratorVoice")]
    async with open_with(fake, Clock()) as provider:
        await provider.learn_voice("CorporateNarratorVoice")
        assert (found := provider.resolve("CorporateNarratorVoice")) is not None
        assert found.voice_id == f"account{1:013}"


async def test_an_unknown_name_costs_one_listing_for_a_while(fake: FakeElevenLabs) -> None:
    clock = Clock()
    async with open_with(fake, clock) as provider:
        for name in ("Nemo", "Other", "Nemo"):
            await provider.learn_voice(name)
            assert provider.resolve(name) is None
        assert len(fake.requests) == 1
        fake.account_voices = [build_account_voice(1, name="Nemo")]
        clock.now_seconds += 31
        await provider.learn_voice("Nemo")
        assert provider.resolve("Nemo") is not None
    assert len(fake.requests) == 2


async def test_a_known_voice_costs_no_listing(fake: FakeElevenLabs) -> None:
    async with open_with(fake, Clock()) as provider:
        await provider.learn_voice("aria")
        await provider.learn_voice(TABLE_IDS[0])
    assert fake.requests == []


async def test_while_the_account_cannot_be_listed_an_unknown_name_is_no_404(fake: FakeElevenLabs) -> None:
    clock = Clock()
    fake.voices_answer = build_html_error(503)
    async with open_with(fake, clock) as provider:
        for _ in range(2):
            with pytest.raises(MediaError) as caught:
                await provider.learn_voice("Nemo")
            assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE
        assert len(fake.requests) == 1
        # An id needs no listing.
        await provider.learn_voice("21m00Tcm4TlvDq8ikWAM")
        clock.now_seconds += 16
        fake.voices_answer = Answer()
        fake.account_voices = [build_account_voice(1, name="Nemo")]
        await provider.learn_voice("Nemo")
        assert provider.resolve("Nemo") is not None


async def test_a_key_without_the_right_to_list_means_unknown(fake: FakeElevenLabs) -> None:
    async with open_with(fake, Clock(), key="") as provider:
        await provider.learn_voice("Nemo")
        assert provider.resolve("Nemo") is None
    assert fake.requests == []


@pytest.mark.parametrize(
    ("name", "listed"), [("  Two\n words\x00 ", "Two words"), ("x" * 300, f"{'x' * 149}…"), ("cafe\u0301", "caf\u00e9")]
)
async def test_a_listed_name_can_be_requested_as_it_is_listed(fake: FakeElevenLabs, name: str, listed: str) -> None:
    fake.account_voices = [build_account_voice(1, name=name)]
    async with open_with(fake, Clock()) as provider:
        assert (await provider.list_voices())[-1].name == listed
        assert (found := provider.resolve(listed)) is not None
        assert found.voice_id == f"account{1:013}"


async def check_id(provider: ElevenLabsProvider, voice_id: str) -> Reason | None:
    """Check an id and return the reason of the error; None without one."""
    voice = provider.resolve(voice_id)
    assert voice is not None
    try:
        await provider.check_voice(voice)
    except MediaError as error:
        return error.reason
    return None


async def test_an_id_is_checked_at_the_account_once_for_a_while(fake: FakeElevenLabs) -> None:
    clock, shared, unknown = Clock(), "s" * 20, "u" * 20
    fake.other_voices = {shared}
    async with open_with(fake, clock) as provider:
        for _ in range(3):
            assert await check_id(provider, shared) is None
            assert await check_id(provider, unknown) is Reason.VOICE_NOT_FOUND
        assert [request.path for request in fake.requests] == [f"/v1/voices/{shared}", f"/v1/voices/{unknown}"]
        fake.other_voices.add(unknown)
        clock.now_seconds += 301
        assert await check_id(provider, unknown) is None


async def test_a_known_voice_needs_no_check(fake: FakeElevenLabs) -> None:
    fake.account_voices = [build_account_voice(1)]
    async with open_with(fake, Clock()) as provider:
        await provider.list_voices()
        for voice_id in (TABLE_IDS[0], f"account{1:013}"):
            assert await check_id(provider, voice_id) is None
    assert len(fake.requests) == 1


async def test_an_id_counts_as_a_voice_while_the_account_cannot_be_asked(fake: FakeElevenLabs) -> None:
    fake.voices_answer = build_html_error(503)
    async with open_with(fake, Clock()) as provider:
        assert await check_id(provider, "u" * 20) is None

"""A provider gets the directions that its model follows; the others are removed, and the caller is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.common.errors import MediaError, Reason
from services.common.text.directions import Kind
from services.common.timing.alignment import join_alignments
from services.tts.events import Header
from services.tts.planning import SpeechRequest
from services.tts.providers.interface import AudioChunk
from tests.fakes.speech_service import build_speech_parts
from tests.unit.tts.test_utterance import SECONDS_PER_CHARACTER, FragileProvider

TEXT = '[whispers] Come here. <break time="1s"/>Now run!'
REQUEST = SpeechRequest(TEXT, output_format="pcm_8000", include_alignment=True, streamed=True, use_cache=False)


class Directed(FragileProvider):
    """Follows some kinds of directions."""

    def __init__(self, *kinds: Kind, limit: int = 1000) -> None:
        super().__init__(limit=limit)
        self._kinds = frozenset(kinds)

    def list_directions(self, model_id: str) -> frozenset[Kind]:
        return self._kinds


async def speak(speaker: FragileProvider, request: SpeechRequest = REQUEST) -> tuple[Header, str, float]:
    """Return the header, the characters of the timing, and the end of the timing."""
    speech = build_speech_parts(speaker)
    header, *events = [event async for event in speech.synthesizer.stream(speech.planner.plan(request))]
    assert isinstance(header, Header)
    chunks = [event for event in events if isinstance(event, AudioChunk)]
    timing = join_alignments(chunk.alignment for chunk in chunks if chunk.alignment is not None)
    return header, timing.text, timing.ends_seconds[-1]


@pytest.mark.parametrize(
    ("kinds", "spoken", "ignored"),
    [
        ((), "  Come here.  Now run!", ("text.directions",)),
        ((Kind.BREAK,), '  Come here. <break time="1s"/>Now run!', ("text.directions",)),
        ((Kind.TAG,), "[whispers] Come here.  Now run!", ("text.directions",)),
        ((Kind.TAG, Kind.BREAK), TEXT, ()),
    ],
)
async def test_a_model_gets_the_directions_that_it_follows(
    kinds: tuple[Kind, ...], spoken: str, ignored: tuple[str, ...]
) -> None:
    speaker = Directed(*kinds)
    header, timed, end_seconds = await speak(speaker)
    assert speaker.texts == [spoken]
    assert header.ignored_fields == ignored
    assert (timed, end_seconds) == (TEXT, len(spoken) * SECONDS_PER_CHARACTER)


async def test_a_direction_in_a_later_piece_is_told_too() -> None:
    speaker = Directed(limit=16)
    header, timed, _ = await speak(speaker, replace(REQUEST, text="Come here now. Then <break/> run far away!"))
    assert header.ignored_fields == ("text.directions",)
    assert timed == "Come here now. Then <break/> run far away!"
    assert not any("<" in text for text in speaker.texts)


async def test_ordinary_brackets_stay() -> None:
    speaker = Directed()
    header, _, _ = await speak(speaker, replace(REQUEST, text="See [1] and [Smith]: 3 < 5."))
    assert (speaker.texts, header.ignored_fields) == (["See [1] and [Smith]: 3 < 5."], ())


async def test_text_around_has_no_directions() -> None:
    speaker = Directed(Kind.BREAK)
    await speak(
        speaker, replace(REQUEST, text="Now.", previous_text="[sighs] Then.<break/>", next_text="<break/>After.")
    )
    spec, _ = speaker.specs[0]
    assert (spec.previous_text.strip(), spec.next_text.strip()) == ("Then.", "After.")


@pytest.mark.parametrize(("kinds", "text"), [((), "[laughs]"), ((Kind.BREAK,), "<break/> "), ((Kind.TAG,), "<break/>")])
def test_a_text_of_directions_alone_is_refused(kinds: tuple[Kind, ...], text: str) -> None:
    planner = build_speech_parts(Directed(*kinds)).planner
    with pytest.raises(MediaError) as caught:
        planner.plan(replace(REQUEST, text=text))
    assert (caught.value.reason, caught.value.violations[0].field) == (Reason.VALIDATION_ERROR, "text")


def test_a_model_that_follows_tags_may_laugh_without_a_word() -> None:
    planner = build_speech_parts(Directed(Kind.TAG)).planner
    assert planner.plan(replace(REQUEST, text="[laughs]")).spec.text == "[laughs]"

"""Which directions of a text a provider gets: those that its model knows; the others are removed."""

from __future__ import annotations

from dataclasses import replace

from services.common.errors import invalid
from services.common.text.directions import Kind, find_directions, list_parts, remove_directions
from services.common.text.mapping import MappedText, map_parts, map_text
from services.tts.events import Plan
from services.tts.providers.interface import SpeechSpec

IGNORED_FIELD = "text.directions"
"""Entry of `ignored_fields` for a text whose directions were removed, all or some of them."""


def build_spoken_spec(plan: Plan) -> tuple[SpeechSpec, MappedText]:
    """Return the spec for the provider of `plan`, and where its text comes from in the text of the plan."""
    spec = plan.spec
    spoken = remove_unknown_directions(plan)
    changed = replace(
        spec,
        text=spoken.text,
        previous_text=remove_directions(spec.previous_text),
        next_text=remove_directions(spec.next_text),
    )
    return (spec if changed == spec else changed), spoken


def remove_unknown_directions(plan: Plan) -> MappedText:
    """Return the text of `plan` without the directions that its model does not know."""
    unknown = frozenset(Kind) - plan.provider.list_directions(plan.spec.model_id)
    if not any(direction.kind in unknown for direction in find_directions(plan.spec.text)):
        return map_text(plan.spec.text)
    return map_parts(list_parts(plan.spec.text, unknown, " "))


def check_spoken(plan: Plan) -> None:
    """Raise if nothing of the text would be spoken.

    Raises:
        MediaError: VALIDATION_ERROR.
    """
    known = plan.provider.list_directions(plan.spec.model_id)
    # A model that knows tags can laugh without a word; a pause alone is no speech.
    if not remove_directions(plan.spec.text, frozenset(Kind) - (known & {Kind.TAG})).strip():
        raise invalid("text", "must contain words besides directions such as <break/> or [whispers]")

"""The models of Gemini: shapes, and when Google switches them off (ai.google.dev, model pages and changelog)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

_TEN = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_FOURTEEN = (*_TEN, "1:4", "4:1", "1:8", "8:1")
_ALL = ("1K", "2K", "4K")
_SUCCESSOR = "gemini-nano-banana-2.1"


@dataclass(frozen=True, slots=True)
class Traits:
    """The shapes that a model supports, and its end."""

    ratios: tuple[str, ...]
    """Aspect ratios as width:height."""
    resolutions: tuple[str, ...]
    """Resolutions; empty if the model takes no resolution."""
    ends: date | None = None
    """First day without the model; None if no end is announced."""
    successor: str = ""
    """Model to use instead; empty without an end."""


_IMAGEN = Traits(_TEN, (), date(2026, 8, 17), _SUCCESSOR)
TRAITS: Mapping[str, Traits] = {
    "gemini-nano-banana-2.1": Traits(_FOURTEEN, _ALL),
    "gemini-3-pro-image": Traits(_TEN, _ALL),
    "gemini-3.1-flash-lite-image": Traits(_TEN, ("1K",)),
    "gemini-2.5-flash-image": Traits(_TEN, (), date(2027, 3, 15), _SUCCESSOR),
    "gemini-3.1-flash-image": Traits(_FOURTEEN, _ALL, date(2026, 10, 29), _SUCCESSOR),
    "imagen-4.0-generate-001": _IMAGEN,
    "imagen-4.0-fast-generate-001": _IMAGEN,
    "imagen-4.0-ultra-generate-001": _IMAGEN,
}
"""Known models; other models are sent an aspect ratio only."""
UNKNOWN = Traits(_TEN, ())


def get_traits(model_id: str) -> Traits:
    """Return the traits of a model; of an unknown one, those that all models share."""
    return TRAITS.get(model_id, UNKNOWN)


def describe_end(model_id: str) -> str:
    """Return when a model ends and what replaces it, as the end of a sentence; empty without an end."""
    traits = get_traits(model_id)
    return f"{traits.ends:%Y-%m-%d}; set GEMINI_IMAGE_MODEL={traits.successor}" if traits.ends else ""

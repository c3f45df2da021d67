"""A text that was changed for a provider, and where each character of the caller's text is in it."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MappedText:
    """A text made from another one, part by part in the same order. Positions count code points.

    Build it with `map_text` or `map_parts`.
    """

    source: str
    """The text that was changed."""
    text: str
    """The changed text."""
    starts: array[float] | None = field(default=None, compare=False, repr=False)
    """Where each code point of `source` begins in `text`, never decreasing; None if both texts are the same."""
    ends: array[float] | None = field(default=None, compare=False, repr=False)
    """Where each code point of `source` ends in `text`: at its start if it was removed."""

    def find_source_offset(self, offset: int) -> int:
        """Return the position in `source` of the character that begins at `offset` of `text`, or after it."""
        return offset if self.starts is None else bisect_left(self.starts, offset)


def map_text(text: str) -> MappedText:
    """Return `text` without a change."""
    return MappedText(text, text)


def map_parts(parts: Iterable[tuple[str, str]]) -> MappedText:
    """Return the text that is made by a replacement of each part; an empty replacement removes the part.

    Args:
        parts: Each part of the source, in order and without gaps, with its replacement. The code points of a part
            divide those of the replacement evenly.
    """
    sources, texts = [], []
    starts, ends = array("d"), array("d")
    position = 0
    for source, text in parts:
        sources.append(source)
        texts.append(text)
        width = len(text) / max(1, len(source))
        # The last border is exact, whatever the rounding of the others.
        borders = [*(position + index * width for index in range(len(source))), float(position + len(text))]
        starts.extend(borders[:-1])
        ends.extend(borders[1:])
        position += len(text)
    return MappedText("".join(sources), "".join(texts), starts, ends)

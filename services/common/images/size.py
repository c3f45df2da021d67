"""Width and height, and how large an image may be."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PIXELS = 20_000_000
"""Most pixels of any image, generated, fetched or uploaded."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels, both greater than 0."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    def within(self, longest_side: int) -> Size:
        """Return this size, or the largest with the same proportions and sides of at most `longest_side`."""
        longest = max(self.width, self.height)
        if longest <= longest_side:
            return self
        return Size(max(1, self.width * longest_side // longest), max(1, self.height * longest_side // longest))

"""How a still moves: read from the words of its prompt, and never the same way for every image."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

_NEAR = 1.18
"""How much larger the image is shown at its nearest: more would show its pixels."""


@dataclass(frozen=True, slots=True)
class View:
    """What of the image is seen at one moment."""

    zoom: float
    """1 shows all of it."""
    x: float
    """Where the rest lies: 0 shows the left edge, 1 the right one."""
    y: float
    """0 shows the upper edge, 1 the lower one."""


@dataclass(frozen=True, slots=True)
class Motion:
    """From where to where."""

    start: View
    end: View

    def corners(self, frames: int) -> dict[str, str]:
        """Return the corners of what is seen, as expressions of the frame's number `on` for ffmpeg's `perspective`.

        Args:
            frames: How many frames the motion takes, at least 2.
        """
        # Slow at both ends.
        share = f"min(on/{frames - 1},1)"
        eased = f"({share}*{share}*(3-2*{share}))"
        zoom = _between(self.start.zoom, self.end.zoom, eased)
        left = f"(W-W/{zoom})*{_between(self.start.x, self.end.x, eased)}"
        top = f"(H-H/{zoom})*{_between(self.start.y, self.end.y, eased)}"
        right, bottom = f"{left}+W/{zoom}", f"{top}+H/{zoom}"
        names = ("x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3")
        return dict(zip(names, (left, top, right, top, left, bottom, right, bottom), strict=True))


_CENTER = View(1.0, 0.5, 0.5)
_CLOSE = View(_NEAR, 0.5, 0.5)
_LEFT, _RIGHT = View(_NEAR, 0.0, 0.5), View(_NEAR, 1.0, 0.5)
_TOP, _BOTTOM = View(_NEAR, 0.5, 0.0), View(_NEAR, 0.5, 1.0)

_BY_WORDS: Sequence[tuple[tuple[str, ...], Motion]] = (
    (("zoom out", "pull back", "step back", "reveal"), Motion(_CLOSE, _CENTER)),
    (("zoom in", "zoom", "closer", "approach", "talk", "speak", "say"), Motion(_CENTER, _CLOSE)),
    (("pan left", "to the left", "leftward"), Motion(_RIGHT, _LEFT)),
    (("pan right", "to the right", "rightward", "walk", "run", "drive"), Motion(_LEFT, _RIGHT)),
    (("tilt up", "upward", "rise", "fly", "jump"), Motion(_BOTTOM, _TOP)),
    (("tilt down", "downward", "fall", "sink"), Motion(_TOP, _BOTTOM)),
)


def choose_motion(prompt: str) -> Motion:
    """Return the motion that the prompt speaks of; one that depends on its letters alone if it speaks of none."""
    words = prompt.lower()
    for phrases, motion in _BY_WORDS:
        # At the beginning of a word: a butterfly does not tilt the camera.
        if re.search(rf"\b(?:{'|'.join(phrases)})", words):
            return motion
    digest = hashlib.sha256(prompt.encode()).digest()
    return _BY_WORDS[digest[0] % len(_BY_WORDS)][1]


def _between(start: float, end: float, share: str) -> str:
    return f"{start}" if start == end else f"({start}+({end - start:.4f})*{share})"

"""Chooses the camera motion of the embedded engine from the words of a prompt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

_NEAR = 1.18
"""Largest zoom; more would show single pixels."""


@dataclass(frozen=True, slots=True)
class View:
    """The visible part of the image at one moment."""

    zoom: float
    """1 shows the whole image."""
    x: float
    """Horizontal position: 0 shows the left edge, 1 the right edge."""
    y: float
    """Vertical position: 0 shows the upper edge, 1 the lower edge."""


@dataclass(frozen=True, slots=True)
class Motion:
    """A camera motion from one view to another."""

    start: View
    end: View

    def build_corners(self, frames: int) -> dict[str, str]:
        """Return the corners of the visible part for ffmpeg's filter `perspective`.

        Each corner is an expression of the frame number `on`.

        Args:
            frames: Number of frames of the motion, at least 2.
        """
        # Ease in and out.
        share = f"min(on/{frames - 1},1)"
        eased = f"({share}*{share}*(3-2*{share}))"
        zoom = _interpolate(self.start.zoom, self.end.zoom, eased)
        left = f"(W-W/{zoom})*{_interpolate(self.start.x, self.end.x, eased)}"
        top = f"(H-H/{zoom})*{_interpolate(self.start.y, self.end.y, eased)}"
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
    """Return the motion that the prompt names; without one, choose by a hash of the prompt."""
    words = prompt.lower()
    for phrases, motion in _BY_WORDS:
        # Match at the beginning of a word only: "butterfly" must not match "fly".
        if re.search(rf"\b(?:{'|'.join(phrases)})", words):
            return motion
    digest = hashlib.sha256(prompt.encode()).digest()
    return _BY_WORDS[digest[0] % len(_BY_WORDS)][1]


def _interpolate(start: float, end: float, share: str) -> str:
    return f"{start}" if start == end else f"({start}+({end - start:.4f})*{share})"

"""A tiny likeness of an image, small enough to travel in the answer."""

from __future__ import annotations

from io import BytesIO

import pybase64
from PIL import Image

MAX_LETTERS = 1000
_SIDES = (24, 16, 8)


def preview(image: Image.Image) -> str:
    """Return `image` as a data URI of at most 1,000 letters."""
    for side in _SIDES:
        small = image.copy()
        small.thumbnail((side, side), Image.Resampling.BOX)
        file = BytesIO()
        small.save(file, "WEBP", quality=40, method=4)
        uri = f"data:image/webp;base64,{pybase64.b64encode(file.getvalue()).decode()}"
        if len(uri) <= MAX_LETTERS:
            break
    return uri

"""Images as they are given to providers: upright, without anything beside the pixels, and no larger than needed."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from services.common.images import Size, open_image, upright
from services.image.rendition.encode import encode_image
from services.image.rendition.spec import Encoding

# Fine enough that no provider sees a difference, and a fifth of a PNG of a photograph.
_PHOTOGRAPH = Encoding("jpeg", quality=92)
_WITH_TRANSPARENCY = Encoding("png", "low")


@dataclass(frozen=True, slots=True)
class Normalized:
    """An image for a provider."""

    data: bytes
    """The file."""
    content_type: str
    """image/png where the image is transparent in places, else image/jpeg."""
    size: Size
    """Size of the image that was given, upright; the file's sides may be shorter."""


def normalize(data: bytes, longest_side: int) -> Normalized:
    """Return the image in `data` for a provider.

    Args:
        data: The file.
        longest_side: Most pixels of a side.

    Raises:
        MediaError: MEDIA_INVALID, `data` is no whole image of a known kind, or too large.
    """
    with open_image(data) as source:
        image = upright(source)
    own = Size(*image.size)
    within = own.within(longest_side)
    if within != own:
        image = image.resize((within.width, within.height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    file = encode_image(image, _WITH_TRANSPARENCY if image.mode == "RGBA" else _PHOTOGRAPH, {})
    return Normalized(file.data, file.content_type, own)

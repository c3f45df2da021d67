"""From a file to a rendition: the whole way, in one go."""

from __future__ import annotations

from services.common.images import Size, open_image, upright
from services.image.rendition.encode import encode_image
from services.image.rendition.fit import fit_to_size
from services.image.rendition.preview import preview
from services.image.rendition.spec import Rendition, RenditionSpec


def render(data: bytes, spec: RenditionSpec) -> Rendition:
    """Return the image in `data` as `spec` wants it.

    Raises:
        MediaError: MEDIA_INVALID, `data` is no whole image of a known kind, or too large.
    """
    with open_image(data) as source:
        image = upright(source)
    own = Size(*image.size)
    shown, fitted = fit_to_size(image, spec.size or own, spec.fit)
    # Copies are made of the whole image, not of one that was cut to another shape.
    copies = tuple(
        (variant.name, encode_image(fit_to_size(image, variant.size, spec.fit)[0], spec.encoding, spec.notes))
        for variant in spec.variants
    )
    return Rendition(encode_image(shown, spec.encoding, spec.notes), copies, preview(shown), own, fitted)

"""Pictures brought into form: looked into, fitted, encoded, cleaned. Everything here runs in a worker."""

from __future__ import annotations

from services.image.rendition.inspect import Inspected, inspect
from services.image.rendition.normalize import Normalized, normalize
from services.image.rendition.render import render
from services.image.rendition.spec import (
    Encoding,
    Fit,
    Fitted,
    Rendered,
    Rendition,
    RenditionSpec,
    VariantSpec,
)

__all__ = [
    "Encoding",
    "Fit",
    "Fitted",
    "Inspected",
    "Normalized",
    "Rendered",
    "Rendition",
    "RenditionSpec",
    "VariantSpec",
    "inspect",
    "normalize",
    "render",
]

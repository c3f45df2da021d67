"""Decode, fit and encode images, without their metadata. All code of this package runs in the worker pool."""

from __future__ import annotations

from services.image.rendition import (
    Encoding,
    Fit,
    Fitted,
    Normalized,
    Rendered,
    Rendition,
    RenditionSpec,
    VariantSpec,
    normalize,
    render,
)

__all__ = [
    "Encoding",
    "Fit",
    "Fitted",
    "Normalized",
    "Rendered",
    "Rendition",
    "RenditionSpec",
    "VariantSpec",
    "normalize",
    "render",
]

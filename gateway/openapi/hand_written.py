"""All hand-written routes, in the order the document lists them."""

from __future__ import annotations

from gateway.openapi.images import IMAGE_ROUTES
from gateway.openapi.speech import SPEECH_ROUTES
from gateway.openapi.suite import SUITE_ROUTES
from gateway.openapi.table import HandWritten

HAND_WRITTEN: tuple[HandWritten, ...] = (*SPEECH_ROUTES, *IMAGE_ROUTES, *SUITE_ROUTES)

"""All hand-written routes, in the order the document lists them."""

from __future__ import annotations

from gateway.openapi.images import IMAGE_ROUTES
from gateway.openapi.jobs import JOB_ROUTES
from gateway.openapi.route_spec import HandWritten
from gateway.openapi.speech import SPEECH_ROUTES
from gateway.openapi.suite import SUITE_ROUTES
from gateway.openapi.videos import VIDEO_ROUTES

HAND_WRITTEN: tuple[HandWritten, ...] = (*SPEECH_ROUTES, *IMAGE_ROUTES, *VIDEO_ROUTES, *JOB_ROUTES, *SUITE_ROUTES)

"""Signed links to speech, which media elements of a browser can play: POST /api/speech?link=1, and the link itself."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from media.tts.v1 import tts_pb2

from gateway.object_responses import SAFE_HEADERS, send_object
from gateway.request_parsing import get_principal, read_message
from gateway.routes.speech_common import build_audio_headers, refuse_alignment
from gateway.speech_links import SpeechLinks
from gateway.speech_production import SpeechProduction
from gateway.streaming import start_stream
from services.common.errors import invalid
from services.common.storage import RouteLinks
from services.common.storage.signed_urls import SIGNATURE

_FLAGS = {"": False, "0": False, "false": False, "1": True, "true": True}


class SpeechLinkRoutes:
    """Answers requests for links to speech, and the links.

    Args:
        speech: Stores requests and produces their speech.
        links: Signs and checks links.
    """

    def __init__(self, speech: SpeechLinks, links: RouteLinks) -> None:
        self._speech = speech
        self._links = links

    def build_routes(self) -> Sequence[web.RouteDef]:
        """Return the routes."""
        # HEAD cannot be answered before the speech is produced, and must not pay for it.
        return [web.get("/api/speech/links/{id:[0-9a-f]{32}}", self.send, allow_head=False)]

    async def create(self, request: web.Request) -> web.Response:
        """Answer with a signed link to the speech of the request; nothing is paid before the link is fetched."""
        message = await read_message(request, tts_pb2.SynthesizeStreamRequest)
        refuse_alignment(message.include_alignment)
        owner = get_principal(request)
        link_id = await self._speech.create(message, owner)
        link = self._links.build(f"/api/speech/links/{link_id}", owner)
        assert link.expires_at is not None  # noqa: S101 - for mypy: links to routes expire
        body = {"success": True, "url": link.url, "urlExpireTime": link.expires_at.isoformat().replace("+00:00", "Z")}
        return web.json_response(body, status=201, headers={"Location": link.url, "Cache-Control": "no-store"})

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Answer with the speech: streamed while it is produced, and then as a file with ranges."""
        owner, cache_control = self._find_reader(request)
        production = self._speech.get(request.match_info["id"], owner)
        with production.use():
            await production.wait_until_ready()
            if production.stored is None and not _needs_length(request):
                return await _stream(request, production)
            info = await production.wait_until_stored()
        return await send_object(request, self._speech.store, info, cache_control)

    def _find_reader(self, request: web.Request) -> tuple[str, str]:
        """Return the owner of the link, and Cache-Control of the finished audio."""
        if SIGNATURE not in request.query:
            return get_principal(request), "private, no-cache"
        owner, left_seconds = self._links.check(request.path, request.query)
        return owner, f"private, max-age={int(left_seconds)}"


def wants_link(request: web.Request) -> bool:
    """Return whether a request for speech wants a link instead of the audio.

    Raises:
        MediaError: VALIDATION_ERROR, the parameter has another value than 0 or 1.
    """
    flag = _FLAGS.get(request.query.get("link", ""))
    if flag is None:
        raise invalid("link", "must be 1 for a signed link to the speech, or 0 for the audio itself")
    return flag


def _needs_length(request: web.Request) -> bool:
    """Return whether the request wants another part than all of the audio, which needs its length."""
    try:
        requested = request.http_range
    except ValueError:
        return False
    return bool(requested.start) or requested.stop is not None


async def _stream(request: web.Request, production: SpeechProduction) -> web.StreamResponse:
    assert production.header is not None  # noqa: S101 - for mypy: the caller awaited it
    headers = {**SAFE_HEADERS, **build_audio_headers(production.header), "Content-Disposition": "inline"}
    # Ranges come with the length; until then a player must not ask for them.
    del headers["Accept-Ranges"]
    response = await start_stream(request, headers)
    async for piece in production.read():
        await response.write(piece)
    await response.write_eof()
    return response

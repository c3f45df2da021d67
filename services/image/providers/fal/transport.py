"""Sends requests to fal, and says in our words what went wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from yarl import URL

from services.common.errors import Reason
from services.common.log import logger
from services.image.providers.fal.failures import failure, refusal
from services.image.providers.fal.settings import FalSettings

log = logger(__name__)

_MAX_ANSWER_BYTES = 4 * 1024 * 1024
_CONNECT_SECONDS = 10.0
_OK = range(200, 300)
_FAL_HOST = ".fal.run"


@dataclass(frozen=True, slots=True)
class Answer:
    """What fal answered, well."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class Transport:
    """Speaks with fal's queue and its synchronous address."""

    def __init__(self, session: aiohttp.ClientSession, settings: FalSettings) -> None:
        self._session = session
        self._settings = settings
        bases = (settings.queue_base_url, settings.sync_base_url)
        self._origins = {URL(base).origin() for base in bases}

    async def ask(self, method: str, url: str, body: Mapping[str, Any] | None = None, *, begun: bool) -> Answer:
        """Returns what fal answers.

        Args:
            method: HTTP method.
            url: Ours, or one that fal returned, which is used as it is.
            body: JSON to send.
            begun: Whether fal has accepted the picture before: what fails now may have been charged.

        Raises:
            MediaError: fal refused, failed, or could not be reached.
        """
        target = URL(url, encoded=True)
        self._check_host(target)
        sent = False
        try:
            async with self._session.request(
                method,
                target,
                data=None if body is None else orjson.dumps(body),
                headers=self._headers(body is not None),
                allow_redirects=False,
            ) as response:
                sent = True
                content = await response.content.read(_MAX_ANSWER_BYTES + 1)
                while len(content) <= _MAX_ANSWER_BYTES and (more := await response.content.readany()):
                    content += more
                found = _json(content)
                if response.status not in _OK:
                    raise refusal(response.status, response.headers, found, begun=begun)
                if not isinstance(found, dict):
                    raise failure(Reason.GENERATION_FAILED, begun=True)
                return Answer(response.status, response.headers, found)
        except aiohttp.ClientConnectorError as error:
            log.warning("fal can not be reached", error_type=type(error).__name__)
            raise failure(Reason.PROVIDER_UNAVAILABLE, begun=begun) from None
        except (aiohttp.ClientError, OSError) as error:
            # The request may have arrived: who asks again may pay twice.
            log.warning("fal ended the connection", error_type=type(error).__name__, answered=sent)
            raise failure(Reason.PROVIDER_UNAVAILABLE, begun=begun or method == "POST") from None

    def _headers(self, with_body: bool) -> dict[str, str]:
        key = {"Authorization": f"Key {self._settings.api_key}"}
        return {**key, "Content-Type": "application/json"} if with_body else key

    def _check_host(self, target: URL) -> None:
        """Sees to it that the key goes to nobody but fal."""
        of_fal = target.scheme == "https" and (target.host or "").endswith(_FAL_HOST)
        if not of_fal and target.origin() not in self._origins:
            log.error("fal names an address that is not its own")
            raise failure(Reason.GENERATION_FAILED, begun=True)


def open_session() -> aiohttp.ClientSession:
    """Returns the connections to fal."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    return aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())


def _json(content: bytes) -> object:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None

"""A fake of Supabase Storage on the loopback: one bucket, and errors with the texts of the real server."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.fakes.supabase_tus import TusUploads

SERVICE_ROLE = "sb_secret_TESTKEY"
BUCKET = "media"
VALID_KEY = re.compile(r"[\w/!\-.*'() &$@=;:+,?]+", re.ASCII)
"""The rule of the server for the keys of new objects."""
_BROWSER = re.compile(r"Mozilla|Chrome|Safari|Firefox")


@dataclass
class StoredObject:
    """An object of the bucket."""

    data: bytes
    content_type: str
    cache_control: str
    metadata: Mapping[str, str]
    stored_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())

    @property
    def etag(self) -> str:
        """Entity tag in the server's format."""
        return f'"{hashlib.md5(self.data, usedforsecurity=False).hexdigest()}"'


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One received request."""

    method: str
    path: str
    headers: Mapping[str, str]
    json: Any = None
    parts: tuple[tuple[str, str], ...] = ()
    """Name and text of each part of a form; the file's text is its content type."""


class FakeSupabase:
    """The state of the server, and settings for its behaviour."""

    def __init__(self) -> None:
        self.base_url = ""
        self.objects: dict[str, StoredObject] = {}
        """Objects of the bucket, by name."""
        self.requests: list[RecordedRequest] = []
        """All requests, in order."""
        self.refusal: tuple[str, str, str, str] | None = None
        """statusCode, error, message and code of the response to every request, while it is set."""
        self.tus = TusUploads(self.find_refusal, self.finish_upload)
        """Resumable uploads."""
        self.broken = False
        """Whether responses come from a broken proxy instead of Supabase."""

    def app(self) -> web.Application:
        """Return the server."""
        app = web.Application(client_max_size=64 * 1024 * 1024, middlewares=[self._check])
        prefix = "/storage/v1/object"
        self.tus.add_routes(app, "/storage/v1/upload/resumable")
        app.router.add_get(prefix + "/info/{bucket}/{name:.+}", self._info)
        app.router.add_get(prefix + "/authenticated/{bucket}/{name:.+}", self._download)
        app.router.add_get(prefix + "/public/{bucket}/{name:.+}", self._download)
        app.router.add_post(prefix + "/sign/{bucket}/{name:.+}", self._sign)
        app.router.add_post(prefix + "/list/{bucket}", self._list)
        app.router.add_post(prefix + "/{bucket}/{name:.+}", self._upload)
        app.router.add_delete(prefix + "/{bucket}", self._remove)
        return app

    @web.middleware
    async def _check(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.broken:
            return web.Response(status=502, text="<html>bad gateway</html>")
        if self.refusal is not None:
            await request.read()
            return _build_error(*self.refusal)
        public = "/object/public/" in request.path
        if not public and request.headers.get("apikey") != SERVICE_ROLE:
            return _build_error("403", "Unauthorized", "invalid signature", "AccessDenied")
        if not public and (refusal := _check_credential(request)) is not None:
            return refusal
        if "bucket" in request.match_info and request.match_info["bucket"] != BUCKET:
            await request.read()
            return _build_error("404", "Bucket not found", "Bucket not found", "NoSuchBucket")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _upload(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        form: dict[str, Any] = {}
        parts: list[tuple[str, str]] = []
        async for part in await request.multipart():
            assert part is not None
            if part.name == "file":  # type: ignore[union-attr]  # forms hold no multiparts
                content_type = part.headers.get("Content-Type", "")
                form["file"] = bytes(await part.read())  # type: ignore[union-attr]  # as above
                parts.append(("file", content_type))
            else:
                text = await part.text()  # type: ignore[union-attr]  # as above
                form[str(part.name)] = text  # type: ignore[union-attr]  # as above
                parts.append((str(part.name), text))  # type: ignore[union-attr]  # as above
        self._record(request, parts=tuple(parts))
        refusal = self.find_refusal(BUCKET, name, overwrite=request.headers.get("x-upsert") == "true")
        if refusal is not None:
            return _build_error(*refusal)
        self.objects[name] = StoredObject(
            form["file"],
            dict(parts)["file"],
            f"max-age={form['cacheControl']}",
            json.loads(form.get("metadata", "{}")),
        )
        return web.json_response({"Id": "1", "Key": f"{BUCKET}/{name}"})

    def find_refusal(self, bucket: str, name: str, *, overwrite: bool) -> tuple[str, str, str, str] | None:
        """Return statusCode, error, message and code of the refusal of a new object; None if it may be stored."""
        if bucket != BUCKET:
            return "404", "Bucket not found", "Bucket not found", "NoSuchBucket"
        if not VALID_KEY.fullmatch(name):
            return "400", "InvalidKey", f"Invalid key: {name}", "InvalidKey"
        if name in self.objects and not overwrite:
            return "409", "Duplicate", "The resource already exists", "KeyAlreadyExists"
        return None

    def finish_upload(self, data: bytes, values: Mapping[str, str]) -> None:
        """Store the object of a complete resumable upload."""
        seconds = values.get("cacheControl", "")
        self.objects[values["objectName"]] = StoredObject(
            data,
            values.get("contentType", "application/octet-stream"),
            f"max-age={seconds}" if re.fullmatch(r"-?\d+", seconds) else "no-cache",
            json.loads(values.get("metadata", "{}")),
        )

    async def _info(self, request: web.Request) -> web.Response:
        self._record(request)
        found = self.objects.get(request.match_info["name"])
        if found is None:
            return _build_missing_error()
        return web.json_response(
            {
                "id": "1",
                "name": request.match_info["name"],
                "size": len(found.data),
                "content_type": found.content_type,
                "cache_control": found.cache_control,
                "etag": found.etag,
                "metadata": found.metadata,
                "last_modified": found.stored_at,
                "created_at": found.stored_at,
            }
        )

    async def _download(self, request: web.Request) -> web.Response:
        self._record(request)
        found = self.objects.get(request.match_info["name"])
        if found is None:
            return _build_missing_error()
        range_ = request.http_range
        if range_.start is None:
            return web.Response(body=found.data, content_type=found.content_type)
        return web.Response(status=206, body=found.data[range_], content_type=found.content_type)

    async def _sign(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._record(request, body)
        token = f"{request.match_info['name']}-{body['expiresIn']}"
        return web.json_response({"signedURL": f"/object/sign/{BUCKET}/{request.match_info['name']}?token={token}"})

    async def _remove(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._record(request, body)
        removed = [name for name in body["prefixes"] if self.objects.pop(name, None)]
        return web.json_response([{"name": name} for name in removed])

    async def _list(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._record(request, body)
        folder = f"{body['prefix']}/" if body["prefix"] else ""
        inside = {name.removeprefix(folder): item for name, item in self.objects.items() if name.startswith(folder)}
        entries: dict[str, dict[str, Any]] = {}
        for name, item in inside.items():
            first, slash, _ = name.partition("/")
            entries[first] = (
                {"name": first, "id": None, "metadata": None}
                if slash
                else {
                    "name": first,
                    "id": "1",
                    "updated_at": item.stored_at,
                    "metadata": {
                        "size": len(item.data),
                        "mimetype": item.content_type,
                        "eTag": item.etag,
                        "lastModified": item.stored_at,
                    },
                }
            )
        ordered = [entries[name] for name in sorted(entries)]
        return web.json_response(ordered[body["offset"] : body["offset"] + body["limit"]])

    def _record(self, request: web.Request, body: Any = None, parts: tuple[tuple[str, str], ...] = ()) -> None:
        self.requests.append(RecordedRequest(request.method, request.raw_path, dict(request.headers), body, parts))


@asynccontextmanager
async def run_supabase() -> AsyncIterator[FakeSupabase]:
    """Yield a server on a port of its own."""
    fake = FakeSupabase()
    runner = web.AppRunner(fake.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        fake.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield fake
    finally:
        await runner.cleanup()


def _check_credential(request: web.Request) -> web.Response | None:
    """Return the refusal of a credential: a bearer token must be a JWT, and secret keys are not for browsers."""
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if bearer and bearer.count(".") != 2:
        return _build_error("403", "Unauthorized", "Invalid Compact JWS", "AccessDenied")
    if _BROWSER.search(request.headers.get("User-Agent", "")):
        return web.json_response({"message": "Forbidden use of secret API key in browser"}, status=401)
    return None


def _build_missing_error() -> web.Response:
    return _build_error("404", "not_found", "Object not found", "NoSuchKey")


def _build_error(status: str, error: str, message: str, code: str) -> web.Response:
    """Return an error response. Its HTTP status is always 400; the body has the real status."""
    return web.json_response({"statusCode": status, "error": error, "message": message, "code": code}, status=400)

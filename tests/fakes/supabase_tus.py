"""The resumable uploads of a fake Supabase: TUS 1.0.0, as strict as the server."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

CHUNK_BYTES = 6 * 1024 * 1024


class FindRefusal(Protocol):
    """Returns statusCode, error, message and code of the refusal of a new object; None if it may be stored."""

    def __call__(self, bucket: str, name: str, *, overwrite: bool) -> tuple[str, str, str, str] | None: ...


@dataclass
class TusUpload:
    """An upload that has begun."""

    length: int
    values: Mapping[str, str]
    overwrite: bool
    data: bytearray


class TusUploads:
    """Answers the requests of resumable uploads.

    Args:
        find_refusal: Decides whether an object may be stored.
        finish: Called with the data and the values of Upload-Metadata of a complete upload.
    """

    def __init__(self, find_refusal: FindRefusal, finish: Callable[[bytes, Mapping[str, str]], None]) -> None:
        self._find_refusal = find_refusal
        self._finish = finish
        self.uploads: dict[str, TusUpload] = {}
        self.methods: list[str] = []
        """Method of each request, in order."""
        self.offsets: list[int] = []
        """Upload-Offset of each accepted chunk, in order."""
        self.break_after: list[int] = []
        """Bytes of the next chunks after which the connection breaks; what arrived is stored."""
        self.lost_answers = 0
        """Number of next chunks that are stored, but whose connection breaks before the answer."""
        self.locked = 0
        """Number of next requests for the offset that find the upload locked."""
        self.max_bytes = 50 * 1024 * 1024

    def add_routes(self, app: web.Application, prefix: str) -> None:
        """Add the routes of uploads."""
        app.router.add_post(prefix, self._create)
        app.router.add_patch(prefix + "/{upload}", self._append)
        app.router.add_route("HEAD", prefix + "/{upload}", self._tell_offset)

    async def _create(self, request: web.Request) -> web.Response:
        self.methods.append("POST")
        if (refusal := _check_version(request)) is not None:
            return refusal
        length = request.headers.get("Upload-Length", "")
        if not re.fullmatch("[0-9]+", length):
            return _refuse(400, "Upload-Length or Upload-Defer-Length header required")
        if int(length) > self.max_bytes:
            return _refuse(413, "Maximum size exceeded")
        values = _parse_metadata(request.headers.get("Upload-Metadata", ""))
        if not values.get("bucketName") or not values.get("objectName"):
            return _refuse(400, "Metadata header is required")
        overwrite = request.headers.get("x-upsert") == "true"
        found = self._find_refusal(values["bucketName"], values["objectName"], overwrite=overwrite)
        if found is not None:
            return _refuse(int(found[0]), found[2])
        name = base64.urlsafe_b64encode(f"{values['bucketName']}/{values['objectName']}/{len(self.uploads)}".encode())
        upload_id = name.decode().rstrip("=")
        self.uploads[upload_id] = TusUpload(int(length), values, overwrite, bytearray())
        # A server behind a proxy does not know its own address.
        location = f"https://storage.internal{request.path}/{upload_id}"
        return web.Response(status=201, headers={"Tus-Resumable": "1.0.0", "Location": location})

    async def _append(self, request: web.Request) -> web.Response:
        self.methods.append("PATCH")
        upload = self.uploads.get(request.match_info["upload"])
        refusal = _check_version(request) or _check_chunk(request, upload)
        if upload is None or refusal is not None:
            return refusal or web.Response(status=404)
        self.offsets.append(len(upload.data))
        if self.break_after:
            upload.data += await request.content.readexactly(self.break_after.pop(0))
            return _break(request)
        upload.data += await request.content.readexactly(request.content_length or 0)
        if len(upload.data) == upload.length and (refusal := self._complete(upload)) is not None:
            return refusal
        if self.lost_answers:
            self.lost_answers -= 1
            return _break(request)
        return web.Response(status=204, headers={"Tus-Resumable": "1.0.0", "Upload-Offset": str(len(upload.data))})

    def _complete(self, upload: TusUpload) -> web.Response | None:
        values = upload.values
        found = self._find_refusal(values["bucketName"], values["objectName"], overwrite=upload.overwrite)
        if found is not None:
            return _refuse(int(found[0]), found[2])
        self._finish(bytes(upload.data), values)
        return None

    async def _tell_offset(self, request: web.Request) -> web.Response:
        self.methods.append("HEAD")
        if (refusal := _check_version(request)) is not None:
            return refusal
        if self.locked:
            self.locked -= 1
            return _refuse(423, "The resource is locked")
        upload = self.uploads.get(request.match_info["upload"])
        if upload is None:
            return _refuse(404, "The file for this url was not found")
        headers = {"Upload-Offset": str(len(upload.data)), "Upload-Length": str(upload.length)}
        return web.Response(headers={"Tus-Resumable": "1.0.0", "Cache-Control": "no-store", **headers})


def _check_version(request: web.Request) -> web.Response | None:
    if request.headers.get("Tus-Resumable") == "1.0.0":
        return None
    return _refuse(412, "Tus-Resumable Required")


def _check_chunk(request: web.Request, upload: TusUpload | None) -> web.Response | None:
    if upload is None:
        return _refuse(404, "The file for this url was not found")
    if request.headers.get("Content-Type") != "application/offset+octet-stream":
        return _refuse(403, "Invalid Content-Type")
    if request.headers.get("Upload-Offset") != str(len(upload.data)):
        return _refuse(409, "Upload-Offset conflict")
    if request.content_length != min(CHUNK_BYTES, upload.length - len(upload.data)):
        return _refuse(400, "a chunk but the last has exactly 6 MiB")
    return None


def _parse_metadata(header: str) -> dict[str, str]:
    pairs = [item.partition(" ") for item in header.split(",") if item]
    return {name: base64.b64decode(value, validate=True).decode() for name, _, value in pairs}


def _refuse(status: int, text: str) -> web.Response:
    """Return an error as the TUS part of the server sends it: with its real status and a text."""
    return web.Response(status=status, text=text)


def _break(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=500)

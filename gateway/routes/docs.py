"""GET /, /openapi.json and /docs: the OpenAPI document, and Swagger UI from files of this package."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from aiohttp import web
from aiohttp.typedefs import Handler

_GATEWAY = Path(__file__).resolve().parents[1]

PAGE_PATH = "/docs"
"""Path of the page for people."""

SWAGGER_UI = _GATEWAY / "docs_page" / "swagger_ui"
"""Vendored Swagger UI; its README.md names the version and the digests."""

_PAGE = _GATEWAY / "docs_page"
_ASSETS = (
    SWAGGER_UI / "swagger-ui-bundle.js",
    SWAGGER_UI / "swagger-ui.css",
    _PAGE / "start.js",
    _PAGE / "page.css",
)

_CONTENT_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_REVALIDATE = "public, no-cache"
_FOREVER = "public, max-age=31536000, immutable"
_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_PAGE_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
_SAFE_TYPE: Mapping[str, str] = {"X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class _Asset:
    """A file of the page; its path changes with its content, so that clients may cache it forever."""

    file: Path
    digest: str

    @property
    def path(self) -> str:
        return f"/docs/assets/{self.digest}/{self.file.name}"


def build_docs_routes(document: bytes) -> list[web.RouteDef]:
    """Return the routes of the OpenAPI `document`, which is JSON text, and of the page that shows it."""
    assets = [_build_asset(file) for file in _ASSETS]
    page = Template((_PAGE / "index.html").read_text(encoding="utf-8")).substitute(
        {asset.file.name.replace(".", "_").replace("-", "_"): asset.path for asset in assets}
    )
    return [
        web.get("/openapi.json", _serve_fixed(document, "application/json", {})),
        web.get("/", _redirect_to_page),
        web.get(PAGE_PATH, _serve_fixed(page.encode(), "text/html", _PAGE_HEADERS)),
        *(web.get(asset.path, _serve_file(asset)) for asset in assets),
    ]


async def _redirect_to_page(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": PAGE_PATH, "Cache-Control": _REVALIDATE})


def _build_asset(file: Path) -> _Asset:
    return _Asset(file, hashlib.sha256(file.read_bytes()).hexdigest()[:16])


def _serve_fixed(body: bytes, content_type: str, extra: Mapping[str, str]) -> Handler:
    """Return a handler that answers with `body`, or with 304 if the caller has that version."""
    etag = hashlib.sha256(body).hexdigest()[:32]
    headers = {"Cache-Control": _REVALIDATE, **_SAFE_TYPE, **extra}

    async def answer(request: web.Request) -> web.StreamResponse:
        response = (
            web.Response(status=304, headers=headers)
            if _is_cached(request, etag)
            else web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
        )
        response.etag = etag
        return response

    return answer


def _serve_file(asset: _Asset) -> Handler:
    """Return a handler that answers with a file and its ETag, and reads the file at each request."""
    headers = {"Cache-Control": _FOREVER, "Content-Type": _CONTENT_TYPES[asset.file.suffix], **_SAFE_TYPE}

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.FileResponse(asset.file, headers=headers)

    return answer


def _is_cached(request: web.Request, etag: str) -> bool:
    return any(item.value in (etag, "*") for item in request.if_none_match or ())

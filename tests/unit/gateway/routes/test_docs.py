"""Tests of the OpenAPI document and its page over HTTP."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator

import orjson
import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from gateway import OPENAPI_FILE
from gateway.routes.docs import SWAGGER_UI, build_docs_routes

DOCUMENT = {"openapi": "3.1.1", "info": {"title": "ünïcode", "version": "1"}, "paths": {}}
Client = TestClient[Request, Application]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    app = Application()
    app.add_routes(build_docs_routes(orjson.dumps(DOCUMENT)))
    async with TestClient(TestServer(app)) as started:
        yield started


async def list_assets(client: Client) -> list[str]:
    page = await (await client.get("/docs")).text()
    return re.findall(r'(?:src|href)="(/docs/assets/[^"]+)"', page)


async def test_the_document_is_served_unchanged(client: Client) -> None:
    answer = await client.get("/openapi.json")
    assert answer.status == 200
    assert answer.content_type == "application/json"
    assert await answer.json() == DOCUMENT


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_a_caller_that_has_this_version_is_answered_with_304(client: Client, path: str) -> None:
    first = await client.get(path)
    assert first.headers["Cache-Control"] == "public, no-cache"
    again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304
    assert await again.read() == b""
    assert again.headers["ETag"] == first.headers["ETag"]
    other = await client.get(path, headers={"If-None-Match": '"other"'})
    assert other.status == 200


async def test_another_document_has_another_etag(client: Client) -> None:
    app = Application()
    app.add_routes(build_docs_routes(orjson.dumps({**DOCUMENT, "paths": {"/new": {}}})))
    async with TestClient(TestServer(app)) as other:
        theirs = (await other.get("/openapi.json")).headers["ETag"]
    assert theirs != (await client.get("/openapi.json")).headers["ETag"]


async def test_head_answers_without_a_body(client: Client) -> None:
    answer = await client.head("/openapi.json")
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) > 0


async def test_every_asset_of_the_page_exists_and_may_be_cached_forever(client: Client) -> None:
    paths = await list_assets(client)
    assert {path.rpartition("/")[2] for path in paths} == {
        "swagger-ui-bundle.js",
        "swagger-ui.css",
        "start.js",
        "page.css",
    }
    for path in paths:
        answer = await client.get(path)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.content_type == ("text/javascript" if path.endswith(".js") else "text/css")
        assert await answer.read()
        again = await client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304


async def test_the_page_has_no_inline_code_and_loads_only_its_own_files(client: Client) -> None:
    answer = await client.get("/docs")
    page = await answer.text()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|\bstyle=", page) == []
    assert re.findall(r'(?:src|href)="(?!/|data:)', page) == []
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


async def test_no_file_but_the_assets_is_served(client: Client) -> None:
    asset = (await list_assets(client))[0]
    url = client.make_url("/")
    async with ClientSession() as session:
        for path in (f"{asset}/../../../app.py", f"{asset}x", "/docs/assets/0/swagger-ui-bundle.js"):
            async with session.get(f"{url.origin()}{path}") as answer:
                assert answer.status == 404


def test_swagger_ui_is_the_version_that_its_readme_names() -> None:
    readme = (SWAGGER_UI / "README.md").read_text(encoding="utf-8")
    digests = dict(re.findall(r"^\| `([^`]+)` \| `([0-9a-f]{64})` \|$", readme, flags=re.MULTILINE))
    files = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in SWAGGER_UI.iterdir()}
    del files["README.md"]
    assert files == digests
    version = re.findall(r"^# Swagger UI (\S+)$", readme, flags=re.MULTILINE)
    assert f'"{version[0]}"' in (SWAGGER_UI / "swagger-ui-bundle.js").read_text(encoding="utf-8")


def test_the_committed_document_is_openapi_in_json() -> None:
    assert orjson.loads(OPENAPI_FILE.read_bytes())["openapi"] == "3.1.1"

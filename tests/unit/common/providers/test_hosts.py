"""The key of a provider is sent to the hosts of the provider only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.common.errors import Reason
from services.common.providers import ProviderHttpClient, open_session
from tests.conftest import LogLines
from tests.fakes.web_host import run_web_host
from tests.unit.common.providers.rig import FailedError, RefusedError, build_endpoint, catch_error


class NoHosts(AbstractResolver):
    """A resolver that finds no host, and records the names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Record the name, and fail."""
        self.names.append(host)
        raise OSError

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""


@asynccontextmanager
async def open_client_without_hosts() -> AsyncIterator[tuple[NoHosts, ProviderHttpClient]]:
    resolver = NoHosts()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=resolver)) as session:
        yield resolver, ProviderHttpClient(session, build_endpoint("https://api.example/v1", "http://127.0.0.1:9/sync"))


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/",
        "http://api.example/v1",
        "https://api.example:8443/v1",
        "https://api.example.evil.example/v1",
        "https://evil.example/api.example",
        "https://api.example@evil.example/v1",
        "https://evil.example#.provider.example",
        "https://evil.example?.provider.example",
        "https://evil.example/.provider.example",
        "http://queue.provider.example/",
        "ftp://queue.provider.example/",
        "https://evilprovider.example/",
        "https://queue.provider.example.evil.example/",
        "http://127.0.0.1/sync",
        "http://127.0.0.1:99/sync",
        "https://127.0.0.1:9/sync",
    ],
)
async def test_the_key_is_sent_to_no_other_host(url: str, log_lines: LogLines) -> None:
    async with open_client_without_hosts() as (resolver, client):
        assert await catch_error(client.request("GET", url, work_started=True)) == (Reason.GENERATION_FAILED, True)
    assert resolver.names == []
    (line,) = log_lines()
    assert (line["level"], line["provider"]) == ("error", "fake")
    assert "KEY" not in str(line)
    assert "evil" not in str(line)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example/other", "api.example"),
        ("https://queue.provider.example/x", "queue.provider.example"),
        ("https://a.b.provider.example:8443/x", "a.b.provider.example"),
    ],
)
async def test_the_key_goes_to_all_hosts_of_the_provider(url: str, host: str) -> None:
    async with open_client_without_hosts() as (resolver, client):
        assert await catch_error(client.request("GET", url, work_started=True)) == (Reason.PROVIDER_UNAVAILABLE, True)
    assert resolver.names == [host]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/v1/things",
        "//api.example/v1",
        "mailto:x",
        "https://[api",
        "https://u:p@queue.provider.example/x",
        "https://:p@queue.provider.example/x",
    ],
)
async def test_other_urls_are_not_requested(url: str) -> None:
    async with open_client_without_hosts() as (resolver, client):
        assert await catch_error(client.request("GET", url, work_started=True)) == (Reason.GENERATION_FAILED, True)
    assert resolver.names == []


@pytest.mark.parametrize("base_url", ["http://LOCALHOST:{port}/v1", "http://127.0.0.1:0{port}/v1"])
async def test_a_base_url_need_not_be_normalized(base_url: str) -> None:
    async with run_web_host() as host, open_session() as session:
        base = base_url.format(port=host.port)
        client = ProviderHttpClient(session, build_endpoint(base))
        for url in (f"{base}/things", f"{URL(base)}/things"):
            with pytest.raises(RefusedError) as caught:
                await client.request("GET", url, work_started=True)
            assert caught.value.arguments[0] == 404
    assert host.requests == [("GET", "/v1/things")] * 2


@pytest.mark.parametrize(
    ("login", "sent"), [("", True), ("us%40er:pass@", True), ("us%40er:other@", False), ("us%40er@", False)]
)
async def test_a_url_may_have_the_user_and_password_of_the_base_url_only(login: str, sent: bool) -> None:
    async with run_web_host() as host, open_session() as session:
        base = host.url("/v1").replace("://", "://us%40er:pass@")
        client = ProviderHttpClient(session, replace(build_endpoint(base), credentials={"x-key": "KEY"}))
        with pytest.raises(RefusedError if sent else FailedError):
            await client.request("GET", host.url("/v1/things").replace("://", f"://{login}"), work_started=True)
    assert host.requests == ([("GET", "/v1/things")] if sent else [])


async def test_the_key_does_not_follow_a_redirect() -> None:
    async with run_web_host() as host, run_web_host() as other, open_session() as session:
        host.redirect("/v1/things", other.url("/elsewhere"))
        with pytest.raises(RefusedError) as caught:
            await ProviderHttpClient(session, build_endpoint(host.url("/v1"))).request(
                "GET", host.url("/v1/things"), work_started=True
            )
        assert other.requests == []
    assert caught.value.arguments == (302, {}, True)


def test_the_key_is_not_printed() -> None:
    assert "KEY" not in repr(build_endpoint("https://api.example/v1"))

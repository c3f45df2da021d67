"""A running edge with fake services behind it, and clients with tokens."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import grpc
from media.tts.v1 import tts_pb2_grpc

from deploy.local.dev_keys import issue_token
from tests.fakes.edge import Edge, make_edge_settings, run_envoy
from tests.fakes.upstream import Upstreams, run_upstreams

API_KEY = "0123456789abcdef"
CLIENT = "robot"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """Code of the error; checks the form of the body first."""
        assert self.headers["content-type"] == "application/json"
        assert self.body.keys() == {"success", "error"}
        assert self.body["success"] is False
        assert self.body["error"].keys() == {"code", "message", "details", "requestId"}
        assert self.body["error"]["details"] == []
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        """Message of the error."""
        return str(self.body["error"]["message"])


@dataclass(frozen=True, slots=True)
class EdgeHarness:
    """Everything a test of the running edge needs."""

    edge: Edge
    upstreams: Upstreams
    session: aiohttp.ClientSession
    channel: grpc.aio.Channel
    folder: Path

    def build_bearer(self, subject: str = "alice", lifetime_seconds: float = 60, **claims: str) -> dict[str, str]:
        """Return a header with a new token."""
        return {"authorization": f"Bearer {issue_token(self.folder, subject, lifetime_seconds, **claims)}"}

    def make_speech_stub(self) -> tts_pb2_grpc.TextToSpeechServiceAsyncStub:
        """Return a stub of the speech service that calls through the edge."""
        stub: tts_pb2_grpc.TextToSpeechServiceAsyncStub = tts_pb2_grpc.TextToSpeechServiceStub(self.channel)
        return stub

    async def send(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """Send a request, and return the response with its parsed JSON; None for an empty body."""
        async with self.session.request(
            method, f"{self.edge.url}{path}", headers=headers, data=io.BytesIO(body) if body else None
        ) as answer:
            content = await answer.read()
            parsed = await answer.json() if content else None
            return Answer(answer.status, answer.headers, parsed)


@asynccontextmanager
async def run_harness(folder: Path, **changes: Any) -> AsyncIterator[EdgeHarness]:
    """Run an edge with these settings in front of fake services."""
    (folder / "keys").write_text(f"{CLIENT}:{API_KEY}\n")
    async with run_upstreams() as upstreams:
        settings = make_edge_settings(folder, api_keys_file=folder / "keys", **{**upstreams.get_addresses(), **changes})
        async with (
            run_envoy(settings, folder / "edge.log") as edge,
            aiohttp.ClientSession() as session,
            grpc.aio.insecure_channel(edge.target) as channel,
        ):
            yield EdgeHarness(edge, upstreams, session, channel, folder)

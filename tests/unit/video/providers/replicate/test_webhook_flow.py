"""Webhooks wake waiting calls, only trigger a poll, and need a secret."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import MediaError, Reason
from services.common.webhooks import Webhook
from services.video.providers.replicate import ReplicateProvider
from services.video.providers.replicate.provider import wait_for_event
from tests.fakes.replicate import DOWN, HANGS, NOT_FOUND, VIDEO, WEBHOOK_SECRET, FakeReplicate, Run
from tests.unit.video.providers.replicate.rig import (
    CAT,
    assert_golden,
    fetch_video,
    ignore_progress,
    is_charged,
    open_provider,
)

HOOK = "https://me.example/hook"


def make_webhook(replicate: FakeReplicate, prediction_id: str, secret: str = WEBHOOK_SECRET, late: int = 0) -> Webhook:
    headers, body = replicate.webhook(prediction_id, time.time() - late, secret)
    return Webhook(headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"], body)


@asynccontextmanager
async def open_listening_provider(replicate: FakeReplicate) -> AsyncIterator[ReplicateProvider]:
    """Yield a provider that polls rarely, because webhooks wake it."""
    async with open_provider(
        replicate, wait_for_event, first_poll_seconds=50, timeout_seconds=60, webhook_url=HOOK
    ) as provider:
        yield provider


@pytest.fixture
async def listener(replicate: FakeReplicate) -> AsyncIterator[ReplicateProvider]:
    async with open_provider(replicate, webhook_url=HOOK) as opened:
        yield opened


async def assert_denied(provider: ReplicateProvider, webhook: Webhook) -> None:
    with pytest.raises(MediaError) as caught:
        await provider.accept_webhook(webhook)
    assert caught.value.reason is Reason.PERMISSION_DENIED


async def test_a_webhook_ends_the_wait_at_once(replicate: FakeReplicate, tmp_path: Path) -> None:
    replicate.runs.append(Run(("processing",)))
    async with open_listening_provider(replicate) as provider, asyncio.timeout(9):
        task = asyncio.create_task(fetch_video(provider, tmp_path))
        await replicate.until(lambda: len(replicate.requests) == 2)
        replicate.move("p1", "succeeded")
        assert await provider.accept_webhook(make_webhook(replicate, "p1"))
        assert await task == VIDEO


async def test_a_webhook_only_triggers_a_poll(replicate: FakeReplicate, tmp_path: Path) -> None:
    replicate.runs.append(Run(("processing",)))
    async with open_listening_provider(replicate) as provider, asyncio.timeout(9):
        task = asyncio.create_task(fetch_video(provider, tmp_path))
        await replicate.until(lambda: len(replicate.requests) == 2)
        assert await provider.accept_webhook(make_webhook(replicate, "p1"))
        await replicate.until(lambda: replicate.predictions["p1"].polls == 2)
        assert not task.done()
        replicate.move("p1", "failed")
        assert await provider.accept_webhook(make_webhook(replicate, "p1"))
        with pytest.raises(MediaError) as caught:
            await task
    assert caught.value.reason is Reason.GENERATION_FAILED


async def test_a_webhook_without_a_waiting_call_returns_false(
    replicate: FakeReplicate, listener: ReplicateProvider, tmp_path: Path
) -> None:
    await fetch_video(listener, tmp_path)
    assert not await listener.accept_webhook(make_webhook(replicate, "p1"))


async def test_the_secret_is_requested_once(replicate: FakeReplicate, listener: ReplicateProvider) -> None:
    await listener.begin(CAT)
    for _ in range(3):
        await listener.accept_webhook(make_webhook(replicate, "p1"))
    assert_golden(replicate, 1, "webhooks.default.secret")
    assert len(replicate.requests) == 2


async def test_a_configured_secret_is_not_requested(replicate: FakeReplicate) -> None:
    async with open_provider(replicate, webhook_secret=WEBHOOK_SECRET) as provider:
        await provider.begin(CAT)
        await provider.accept_webhook(make_webhook(replicate, "p1"))
    assert len(replicate.requests) == 1


@pytest.mark.parametrize(("secret", "late"), [("whsec_" + "QUJD" * 8, 0), (WEBHOOK_SECRET, 301)])
async def test_a_forged_or_old_webhook_is_denied(
    replicate: FakeReplicate, listener: ReplicateProvider, secret: str, late: int
) -> None:
    await listener.begin(CAT)
    await assert_denied(listener, make_webhook(replicate, "p1", secret, late))


async def test_a_failed_request_for_the_secret_is_repeated(
    replicate: FakeReplicate, listener: ReplicateProvider
) -> None:
    await listener.begin(CAT)
    replicate.failures["secret"].append(DOWN)
    with pytest.raises(MediaError) as caught:
        await listener.accept_webhook(make_webhook(replicate, "p1"))
    assert caught.value.reason is Reason.PROVIDER_UNAVAILABLE
    assert not await listener.accept_webhook(make_webhook(replicate, "p1"))


async def test_a_request_for_the_secret_without_a_response_times_out(replicate: FakeReplicate) -> None:
    replicate.failures["secret"].append(HANGS)
    async with open_provider(replicate, webhook_url=HOOK, answer_seconds=0.2) as provider:
        await provider.begin(CAT)
        with pytest.raises(MediaError) as caught:
            await provider.accept_webhook(make_webhook(replicate, "p1"))
        assert (caught.value.reason, is_charged(caught.value)) == (Reason.PROVIDER_TIMEOUT, False)
        assert not await provider.accept_webhook(make_webhook(replicate, "p1"))


async def test_a_missing_secret_is_not_a_validation_error(
    replicate: FakeReplicate, listener: ReplicateProvider
) -> None:
    await listener.begin(CAT)
    replicate.failures["secret"].append(NOT_FOUND)
    with pytest.raises(MediaError) as caught:
        await listener.accept_webhook(make_webhook(replicate, "p1"))
    assert (caught.value.reason, caught.value.violations) == (Reason.GENERATION_FAILED, ())


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"key": None},
        {"key": 7},
        {"key": ""},
        {"key": "whsec_"},
        {"key": "whsec_QUJD"},
        {"key": "whsec_!"},
        {"key": WEBHOOK_SECRET.removeprefix("whsec_")},
    ],
)
async def test_a_malformed_secret_is_neither_used_nor_cached(
    replicate: FakeReplicate, listener: ReplicateProvider, answer: Any
) -> None:
    await listener.begin(CAT)
    replicate.secret_answer = answer
    for secret in ("whsec_", WEBHOOK_SECRET):
        await assert_denied(listener, make_webhook(replicate, "p1", secret))
    replicate.secret_answer = {"key": WEBHOOK_SECRET}
    assert not await listener.accept_webhook(make_webhook(replicate, "p1"))
    assert [request.path for request in replicate.requests[1:]] == ["/v1/webhooks/default/secret"] * 3


@pytest.mark.parametrize("configured", ["whsec_", "whsec_QUJD", WEBHOOK_SECRET.removeprefix("whsec_")])
async def test_a_malformed_configured_secret_denies_webhooks(replicate: FakeReplicate, configured: str) -> None:
    async with open_provider(replicate, webhook_secret=configured) as provider:
        await provider.begin(CAT)
        for secret in ("whsec_", WEBHOOK_SECRET):
            await assert_denied(provider, make_webhook(replicate, "p1", secret))
    assert len(replicate.requests) == 1


async def test_webhooks_are_denied_without_a_request_if_none_are_expected(
    replicate: FakeReplicate, provider: ReplicateProvider
) -> None:
    await provider.begin(CAT)
    await assert_denied(provider, make_webhook(replicate, "p1"))
    assert len(replicate.requests) == 1


async def test_concurrent_webhooks_request_the_secret_once(
    replicate: FakeReplicate, listener: ReplicateProvider
) -> None:
    await listener.begin(CAT)
    listen_to_end = await asyncio.gather(*(listener.accept_webhook(make_webhook(replicate, "p1")) for _ in range(5)))
    assert listen_to_end == [False] * 5
    assert len(replicate.requests) == 2


@pytest.mark.parametrize("one_leaves", [False, True])
async def test_every_waiting_call_is_woken(replicate: FakeReplicate, tmp_path: Path, one_leaves: bool) -> None:
    replicate.runs.append(Run(("processing",)))
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    async with open_listening_provider(replicate) as provider, asyncio.timeout(9):
        prediction_id = await provider.begin(CAT)
        tasks = [asyncio.create_task(provider.fetch(prediction_id, folder, ignore_progress)) for folder in folders]
        await replicate.until(lambda: replicate.predictions[prediction_id].polls == 3)
        if one_leaves:
            leaver = tasks.pop()
            leaver.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaver
        replicate.move(prediction_id, "succeeded")
        assert await provider.accept_webhook(make_webhook(replicate, prediction_id))
        assert [path.read_bytes() for path in await asyncio.gather(*tasks)] == [VIDEO] * len(tasks)
        assert not await provider.accept_webhook(make_webhook(replicate, prediction_id))

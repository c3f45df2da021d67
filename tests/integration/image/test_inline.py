"""Tests of images that are returned in the response, and not stored."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import pytest
from media.image.v1 import image_pb2
from PIL import Image

from services.common.errors import Reason
from services.image import image_store
from tests.fakes.image_provider import FakeImageProvider
from tests.fakes.object_store import FakeObjectStore
from tests.integration.image.conftest import ImageSuite, catch_error

Output = image_pb2.ImageOutput


async def test_an_inline_image_is_returned_and_not_stored(suite: ImageSuite, store: FakeObjectStore) -> None:
    image = await suite.generate(output=Output(inline=True, format="png"))
    assert (image.key, image.image_url, image.HasField("url_expire_time")) == ("", "", False)
    assert (image.content_type, image.size_bytes) == ("image/png", len(image.data))
    assert image.sha256 == hashlib.sha256(image.data).hexdigest()
    with Image.open(BytesIO(image.data)) as opened:
        assert (opened.format, opened.size) == ("PNG", (image.width, image.height))
    assert store.objects == {}
    listed = await suite.stub.ListImages(image_pb2.ListImagesRequest())
    assert list(listed.images) == []


async def test_a_stored_image_has_no_data_in_the_response(suite: ImageSuite) -> None:
    assert (await suite.generate()).data == b""


async def test_a_file_that_is_too_large_names_what_to_do_and_is_paid_for_once(
    suite: ImageSuite, provider: FakeImageProvider, store: FakeObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_store, "MAX_INLINE_BYTES", 1000)
    error = await catch_error(suite.generate(output=Output(inline=True, format="png")))
    assert error.reason is Reason.OUTPUT_TOO_LARGE
    assert [violation.field for violation in error.violations] == ["output.inline"]
    assert "webp" in error.message
    stored = await suite.generate(output=Output(format="png"))
    assert (stored.from_cache, len(provider.specs), len(store.objects)) == (True, 1, 1)


@pytest.mark.parametrize(
    "output",
    [
        {"object_key": "users/alice/cat.png"},
        {"overwrite": True},
        {"content_addressed": True},
        {"metadata": {"goal": "7"}},
        {"variants": [image_pb2.ImageVariantSpec(name="thumbnail")]},
    ],
    ids=str,
)
async def test_an_inline_image_takes_no_field_of_a_stored_one(
    suite: ImageSuite, provider: FakeImageProvider, output: dict[str, Any]
) -> None:
    error = await catch_error(suite.generate(output=Output(inline=True, **output)))
    assert (error.reason, provider.specs) == (Reason.VALIDATION_ERROR, [])
    assert "inline must not be set together with" in error.message


async def test_an_upload_is_stored(suite: ImageSuite) -> None:
    error = await catch_error(suite.upload(b"", output=Output(inline=True)))
    assert [violation.field for violation in error.violations] == ["output.inline"]

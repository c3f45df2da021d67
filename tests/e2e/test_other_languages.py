"""Tests of clients in other languages, with stubs that `.ci/run` has generated from the contracts."""

from __future__ import annotations

import asyncio
import os
import shutil

import orjson
import pytest

from tests.e2e.conftest import Suite

COMMANDS = {
    language: command
    for language in ("GO", "NODE")
    if (command := os.environ.get(f"MEDIA_TEST_{language}_CLIENT", "").split())
}
"""How to start the client of each language that `.ci/run` could build."""
GRPCURL = shutil.which("grpcurl")
CLIENT_SECONDS = 90.0


async def run_command(*command: str) -> bytes:
    """Run a command to its end and return its output."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(CLIENT_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output
    return output


if COMMANDS:

    @pytest.mark.parametrize("language", COMMANDS)
    async def test_the_client_lists_voices_and_speaks(suite: Suite, language: str) -> None:
        found = orjson.loads(await run_command(*COMMANDS[language], suite.target, suite.token()))
        assert found["voices"] > 0
        assert found["contentType"] == "audio/mpeg"
        assert found["audioBytes"] > 0


if GRPCURL is not None:

    @pytest.mark.parametrize(
        ("symbol", "part"),
        [
            ("media.tts.v1.TextToSpeechService", "rpc SynthesizeStream"),
            ("media.tts.v1.TextToSpeechService.SynthesizeStream", "returns ( stream .media.tts.v1."),
            ("media.image.v1.ImageService.GenerateImage", "rpc GenerateImage"),
            ("media.jobs.v1.JobService.CreateJob", "rpc CreateJob"),
            ("media.jobs.v1.VideoSpec.image_url", "string image_url"),
            ("media.video.v1.MediaSource", "oneof source"),
            ("media.image.v1.ImageQuality", "IMAGE_QUALITY_HIGH"),
        ],
    )
    async def test_grpcurl_describes_services_methods_and_messages(suite: Suite, symbol: str, part: str) -> None:
        assert GRPCURL is not None
        authorization = f"authorization: Bearer {suite.token()}"
        output = await run_command(GRPCURL, "-plaintext", "-H", authorization, suite.target, "describe", symbol)
        assert part in output.decode()

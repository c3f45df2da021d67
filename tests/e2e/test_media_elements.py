"""Tests of a page in Chromium that sends no header: speech in an audio element, the events of a job in EventSource."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.browser import CHROMIUM, run_page
from tests.e2e.conftest import Suite
from tests.e2e.jobs import build_talking_video, create_job, upload_image

PAGE = """<audio id="player" preload="auto"></audio><script type="module">
const [speech, events] = %s;
const found = {events: []};
const player = document.getElementById("player");
const listen = (url) => new Promise((resolve) => {
  for (const name of ["ended", "error"])
    player.addEventListener(name, () => resolve(player.error ? player.error.message : name), {once: true});
  player.src = url;
  player.playbackRate = 16;
  player.play().catch((error) => resolve(String(error)));
});
found.first = await listen(speech);
found.secondsPlayed = player.currentTime;
found.again = await listen(speech + "#again");
found.duration = player.duration;
found.seekable = player.seekable.length ? player.seekable.end(0) : 0;
await new Promise((resolve) => {
  const source = new EventSource(events);
  source.addEventListener("job", (event) => found.events.push([event.type, JSON.parse(event.data).id]));
  source.addEventListener("end", (event) => {
    found.events.push([event.type, JSON.parse(event.data).id]);
  });
  source.addEventListener("error", () => source.readyState === EventSource.CLOSED && resolve());
});
await report(found);
</script>"""


if CHROMIUM is not None:

    @pytest.mark.parametrize("output_format", ["mp3_44100_128", "wav_22050"])
    async def test_a_page_plays_speech_and_watches_a_job_without_a_header(
        suite: Suite, tmp_path: Path, output_format: str
    ) -> None:
        headers = {"Authorization": f"Bearer {suite.token('auth0|page')}"}
        async with aiohttp.ClientSession(suite.url, headers=headers) as http:
            speech: dict[str, Any]
            request = {"text": "A page can play me.", "outputFormat": output_format}
            async with http.post("/api/speech?link=1", json=request) as response:
                speech = await response.json()
            job = await create_job(http, build_talking_video(await upload_image(http)))
        found = await run_page(PAGE % json.dumps([speech["url"], job["eventsUrl"]]), tmp_path)
        assert (found["first"], found["again"]) == ("ended", "ended"), found
        assert found["secondsPlayed"] > 0.5
        # Once the speech is complete, the page knows its length and can seek.
        assert found["duration"] == pytest.approx(found["secondsPlayed"], abs=0.3)
        assert found["seekable"] == pytest.approx(found["duration"], abs=0.1)
        assert found["events"][-1] == ["end", job["id"]]

"""The provider embedded: a camera that moves over the still; needs no key and no network."""

from __future__ import annotations

import uuid
from pathlib import Path

from services.common.errors import MediaError, Reason, invalid
from services.common.worker_pool import WorkerPool
from services.video.camera_motion import choose_motion
from services.video.ffmpeg import FfmpegRunner, Watch
from services.video.ffmpeg.arguments import LABEL, RESULT, SOURCE_IMAGE, moving_source_image
from services.video.progress import Progress, State
from services.video.providers.interface import Tell, VideoProvider, VideoRequest, VideoSpec
from services.video.source_image import scene

PROVIDER = "embedded"
MODEL = "embedded"
_ALMOST = 98.0


class EmbeddedProvider(VideoProvider):
    """Moves a camera over the still, and says on the image who made the video.

    What it has begun lives in this process alone: it costs nothing to begin again.

    Args:
        workers: Where images are opened.
        runner: Runs ffmpeg.
    """

    name = PROVIDER
    max_source_image_bytes = 8 * 1024 * 1024
    outlives_process = False

    def __init__(self, workers: WorkerPool, runner: FfmpegRunner) -> None:
        self._workers = workers
        self._runner = runner
        self._begun: dict[str, VideoSpec] = {}

    def model_for(self, request: VideoRequest) -> str:
        """Return the one model that there is."""
        if request.model:
            raise invalid("model", "must be absent where the provider is embedded, which has one model only")
        if request.model_input:
            raise invalid("model_input", "must be absent where the provider is embedded, which has no further inputs")
        return MODEL

    async def begin(self, spec: VideoSpec) -> str:
        """Take note of the wish."""
        prediction_id = str(uuid.uuid4())
        self._begun[prediction_id] = spec
        return prediction_id

    async def bring(self, prediction_id: str, folder: Path, tell: Tell) -> Path:
        """Make the video."""
        spec = self._begun.pop(prediction_id, None)
        if spec is None:
            raise MediaError(
                Reason.GENERATION_FAILED,
                "Nobody makes this video any more; ask for it again, which costs nothing.",
                metadata={"provider": PROVIDER},
            )
        return await self._render(spec, folder, tell)

    async def cancel(self, prediction_id: str) -> bool:
        """Forget the wish; who makes the video already is cancelled as a task."""
        return self._begun.pop(prediction_id, None) is not None

    async def _render(self, spec: VideoSpec, folder: Path, tell: Tell) -> Path:
        shown = await self._workers.run(scene, spec.source_image, int(spec.request.shorter_side.removesuffix("p")))
        (folder / SOURCE_IMAGE).write_bytes(shown.image)
        (folder / LABEL).write_bytes(shown.label)
        watch = Watch(
            queued=lambda place: tell(Progress(State.QUEUED, queue_position=place)),
            running=lambda percent: tell(Progress(State.RUNNING, min(_ALMOST, percent))),
        )
        command = moving_source_image(choose_motion(spec.request.prompt), float(spec.request.length_seconds))
        await self._runner.run(command, folder, watch)
        return folder / RESULT

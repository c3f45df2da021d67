"""The provider embedded: moves a camera over the source image; needs no key and no network."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path

from services.common.errors import MediaError, Reason, invalid
from services.common.providers.models import ModelInfo
from services.common.worker_pool import WorkerPool
from services.video.camera_motion import choose_motion
from services.video.ffmpeg import FfmpegRunner, RunCallbacks
from services.video.ffmpeg.arguments import LABEL, RESULT, SOURCE_IMAGE, build_camera_command
from services.video.progress import RENDER_CEILING_PERCENT, Progress, State
from services.video.providers.interface import ReportProgress, VideoProvider, VideoRequest, VideoSpec
from services.video.source_image import build_scene

PROVIDER = "embedded"
MODEL = "embedded"


class EmbeddedProvider(VideoProvider):
    """Renders a camera motion over the source image, with a label that names the engine.

    Generations exist only in this process; beginning again is free.

    Args:
        workers: Processes that decode images.
        runner: Runs ffmpeg.
    """

    name = PROVIDER
    max_source_image_bytes = 8 * 1024 * 1024
    outlives_process = False
    models: Mapping[str, ModelInfo] = {MODEL: ModelInfo(MODEL, traits={"seconds_by_resolution": {}})}
    default_model = MODEL

    def __init__(self, workers: WorkerPool, runner: FfmpegRunner) -> None:
        self._workers = workers
        self._runner = runner
        self._specs: dict[str, VideoSpec] = {}

    def choose_model(self, request: VideoRequest) -> str:
        """Return the only model; refuse inputs that it does not have."""
        if request.model:
            raise invalid("model", "must be absent: the provider embedded has only one model")
        if request.model_input:
            raise invalid("model_input", "must be absent: the provider embedded has no further inputs")
        return MODEL

    async def begin(self, spec: VideoSpec) -> str:
        """Remember the spec; the work starts with `fetch`."""
        prediction_id = str(uuid.uuid4())
        self._specs[prediction_id] = spec
        return prediction_id

    async def fetch(self, prediction_id: str, folder: Path, report: ReportProgress) -> Path:
        """Render the video."""
        spec = self._specs.pop(prediction_id, None)
        if spec is None:
            raise MediaError(
                Reason.GENERATION_FAILED,
                "The process that generated this video has ended; send the request again, which costs nothing.",
                metadata={"provider": PROVIDER},
            )
        return await self._render(spec, folder, report)

    async def cancel(self, prediction_id: str) -> bool:
        """Forget the spec; a rendering that has started is cancelled with its task."""
        return self._specs.pop(prediction_id, None) is not None

    async def _render(self, spec: VideoSpec, folder: Path, report: ReportProgress) -> Path:
        scene = await self._workers.run(
            build_scene, spec.source_image, int(spec.request.shorter_side.removesuffix("p"))
        )
        (folder / SOURCE_IMAGE).write_bytes(scene.image)
        (folder / LABEL).write_bytes(scene.label)
        callbacks = RunCallbacks(
            on_queued=lambda position: report(Progress(State.QUEUED, queue_position=position)),
            on_progress=lambda percent: report(Progress(State.RUNNING, min(RENDER_CEILING_PERCENT, percent))),
        )
        command = build_camera_command(choose_motion(spec.request.prompt), float(spec.request.length_seconds))
        await self._runner.run(command, folder, callbacks)
        return folder / RESULT

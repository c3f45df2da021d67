"""Encoding of PCM as MP3, PCM and WAV, checked by reading the result."""

from __future__ import annotations

import math
import wave
from array import array
from io import BytesIO

import pytest

from services.tts.formats import FORMATS, OutputFormat
from services.tts.providers.espeak.encoding import FAMILIES, SOURCE_RATE_HZ, build_encoder
from tests.unit.tts.providers.espeak.mpeg import Mpeg

SECOND = array("h", [int(9000 * math.sin(n * 0.125)) for n in range(SOURCE_RATE_HZ)]).tobytes()


def list_formats(family: str) -> list[OutputFormat]:
    return [item for item in FORMATS.values() if item.family == family]


def encode(output_format: OutputFormat, piece_bytes: int = 4000) -> bytes:
    encoder = build_encoder(output_format)
    pieces = [encoder.encode(SECOND[at : at + piece_bytes]) for at in range(0, len(SECOND), piece_bytes)]
    return b"".join(pieces) + encoder.finish()


@pytest.mark.parametrize("output_format", list_formats("mp3"), ids=lambda item: item.name)
def test_mp3_frames_have_the_requested_rate(output_format: OutputFormat) -> None:
    audio = Mpeg.parse(encode(output_format))

    assert audio.sample_rates_hz == {output_format.sample_rate_hz}
    assert audio.bit_rates_kbps == {output_format.bit_rate_kbps}
    assert audio.channels == {1}
    assert 1.0 <= audio.duration_seconds < 1.0 + 3 * 1152 / output_format.sample_rate_hz


def test_mp3_has_no_tag_frame() -> None:
    head = encode(FORMATS["mp3_44100_128"])[:500]

    assert b"Xing" not in head
    assert b"Info" not in head


def test_mp3_is_encoded_piece_by_piece() -> None:
    encoder = build_encoder(FORMATS["mp3_44100_128"])

    assert encoder.encode(SECOND[:4410])


def test_only_mp3_has_a_lead_in() -> None:
    assert build_encoder(FORMATS["mp3_44100_128"]).lead_in_seconds == pytest.approx(0.0251, abs=0.0001)
    assert build_encoder(FORMATS["mp3_22050_32"]).lead_in_seconds == pytest.approx(0.0501, abs=0.0001)
    assert build_encoder(FORMATS["pcm_16000"]).lead_in_seconds == 0
    assert build_encoder(FORMATS["wav_44100"]).lead_in_seconds == 0


@pytest.mark.parametrize("output_format", list_formats("pcm"), ids=lambda item: item.name)
def test_pcm_keeps_length_and_loudness_at_every_rate(output_format: OutputFormat) -> None:
    samples = array("h", encode(output_format))

    assert len(samples) == pytest.approx(output_format.sample_rate_hz, abs=1)
    middle = samples[len(samples) // 4 : len(samples) // 2]
    assert math.sqrt(sum(value * value for value in middle) / len(middle)) == pytest.approx(
        9000 / math.sqrt(2), rel=0.01
    )


def test_pcm_at_the_rate_of_the_engine_is_unchanged() -> None:
    assert encode(FORMATS["pcm_22050"]) == SECOND


@pytest.mark.parametrize("piece_bytes", [2, 4410, len(SECOND)])
def test_resampling_does_not_depend_on_where_the_audio_is_split(piece_bytes: int) -> None:
    assert encode(FORMATS["pcm_16000"], piece_bytes) == encode(FORMATS["pcm_16000"], 1000)


@pytest.mark.parametrize("output_format", list_formats("wav"), ids=lambda item: item.name)
def test_wav_is_a_whole_file_with_a_correct_header(output_format: OutputFormat) -> None:
    with wave.open(BytesIO(encode(output_format))) as file:
        parameters = file.getparams()
        data = file.readframes(parameters.nframes)

    assert (parameters.nchannels, parameters.sampwidth) == (1, 2)
    assert parameters.framerate == output_format.sample_rate_hz
    assert len(data) == parameters.nframes * 2
    assert data == encode(FORMATS[f"pcm_{output_format.sample_rate_hz}"])


@pytest.mark.parametrize("name", ["ulaw_8000", "alaw_8000", "opus_48000_32"])
def test_a_family_that_is_not_offered_has_no_encoder(name: str) -> None:
    assert FORMATS[name].family not in FAMILIES
    with pytest.raises(ValueError, match=name):
        build_encoder(FORMATS[name])

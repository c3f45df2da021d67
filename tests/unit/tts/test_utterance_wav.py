"""Joining of RIFF files."""

from __future__ import annotations

import pytest

from services.common.errors import MediaError, Reason
from services.tts.utterance import join_wav
from tests.fakes.audio import wav


def test_files_become_one_with_the_samples_of_all() -> None:
    listed = b"LIST" + (4).to_bytes(4, "little") + b"INFO"
    assert join_wav([wav(b"\x01\x00" * 3, 8000), wav(b"\x02\x00" * 2, 8000, listed)]) == wav(
        b"\x01\x00" * 3 + b"\x02\x00" * 2, 8000
    )


def test_a_size_that_a_stream_left_open_means_the_rest() -> None:
    whole = wav(b"\x01\x00" * 4, 8000)
    open_ended = whole[:40] + b"\xff\xff\xff\xff" + whole[44:]
    assert join_wav([open_ended]) == whole


@pytest.mark.parametrize("file", [b"", b"RIFF", b"ID3" + bytes(60), wav(b"", 8000)[:30]])
def test_what_is_no_wav_is_the_providers_failure(file: bytes) -> None:
    with pytest.raises(MediaError) as caught:
        join_wav([file])
    assert caught.value.reason is Reason.GENERATION_FAILED

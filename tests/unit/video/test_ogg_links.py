"""Chained Ogg files: every link is found and heard, whatever its codec."""

from __future__ import annotations

import wave
from itertools import accumulate
from pathlib import Path

import pytest

from services.common.errors import MediaError, Reason
from services.video.ogg_links import decode_links, find_links
from tests.fakes.media import make_speech, run_ffmpeg


def make_link(folder: Path, seconds: float, codec: str, *options: str) -> bytes:
    """Return an Ogg file of one stream."""
    sound, file = folder / "link.wav", folder / "link.ogg"
    sound.write_bytes(make_speech(seconds))
    run_ffmpeg("-i", str(sound), "-c:a", codec, *options, str(file))
    return file.read_bytes()


def write_chain(folder: Path, *links: bytes) -> Path:
    path = folder / "chain.ogg"
    path.write_bytes(b"".join(links))
    return path


@pytest.mark.parametrize("codecs", [["libopus"] * 3, ["libvorbis"] * 3, ["flac", "flac"], ["libopus", "libvorbis"]])
def test_all_links_are_heard(codecs: list[str], tmp_path: Path) -> None:
    links = [make_link(tmp_path, 0.2 * number, codec) for number, codec in enumerate(codecs, 1)]
    path = write_chain(tmp_path, *links)
    begins = find_links(path)
    assert begins == (0, *accumulate(map(len, links[:-1])))
    target = tmp_path / "all.wav"
    assert decode_links(str(path), begins, str(target), 60, "audio") == codecs[0].removeprefix("lib")
    with wave.open(str(target)) as file:
        seconds = file.getnframes() / file.getframerate()
    # Vorbis is not trimmed to the sample.
    assert seconds == pytest.approx(0.2 * sum(range(len(codecs) + 1)), abs=0.03)


def test_links_of_one_and_two_channels_follow_each_other(tmp_path: Path) -> None:
    links = [make_link(tmp_path, 0.5, "libopus", "-ac", "2"), make_link(tmp_path, 0.5, "libopus")]
    target = tmp_path / "all.wav"
    path = write_chain(tmp_path, *links)
    decode_links(str(path), find_links(path), str(target), 60, "audio")
    with wave.open(str(target)) as file:
        assert (file.getnchannels(), file.getnframes()) == (2, 48000)


def test_a_file_of_one_link_is_not_chained(tmp_path: Path) -> None:
    link = make_link(tmp_path, 0.2, "libopus")
    assert find_links(write_chain(tmp_path, link)) == (0,)
    assert find_links(write_chain(tmp_path, link, b"bytes behind the last page")) == (0,)
    video = tmp_path / "video.ogv"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=d=0.2:s=64x64", "-i", str(tmp_path / "link.wav"), str(video))
    assert find_links(video) == (0,)


def test_a_damaged_or_too_long_chain_is_refused(tmp_path: Path) -> None:
    link = make_link(tmp_path, 0.5, "libopus")
    broken = link.replace(b"OpusHead", b"OpusHear")
    for links, seconds in (([broken, broken], 60.0), ([link, link], 0.8)):
        chain = write_chain(tmp_path, *links)
        with pytest.raises(MediaError) as caught:
            decode_links(str(chain), find_links(chain), str(tmp_path / "all.wav"), seconds, "audio")
        assert caught.value.reason is Reason.MEDIA_INVALID
        assert [item.field for item in caught.value.violations] == ["audio"]

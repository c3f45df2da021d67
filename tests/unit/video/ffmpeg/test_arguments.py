"""The arguments of ffmpeg: inputs read only their own file, and durations are explicit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import pytest

from services.video.camera_motion import choose_motion
from services.video.ffmpeg import Command
from services.video.ffmpeg.arguments import (
    BURNED_CAPTIONS,
    CAPTIONS,
    FRAGMENTS,
    RESULT,
    Input,
    MuxArguments,
    build_camera_command,
    build_mux_command,
    build_remux_command,
)
from services.video.ffmpeg.video_filters import EncodedFrames
from services.video.frame_format import FrameFormat

PLAIN = MuxArguments(Input("video.mp4", "mov"), Input("audio.mp3", "mp3"), 6.0, 500)
HLG = FrameFormat(320, 240, "yuv420p10le", "arib-std-b67", "bt2020", "bt2020nc")
FRAMES = EncodedFrames(FrameFormat(321, 241, "yuv420p"), Fraction(24), 144)
ENCODED = replace(PLAIN, encoded=FRAMES)
BURNED = replace(ENCODED, burn_captions=True)
COMMANDS = [
    build_mux_command(PLAIN),
    build_mux_command(replace(PLAIN, fragmented=True)),
    build_mux_command(replace(PLAIN, caption_language="deu")),
    build_mux_command(replace(PLAIN, loops=2, copied_frames=144)),
    build_mux_command(replace(PLAIN, video=Input("video.webm", "matroska"), audio=Input("audio.ogg", "ogg"))),
    build_mux_command(ENCODED),
    build_mux_command(replace(ENCODED, loops=2)),
    build_mux_command(replace(ENCODED, encoded=replace(FRAMES, format=HLG))),
    build_mux_command(BURNED),
    build_mux_command(replace(BURNED, fragmented=True, audio_delay_ms=0)),
    build_remux_command(Input("fragments.mp4", "mov"), 6.0),
    build_camera_command(choose_motion("zoom in"), 6.0),
    build_camera_command(choose_motion("pan left"), 0.01),
]


@dataclass(frozen=True)
class ParsedCommand:
    """A parsed command."""

    inputs: list[tuple[str, dict[str, str]]]
    """Names and options of the inputs."""
    options: dict[str, str]
    """Options of the output."""
    maps: list[str]
    target: str


def parse_command(command: Command) -> ParsedCommand:
    *words, target, overwrite = command.arguments
    assert overwrite == "-y"
    assert len(words) % 2 == 0
    inputs: list[tuple[str, dict[str, str]]] = []
    options: dict[str, str] = {}
    maps: list[str] = []
    for name, value in zip(words[::2], words[1::2], strict=True):
        assert name.startswith("-")
        if name == "-i":
            inputs.append((value, options))
            options = {}
        elif name == "-map":
            maps.append(value)
        else:
            assert name not in options
            options[name] = value
    return ParsedCommand(inputs, options, maps, target)


def get_filter_graph(command: Command) -> str:
    return parse_command(command).options.get("-filter_complex", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_input_names_its_format_and_reads_only_its_own_file(command: Command) -> None:
    inputs = parse_command(command).inputs
    assert inputs
    for name, options in inputs:
        assert "/" not in name
        assert ":" not in name
        assert options["-protocol_whitelist"] == "file"
        formats = options["-format_whitelist"].split(",")
        assert options["-f"] in formats
        # Protocols that lead to other files or addresses.
        assert not {"hls", "concat", "dash", "lavfi", "image2", "sdp", "rtsp", "tedcaptions", "imf"} & set(formats)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_result_has_a_duration_and_never_uses_shortest(command: Command) -> None:
    found = parse_command(command)
    assert "-shortest" not in command.arguments
    assert float(found.options["-t"]) == pytest.approx(command.seconds, abs=1e-6)
    assert all("-t" not in options for _, options in found.inputs)


@pytest.mark.parametrize("command", COMMANDS)
def test_only_video_and_audio_of_an_input_are_used(command: Command) -> None:
    options = parse_command(command).options
    assert (options["-map_metadata"], options["-map_chapters"]) == ("-1", "-1")
    assert parse_command(command).maps


@pytest.mark.parametrize("command", COMMANDS)
def test_every_result_is_an_mp4_in_the_folder_or_a_stream_of_fragments(command: Command) -> None:
    found = parse_command(command)
    assert found.options["-f"] == "mp4"
    assert found.target in (RESULT, FRAGMENTS)
    assert ("faststart" in found.options["-movflags"]) == (found.target == RESULT)


def test_a_plain_mux_copies_the_video_and_encodes_the_audio() -> None:
    found = parse_command(build_mux_command(PLAIN))
    assert [(name, options["-f"]) for name, options in found.inputs] == [("video.mp4", "mov"), ("audio.mp3", "mp3")]
    assert (found.options["-c:v"], found.options["-c:a"], found.options["-t"]) == ("copy", "aac", "6.000000")
    assert found.maps[0] == "0:0"
    assert len(found.maps) == 2
    assert not found.options.keys() & {"-frames:v", "-bsf:v", "-c:s", "-crf", "-pix_fmt"}


@pytest.mark.parametrize(
    ("delay_ms", "delay_samples", "end", "shift"),
    [
        (500, 22_050 - 1024, 6 * 44_100 - 1024, "setts=ts=TS+1024"),
        (24, 1058 - 1024, 6 * 44_100 - 1024, "setts=ts=TS+1024"),
        (23, 1014, 6 * 44_100, None),
        (0, 0, 6 * 44_100, None),
    ],
)
def test_the_speech_is_delayed_and_the_samples_of_the_encoder_are_part_of_the_delay(
    delay_ms: int, delay_samples: int, end: int, shift: str | None
) -> None:
    command = build_mux_command(replace(PLAIN, audio_delay_ms=delay_ms))
    assert f"adelay={delay_samples}S:all=1" in get_filter_graph(command)
    assert f"apad[s3];[s3]atrim=end_sample={end}[" in get_filter_graph(command)
    assert parse_command(command).options.get("-bsf:a") == shift


def test_an_encoded_video_has_even_sides() -> None:
    found = parse_command(build_mux_command(ENCODED))
    assert (found.options["-c:v"], found.options["-pix_fmt"]) == ("libx264", "yuv420p")
    assert "scale=" in get_filter_graph(build_mux_command(ENCODED))
    assert "scale=" not in get_filter_graph(build_mux_command(PLAIN))
    assert found.maps[0] != "0:0"


def test_an_encoded_video_has_the_planned_frames_whatever_the_input_has() -> None:
    graph = get_filter_graph(build_mux_command(ENCODED))
    steps = ("scale=320:240", "setsar=1", "setpts=PTS-STARTPTS", "fps=24:start_time=0", "tpad=", "trim=end_frame=144")
    places = [graph.index(step) for step in steps]
    assert places == sorted(places)
    assert "stop=-1" in graph
    assert "stop_mode=clone" in graph
    assert "tpad" not in get_filter_graph(build_mux_command(PLAIN))
    assert parse_command(build_mux_command(ENCODED)).options["-fps_mode"] == "passthrough"


@pytest.mark.parametrize(("shown", "sides"), [((1, 1), (2, 2)), ((2, 3), (2, 2)), ((427, 180), (426, 180))])
def test_the_sides_of_an_encoded_video_are_even(shown: tuple[int, int], sides: tuple[int, int]) -> None:
    frames = replace(FRAMES, format=FrameFormat(*shown))
    assert (frames.width, frames.height) == sides


def test_hdr_is_mapped_to_the_colors_of_sdr_and_sdr_is_not_changed() -> None:
    graph = get_filter_graph(build_mux_command(replace(ENCODED, encoded=replace(FRAMES, format=HLG))))
    assert graph.index("transferin=arib-std-b67") < graph.index("tonemap=") < graph.index("transfer=709")
    wide = FrameFormat(320, 240, "yuv420p", "", "bt2020", "bt2020nc")
    graph = get_filter_graph(build_mux_command(replace(ENCODED, encoded=replace(FRAMES, format=wide))))
    assert "primariesin=bt2020" in graph
    assert "tonemap" not in graph
    assert "zscale" not in get_filter_graph(build_mux_command(ENCODED))


def test_interlaced_frames_become_whole() -> None:
    interlaced = replace(FRAMES, format=replace(FRAMES.format, is_interlaced=True))
    assert "bwdif=" in get_filter_graph(build_mux_command(replace(ENCODED, encoded=interlaced)))
    assert "bwdif=" not in get_filter_graph(build_mux_command(ENCODED))


def test_the_named_streams_of_the_files_are_used() -> None:
    video, audio = replace(PLAIN.video, stream_index=2), replace(PLAIN.audio, stream_index=1)
    command = build_mux_command(replace(PLAIN, video=video, audio=audio))
    assert parse_command(command).maps[0] == "0:2"
    assert get_filter_graph(command).startswith("[1:1]")


def test_a_copy_has_the_requested_name_of_its_codec() -> None:
    assert parse_command(build_mux_command(replace(PLAIN, copied_tag="hvc1"))).options["-tag:v"] == "hvc1"
    assert "-tag:v" not in parse_command(build_mux_command(PLAIN)).options


def test_speech_starts_with_its_first_sample_and_gaps_are_silence() -> None:
    graph = get_filter_graph(build_mux_command(PLAIN))
    places = [graph.index(step) for step in ("asetpts=PTS-STARTPTS", "aresample=44100:async=1", "adelay=", "apad")]
    assert places == sorted(places)


def test_a_loop_repeats_the_input_and_ends_by_frame_count() -> None:
    found = parse_command(build_mux_command(replace(PLAIN, loops=2, copied_frames=144)))
    assert [options.get("-stream_loop") for _, options in found.inputs] == ["2", None]
    assert found.options["-bsf:v"] == r"noise=drop=gte(n\,144)"
    # That would also end the audio.
    assert "-frames:v" not in found.options
    assert all("-stream_loop" not in options for _, options in parse_command(build_mux_command(PLAIN)).inputs)


def test_an_encoded_loop_repeats_until_it_has_its_frames() -> None:
    found = parse_command(build_mux_command(replace(ENCODED, loops=2, copied_frames=144)))
    assert found.inputs[0][1]["-stream_loop"] == "-1"
    assert "-bsf:v" not in found.options


def test_late_streams_are_used_from_their_own_beginning() -> None:
    video, audio = replace(PLAIN.video, start_seconds=1.5), replace(PLAIN.audio, start_seconds=0.25)
    inputs = parse_command(build_mux_command(replace(PLAIN, video=video, audio=audio))).inputs
    assert [options["-itsoffset"] for _, options in inputs] == ["-1.500000", "-0.250000"]
    assert all("-itsoffset" not in options for _, options in parse_command(build_mux_command(PLAIN)).inputs)


def test_a_caption_track_is_a_third_stream_with_a_language() -> None:
    found = parse_command(build_mux_command(replace(PLAIN, caption_language="deu")))
    assert [(name, options["-f"]) for name, options in found.inputs][2:] == [(CAPTIONS, "srt")]
    assert found.maps[2] == "2:s:0"
    assert (found.options["-c:s"], found.options["-metadata:s:s:0"]) == ("mov_text", "language=deu")
    assert found.options["-c:v"] == "copy"
    assert "subtitles" not in get_filter_graph(build_mux_command(replace(PLAIN, caption_language="deu")))


def test_burned_captions_are_drawn_and_add_no_stream() -> None:
    found = parse_command(build_mux_command(BURNED))
    assert f"subtitles={BURNED_CAPTIONS}:fontsdir=fonts" in get_filter_graph(build_mux_command(BURNED))
    assert (len(found.inputs), len(found.maps), found.options["-c:v"]) == (2, 2, "libx264")
    assert "-c:s" not in found.options


def test_captions_are_also_burned_on_repeated_frames() -> None:
    found = get_filter_graph(build_mux_command(BURNED))
    assert found.index("scale") < found.index("tpad") < found.index("subtitles")


def test_fragments_go_to_the_standard_output_and_play_from_the_first() -> None:
    found = parse_command(build_mux_command(replace(PLAIN, fragmented=True)))
    assert found.target == "pipe:1"
    assert {"frag_keyframe", "delay_moov", "default_base_moof"} <= set(found.options["-movflags"].split("+"))
    assert found.options["-frag_duration"] == "500000"


def test_fragments_become_a_whole_video_by_copying_every_stream() -> None:
    found = parse_command(build_remux_command(Input("fragments.mp4", "mov"), 6.0))
    assert (found.options["-c"], found.maps, found.target) == ("copy", ["0:v", "0:a", "0:s?"], RESULT)
    assert "-filter_complex" not in found.options


@pytest.mark.parametrize(("seconds", "length"), [(6.0, "6.000000"), (6.01, "6.000000"), (0.01, "0.083333")])
def test_a_camera_video_has_whole_frames_and_at_least_two(seconds: float, length: str) -> None:
    command = build_camera_command(choose_motion("zoom in"), seconds)
    assert parse_command(command).options["-t"] == length
    assert command.seconds == pytest.approx(float(length), abs=1e-6)


def test_a_camera_video_shows_its_label_and_has_no_audio() -> None:
    command = build_camera_command(choose_motion("zoom in"), 6.0)
    found = parse_command(command)
    assert [(name, options["-f"]) for name, options in found.inputs] == [
        ("still.png", "png_pipe"),
        ("label.png", "png_pipe"),
    ]
    # At the top, where no caption is.
    assert "overlay=eof_action=repeat:x=16:y=16" in get_filter_graph(command)
    assert (len(found.maps), found.options["-r"], found.options["-c:v"]) == (1, "24", "libx264")
    assert "-c:a" not in found.options

"""Camera motion: follows the prompt, and stays inside the image."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.video.camera_motion import Motion, View, choose_motion

WIDTH, HEIGHT = 1280, 720
LEFT, RIGHT, TOP, BOTTOM = (0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0)
PROMPTS = st.one_of(
    st.text(), st.sampled_from(("zoom out", "zoom in", "pan left", "pan right", "tilt up", "tilt down"))
)


def get_position(view: View) -> tuple[float, float]:
    return view.x, view.y


def compute_corners(motion: Motion, frame: int, frames: int) -> dict[str, float]:
    """Evaluate the expressions as ffmpeg does."""
    names = {"on": frame, "W": WIDTH, "H": HEIGHT, "min": min, "__builtins__": {}}
    expressions = motion.build_corners(frames)
    return {name: eval(text, names) for name, text in expressions.items()}  # noqa: S307 - the expressions are ours


def compute_visible_part(motion: Motion, frame: int, frames: int = 144) -> tuple[float, float, float, float]:
    """Return left, top, width and height of the visible part; fail if it is not a rectangle."""
    found = compute_corners(motion, frame, frames)
    left, top, right, bottom = found["x0"], found["y0"], found["x3"], found["y3"]
    assert (found["x1"], found["y1"], found["x2"], found["y2"]) == (right, top, left, bottom)
    return left, top, right - left, bottom - top


@pytest.mark.parametrize("prompt", ["Zoom out slowly", "the camera PULLS BACK? no: pull back", "a reveal of the city"])
def test_words_of_distance_zoom_out(prompt: str) -> None:
    motion = choose_motion(prompt)
    assert motion.start.zoom > motion.end.zoom == 1.0


@pytest.mark.parametrize("prompt", ["zoom", "zoom in on her", "come closer", "he begins to TALK", "she will say hello"])
def test_words_of_nearness_and_speech_zoom_in(prompt: str) -> None:
    motion = choose_motion(prompt)
    assert motion.end.zoom > motion.start.zoom == 1.0


@pytest.mark.parametrize(
    ("prompt", "start", "end"),
    [
        ("pan left", RIGHT, LEFT),
        ("the camera turns to the left", RIGHT, LEFT),
        ("pan right", LEFT, RIGHT),
        ("children run", LEFT, RIGHT),
        ("tilt up", BOTTOM, TOP),
        ("birds fly", BOTTOM, TOP),
        ("tilt down", TOP, BOTTOM),
        ("leaves fall", TOP, BOTTOM),
    ],
)
def test_words_of_direction_move_that_way(prompt: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    motion = choose_motion(prompt)
    assert (get_position(motion.start), get_position(motion.end)) == (start, end)
    assert motion.start.zoom == motion.end.zoom > 1.0


@pytest.mark.parametrize(
    ("word", "within"),
    [
        ("fly", "butterfly"),
        ("rise", "enterprise"),
        ("run", "prune"),
        ("fall", "waterfall"),
        ("say", "essay"),
        ("pan right", "japan right"),
    ],
)
def test_a_word_within_another_does_not_move_the_camera(word: str, within: str) -> None:
    same = {choose_motion(f"{within} {number}") == choose_motion(f"{word} {number}") for number in range(40)}
    assert same == {True, False}


@pytest.mark.parametrize(("prompt", "like"), [("flying", "fly"), ("he walks", "walk"), ('"run!"', "run")])
def test_a_word_may_have_an_ending_and_marks_around_it(prompt: str, like: str) -> None:
    assert choose_motion(prompt) == choose_motion(like)


@given(PROMPTS)
def test_equal_prompts_have_equal_motions(prompt: str) -> None:
    motion = choose_motion(prompt)
    assert motion == choose_motion(prompt)
    assert motion.start != motion.end


def test_prompts_without_such_words_do_not_all_move_the_same_way() -> None:
    assert len({choose_motion(f"a cat, number {number}") for number in range(40)}) > 3


@given(PROMPTS, st.integers(0, 200), st.integers(2, 150))
def test_the_visible_part_stays_inside_the_image(prompt: str, frame: int, frames: int) -> None:
    left, top, width, height = compute_visible_part(choose_motion(prompt), frame, frames)
    assert -1e-6 <= left <= left + width <= WIDTH + 1e-6
    assert -1e-6 <= top <= top + height <= HEIGHT + 1e-6
    assert width / height == pytest.approx(WIDTH / HEIGHT)
    assert width >= WIDTH / 1.2


def test_a_motion_ends_at_its_end_view_and_stays_there() -> None:
    motion = choose_motion("zoom in")
    assert compute_visible_part(motion, 0) == (0, 0, WIDTH, HEIGHT)
    left, top, width, height = compute_visible_part(motion, 143)
    assert (width, height) == pytest.approx((WIDTH / 1.18, HEIGHT / 1.18))
    assert (left, top) == pytest.approx(((WIDTH - width) / 2, (HEIGHT - height) / 2))
    assert compute_visible_part(motion, 500) == (left, top, width, height)


def test_a_motion_eases_in_and_out_and_never_reverses() -> None:
    lefts = [compute_visible_part(choose_motion("pan right"), frame, 25)[0] for frame in range(25)]
    steps = [after - before for before, after in pairwise(lefts)]
    assert min(steps) > 0
    assert steps[0] == pytest.approx(steps[-1])
    assert steps[0] < steps[12] / 5

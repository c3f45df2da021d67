"""`python -m tools.image_install`: check that the packages of the image install as the Dockerfile installs them.

For each platform of the image, pip resolves requirements.lock into an empty folder, with the options that the
Dockerfile gives to pip, for the Python of its base image. Nothing is installed; pip downloads the
packages to compare the hashes.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[1]
MACHINES = ("x86_64", "aarch64")
# The oldest wheel tag in use, and the C library of Debian 13, which the base image consists of.
_OLDEST_GLIBC, _IMAGE_GLIBC = 5, 41
_NAMED_TAGS = ("manylinux1", "manylinux2010", "manylinux2014")


@dataclass(frozen=True, slots=True)
class ImagePackages:
    """What the Dockerfile says about packages."""

    python: str
    """Version of Python in the base image, such as 3.13."""
    options: tuple[str, ...]
    """Options of `pip install`, without the place to install to and without the requirements."""
    requirements: str
    """Name of the file of requirements."""


def read_dockerfile(text: str) -> ImagePackages:
    """Return what a Dockerfile says about packages.

    Raises:
        ValueError: It does not install packages with exactly one `pip install` on the base image python:X.Y.
    """
    pythons = set(re.findall(r"^FROM python:(\d+\.\d+)", text, flags=re.MULTILINE))
    commands = [words for words in _list_commands(text) if "pip" in words and "install" in words]
    if len(pythons) != 1 or len(commands) != 1:
        raise ValueError("the Dockerfile must have one version of Python and one pip install")
    (words,) = commands
    options = words[words.index("install") + 1 :]
    place = options.index("--requirement")
    return ImagePackages(pythons.pop(), (*options[:place], *options[place + 2 :]), Path(options[place + 1]).name)


def select_requirements(lock: str, python: str, machine: str) -> str:
    """Return the requirements of a lock file that apply to one platform, with their hashes and without markers.

    pip itself evaluates markers for the interpreter that runs it, whatever platform it resolves for.
    """
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": machine,
        "sys_platform": "linux",
        "os_name": "posix",
        "platform_system": "Linux",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return "".join(_select_entries(lock, environment))


def list_platform_tags(machine: str) -> list[str]:
    """Return the tags of wheels that run in the image on `machine`."""
    numbered = [f"manylinux_2_{minor}" for minor in range(_OLDEST_GLIBC, _IMAGE_GLIBC + 1)]
    return [f"{tag}_{machine}" for tag in (*numbered, *_NAMED_TAGS)]


def resolve(packages: ImagePackages, machine: str) -> None:
    """Resolve the packages for `machine`.

    Raises:
        subprocess.CalledProcessError: pip would not install them; it has printed why.
    """
    lock = (ROOT / packages.requirements).read_text()
    tags = [word for tag in list_platform_tags(machine) for word in ("--platform", tag)]
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, packages.requirements)
        requirements.write_text(select_requirements(lock, packages.python, machine))
        # pip compares Requires-Python with the interpreter that runs it; the tags of the wheels say the same.
        target = ["--dry-run", "--ignore-requires-python", "--target", f"{folder}/empty"]
        target += ["--python-version", packages.python]
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", *packages.options, *target, *tags, "-r", requirements],
            check=True,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Resolve the packages for every platform; return 1 if pip refuses one."""
    argparse.ArgumentParser(prog="python -m tools.image_install", description=__doc__).parse_args(arguments)
    packages = read_dockerfile((ROOT / "Dockerfile").read_text())
    for machine in MACHINES:
        try:
            resolve(packages, machine)
        except subprocess.CalledProcessError:
            print(f"{packages.requirements} cannot be installed as the Dockerfile installs it, on {machine}")
            return 1
        print(f"{packages.requirements} can be installed on {machine}: pip install {shlex.join(packages.options)}")
    return 0


def _list_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command of the RUN instructions."""
    joined = re.sub(r"\\\n", " ", text)
    for line in re.findall(r"^RUN (.+)$", joined, flags=re.MULTILINE):
        for command in line.split("&&"):
            yield shlex.split(command)


def _select_entries(lock: str, environment: Mapping[str, str]) -> Iterator[str]:
    # An entry begins in the first column; lines of hashes and comments are indented.
    for entry in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        head, end, rest = entry.partition("\n")
        requirement, _, marker = head.removesuffix("\\").partition(";")
        if requirement.strip() and (not marker.strip() or Marker(marker).evaluate(dict(environment))):
            yield f"{requirement.strip()} \\{end}{rest}"


if __name__ == "__main__":
    sys.exit(main())

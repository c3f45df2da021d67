"""Turns the .proto files into the committed stubs, and checks them: `python protos/contracts.py --help`."""

from __future__ import annotations

import argparse
import filecmp
import io
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

import google.api.annotations_pb2
import grpc_tools.protoc
from google.protobuf import descriptor_pb2
from protovalidate import ViolationPb

PROTOS = Path(__file__).resolve().parent
GENERATED = PROTOS / "gen"
SCRIPTS = Path(sysconfig.get_path("scripts"))
# The imports live in installed packages, so that nothing foreign is kept here and versions follow the lock.
GOOGLE_API = Path(google.api.annotations_pb2.__file__).parents[2]
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
VALIDATE = "buf/validate/validate.proto"


def main() -> int:
    """Run one command and returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("generate", help="write protos/gen again from the .proto files")
    commands.add_parser("drift", help="fail if protos/gen is not what the .proto files give")
    commands.add_parser("lint", help="check style and comments with buf (STANDARD and COMMENTS)")
    breaking = commands.add_parser("breaking", help="fail if a change breaks the contracts of another revision")
    breaking.add_argument(
        "--against",
        metavar="REVISION",
        help="git revision to compare with (default: main; on main also the one before)",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        match arguments.command:
            case "generate":
                shutil.rmtree(GENERATED, ignore_errors=True)
                return generate(PROTOS, GENERATED)
            case "drift":
                return drift(Path(scratch))
            case "lint":
                return lint(Path(scratch))
            case _:
                revisions = [arguments.against] if arguments.against else published()
                return max(breaking_against(revision, Path(scratch)) for revision in revisions)


def sources(root: Path) -> list[str]:
    """Return our .proto files below `root`, as import paths in a stable order."""
    return sorted(str(path.relative_to(root)) for path in (root / "media").rglob("*.proto"))


def protoc(root: Path, files: list[str], *outputs: str) -> int:
    """Run the compiler over `files` and returns its exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        validate = Path(scratch) / "validate.binpb"
        validate.write_bytes(validate_descriptors())
        return int(
            grpc_tools.protoc.main(
                [
                    "protoc",
                    f"--descriptor_set_in={validate}",
                    *(f"-I{path}" for path in (root, GOOGLE_API, WELL_KNOWN)),
                    *outputs,
                    *files,
                ]
            )
        )


def validate_descriptors() -> bytes:
    """Return a FileDescriptorSet of protovalidate's rules, as the installed validator understands them."""
    descriptors = descriptor_pb2.FileDescriptorSet()
    descriptors.file.add().ParseFromString(ViolationPb.desc().file.proto.to_binary())
    return descriptors.SerializeToString()


def generate(root: Path, target: Path) -> int:
    """Write stubs, type information and descriptors for the contracts below `root` into `target`."""
    target.mkdir(parents=True, exist_ok=True)
    plugin = f"--plugin=protoc-gen-mypy_grpc={SCRIPTS / 'protoc-gen-mypy_grpc'}"
    messages = (f"--python_out={target}", f"--pyi_out={target}")
    files = sources(root)
    with_services = [name for name in files if "\nservice " in (root / name).read_text()]
    image = target / "media" / "descriptors.pb"
    image.parent.mkdir(exist_ok=True)
    failed = (
        protoc(root, [VALIDATE], *messages)
        or protoc(root, files, *messages)
        or protoc(root, with_services, plugin, f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}")
        or build_image(root, image)
    )
    if failed:
        return failed
    for folder in {path.parent for path in (target / "media").rglob("*_pb2.py")}:
        for package in (folder, *folder.relative_to(target).parents):
            if package != Path():
                (target / package / "__init__.py").write_text('"""Generated stubs of the media contracts."""\n')
    (target / "media" / "py.typed").touch()
    keep_own_comments(image)
    return 0


def build_image(root: Path, image: Path) -> int:
    """Write all descriptors below `root`, imports and comments included, to the file `image`."""
    return protoc(root, sources(root), "--include_imports", "--include_source_info", f"--descriptor_set_out={image}")


def keep_own_comments(image: Path) -> None:
    """Drop the comments of imported files, which are most of the image and of no use to a reader of ours."""
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
    for file in descriptors.file:
        if not file.name.startswith("media/"):
            file.ClearField("source_code_info")
    image.write_bytes(descriptors.SerializeToString(deterministic=True))


def drift(scratch: Path) -> int:
    """Compare the committed stubs with fresh ones; prints what differs."""
    if failed := generate(PROTOS, scratch):
        return failed
    differing = sorted(compare(filecmp.dircmp(GENERATED, scratch, ignore=["__pycache__"]), Path("protos/gen")))
    for path in differing:
        print(f"{path} is not what the .proto files give")  # noqa: T201 - a check talks to a person
    if differing:
        print("Run `make protos` and commit the result.")  # noqa: T201 - a check talks to a person
    return int(bool(differing))


def compare(pair: filecmp.dircmp[str], prefix: Path) -> list[Path]:
    """Return every path below `prefix` that only one side has, or that differs in content."""
    _, differing, unreadable = filecmp.cmpfiles(pair.left, pair.right, pair.common_files, shallow=False)
    found = [prefix / name for name in (*pair.left_only, *pair.right_only, *differing, *unreadable)]
    for name, below in pair.subdirs.items():
        found += compare(below, prefix / name)
    return found


def lint(scratch: Path) -> int:
    """Check style and comments of our own files."""
    image = scratch / "image.binpb"
    return build_image(PROTOS, image) or buf("lint", str(image), "--path", "media")


def breaking_against(revision: str, scratch: Path) -> int:
    """Fail if the contracts here break a client that was built from `revision`."""
    if git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").returncode != 0:
        unborn = git("rev-parse", "--verify", "--quiet", "HEAD").returncode != 0
        print("Nothing is committed yet: nothing can break." if unborn else f"There is no revision {revision}.")  # noqa: T201 - a check talks to a person
        return int(not unborn)
    archive = git("archive", revision, "protos")
    if archive.returncode != 0:
        print(f"No contracts in {revision} yet: nothing can break.")  # noqa: T201 - a check talks to a person
        return 0
    before, now, old = scratch / revision, scratch / "now.binpb", scratch / "before.binpb"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as contents:
        contents.extractall(before, filter="data")
    return (
        build_image(PROTOS, now)
        or build_image(before / "protos", old)
        or buf("breaking", str(now), "--against", str(old), "--path", "media")
    )


def published() -> list[str]:
    """Return the revisions that clients may have been built from: main, and on main itself also what it was before."""
    on_main = git("rev-parse", "--verify", "--quiet", "main").stdout == git("rev-parse", "HEAD").stdout
    has_parent = git("rev-parse", "--verify", "--quiet", "main~1").returncode == 0
    return ["main", "main~1"] if on_main and has_parent else ["main"]


def git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run git in the checkout and returns how it went."""
    return subprocess.run(  # noqa: S603 - arguments are words, no shell reads them
        ["git", *arguments],  # noqa: S607 - git comes from the PATH, like make
        cwd=PROTOS.parent,
        capture_output=True,
        check=False,
    )


def buf(*arguments: str) -> int:
    """Run the buf command from this environment with our rules and returns its exit code."""
    command = [str(SCRIPTS / "buf"), *arguments, "--config", str(PROTOS / "buf.yaml")]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - arguments are ours


if __name__ == "__main__":
    sys.exit(main())

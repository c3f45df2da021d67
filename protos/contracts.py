"""Generate the committed stubs from the .proto files, and check both: `python protos/contracts.py --help`."""

from __future__ import annotations

import argparse
import filecmp
import io
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

import grpc_tools.protoc
from google.protobuf import descriptor_pb2

PROTOS = Path(__file__).resolve().parent
GENERATED = PROTOS / "gen"
SCRIPTS = Path(sysconfig.get_path("scripts"))
IMPORTED = PROTOS / "third_party"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"
PLUGIN = "from mypy_protobuf.main import grpc; grpc()"
VALIDATE = "buf/validate/validate.proto"


def main() -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("generate", help="generate protos/gen from the .proto files")
    commands.add_parser("drift", help="fail if protos/gen differs from what the .proto files generate")
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
                return check_drift(Path(scratch))
            case "lint":
                return check_style(Path(scratch))
            case _:
                revisions = [arguments.against] if arguments.against else list_published_revisions()
                return max(check_breaking(revision, Path(scratch)) for revision in revisions)


def list_sources(root: Path) -> list[str]:
    """Return our .proto files below `root`, as import paths in a stable order."""
    return sorted(str(path.relative_to(root)) for path in (root / "media").rglob("*.proto"))


def run_protoc(root: Path, files: list[str], *outputs: str) -> int:
    """Run the compiler over `files` and return its exit code."""
    paths = (f"-I{path}" for path in (root, IMPORTED, WELL_KNOWN))
    return int(grpc_tools.protoc.main(["protoc", *paths, *outputs, *files]))


def generate_service_stubs(root: Path, files: list[str], target: Path) -> int:
    """Write the stubs of services and their type information.

    protoc runs the plugin through a script of its own: the first line of the installed script holds the path of the
    environment, which a shell reads if the path has a space, whatever other signs it has.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "protoc-gen-mypy_grpc")
        script.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(PLUGIN)}\n")
        script.chmod(0o700)
        plugin = f"--plugin=protoc-gen-mypy_grpc={script}"
        return run_protoc(root, files, plugin, f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}")


def generate(root: Path, target: Path) -> int:
    """Write stubs, type information and descriptors for the contracts below `root` into `target`."""
    target.mkdir(parents=True, exist_ok=True)
    messages = (f"--python_out={target}", f"--pyi_out={target}")
    files = list_sources(root)
    with_services = [name for name in files if "\nservice " in (root / name).read_text()]
    image = target / "media" / "descriptors.pb"
    image.parent.mkdir(exist_ok=True)
    failed = (
        run_protoc(root, [VALIDATE], *messages)
        or run_protoc(root, files, *messages)
        or generate_service_stubs(root, with_services, target)
        or build_image(root, image)
    )
    if failed:
        return failed
    for folder in {path.parent for path in (target / "media").rglob("*_pb2.py")}:
        for package in (folder, *folder.relative_to(target).parents):
            if package != Path():
                (target / package / "__init__.py").write_text('"""Generated stubs of the media contracts."""\n')
    (target / "media" / "py.typed").touch()
    drop_foreign_comments(image)
    return 0


def build_image(root: Path, image: Path) -> int:
    """Write all descriptors below `root`, imports and comments included, to the file `image`."""
    return run_protoc(
        root, list_sources(root), "--include_imports", "--include_source_info", f"--descriptor_set_out={image}"
    )


def drop_foreign_comments(image: Path) -> None:
    """Drop the comments of imported files: they are most of the image, and no reader of our contracts needs them."""
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
    for file in descriptors.file:
        if not file.name.startswith("media/"):
            file.ClearField("source_code_info")
    image.write_bytes(descriptors.SerializeToString(deterministic=True))


def check_drift(scratch: Path) -> int:
    """Compare the committed stubs with newly generated ones, and print the differences."""
    if failed := generate(PROTOS, scratch):
        return failed
    differing = sorted(find_differences(filecmp.dircmp(GENERATED, scratch, ignore=["__pycache__"]), Path("protos/gen")))
    for path in differing:
        print(f"{path} differs from what the .proto files generate")  # noqa: T201 - a check prints its result
    if differing:
        print("Run `make protos` and commit the result.")  # noqa: T201 - a check prints its result
    return int(bool(differing))


def find_differences(pair: filecmp.dircmp[str], prefix: Path) -> list[Path]:
    """Return every path below `prefix` that only one side has, or that differs in content."""
    _, differing, unreadable = filecmp.cmpfiles(pair.left, pair.right, pair.common_files, shallow=False)
    found = [prefix / name for name in (*pair.left_only, *pair.right_only, *differing, *unreadable)]
    for name, below in pair.subdirs.items():
        found += find_differences(below, prefix / name)
    return found


def check_style(scratch: Path) -> int:
    """Check style and comments of our own files."""
    image = scratch / "image.binpb"
    return build_image(PROTOS, image) or run_buf("lint", str(image), "--path", "media")


def check_breaking(revision: str, scratch: Path) -> int:
    """Fail if the contracts here break a client that was built from `revision`."""
    if run_git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").returncode != 0:
        unborn = run_git("rev-parse", "--verify", "--quiet", "HEAD").returncode != 0
        print("Nothing is committed yet: nothing can break." if unborn else f"There is no revision {revision}.")  # noqa: T201 - a check prints its result
        return int(not unborn)
    archive = run_git("archive", revision, "protos")
    if archive.returncode != 0:
        print(f"No contracts in {revision} yet: nothing can break.")  # noqa: T201 - a check prints its result
        return 0
    before, now, old = scratch / revision, scratch / "now.binpb", scratch / "before.binpb"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as contents:
        contents.extractall(before, filter="data")
    return (
        build_image(PROTOS, now)
        or build_image(before / "protos", old)
        or run_buf("breaking", str(now), "--against", str(old), "--path", "media")
    )


def list_published_revisions() -> list[str]:
    """Return the revisions from which clients may have been built: main, and on main also the commit before."""
    on_main = run_git("rev-parse", "--verify", "--quiet", "main").stdout == run_git("rev-parse", "HEAD").stdout
    has_parent = run_git("rev-parse", "--verify", "--quiet", "main~1").returncode == 0
    return ["main", "main~1"] if on_main and has_parent else ["main"]


def run_git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run git in the checkout and return the result."""
    return subprocess.run(  # noqa: S603 - arguments are words, no shell reads them
        ["git", *arguments],  # noqa: S607 - git comes from the PATH, like make
        cwd=PROTOS.parent,
        capture_output=True,
        check=False,
    )


def run_buf(*arguments: str) -> int:
    """Run the buf command of this environment with our rules and return its exit code."""
    command = [str(SCRIPTS / "buf"), *arguments, "--config", str(PROTOS / "buf.yaml")]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - arguments are ours


if __name__ == "__main__":
    sys.exit(main())

"""The import rules of pyproject.toml fail on forbidden imports."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = (
    *("services", "services/common", "services/image", "services/jobs", "services/tts", "services/video"),
    *("gateway", "deploy", "examples"),
)


def check_imports(tree: Path, modules: dict[str, str]) -> tuple[int, str]:
    """Run the project's import rules over a tree of empty packages with these modules in it."""
    for package in PACKAGES:
        (tree / package).mkdir(parents=True, exist_ok=True)
        (tree / package / "__init__.py").touch()
    for path, source in modules.items():
        (tree / path).write_text(source)
    shutil.copy(ROOT / "pyproject.toml", tree)
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--no-cache"]
    run = subprocess.run(command, cwd=tree, capture_output=True, text=True, env={"PYTHONPATH": str(tree)}, check=False)
    return run.returncode, run.stdout + run.stderr


def test_a_tree_without_forbidden_imports_passes(tmp_path: Path) -> None:
    code, output = check_imports(tmp_path, {"services/tts/a.py": "import services.common\n"})
    assert (code, "4 kept, 0 broken" in output) == (0, True)


@pytest.mark.parametrize(
    ("rule", "modules"),
    [
        (
            "No circles of imports",
            {"services/tts/a.py": "import services.tts.b\n", "services/tts/b.py": "import services.tts.a\n"},
        ),
        ("Services never import each other", {"services/tts/a.py": "import services.image\n"}),
        ("What services share imports no service", {"services/common/a.py": "import services.tts\n"}),
        ("The gateway speaks to services through their stubs only", {"gateway/a.py": "import services.jobs\n"}),
    ],
)
def test_a_forbidden_import_breaks_its_rule(tmp_path: Path, rule: str, modules: dict[str, str]) -> None:
    code, output = check_imports(tmp_path, modules)
    assert (code, f"{rule} BROKEN" in output) == (1, True)

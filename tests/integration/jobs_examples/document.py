"""Import the programs in docs/jobs.md as a reader would save them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

DOCUMENT = Path(__file__).parents[3] / "docs" / "jobs.md"


def import_program(name: str, folder: Path) -> ModuleType:
    """Save the one Python block that defines `name` in `folder`, and import it.

    Args:
        name: A function of the program.
        folder: Where it is saved.
    """
    blocks = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), flags=re.MULTILINE | re.DOTALL)
    (text,) = [block for block in blocks if f"def {name}(" in block]
    file = folder / "tasks.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location("tasks", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

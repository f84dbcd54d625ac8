"""What import-linter cannot see: which imports wait inside functions, and what an import needs on a bare device."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("benchmarks", "devices", "distill", "export", "runtime")
#: Third-party modules that a folder may import at import time. A cli.py may import typer, and what prints tables rich:
#: both are in the base install, and `import devices` or `import runtime` loads neither.
AT_IMPORT_TIME = {
    "devices": set(),
    "runtime": {"numpy", "PIL"},
    "benchmarks": {"numpy"},
}
NAMELESS = {"common", "helpers", "misc", "utils"}
MOST_LINES = 400


class Import(NamedTuple):
    """An import statement: of which module, on which line, and whether it waits inside a function."""

    module: str
    line: int
    in_function: bool


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> list[Import]:
    return list(_walk(ast.parse(path.read_text()), in_function=False))


def _walk(node: ast.AST, in_function: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            continue  # never runs
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, in_function) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield Import(child.module or ".", child.lineno, in_function)
        yield from _walk(child, in_function or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))


def top(module: str) -> str:
    return module.split(".")[0]


def test_the_walk_tells_functions_from_modules(tmp_path):
    (tmp_path / "x.py").write_text(
        "import a.b\nclass C:\n    from c import d\n    def f(self):\n        import e\n"
        "if TYPE_CHECKING:\n    import never\ntry:\n    import g\nexcept ImportError:\n    pass\n"
    )
    assert [(found.module, found.in_function) for found in imports(tmp_path / "x.py")] == [
        ("a.b", False),
        ("c", False),
        ("e", True),
        ("g", False),
    ]


def test_benchmarks_reach_export_only_inside_functions():
    early = [
        f"{path.relative_to(ROOT)}:{found.line}"
        for path in python_files("benchmarks")
        for found in imports(path)
        if top(found.module) == "export" and not found.in_function
    ]
    assert early == []


def test_the_front_door_imports_stages_only_inside_functions():
    early = [
        found.module for found in imports(ROOT / "brushlet.py") if top(found.module) in OURS and not found.in_function
    ]
    assert early == []


@pytest.mark.parametrize("folder", AT_IMPORT_TIME)
def test_third_party_at_import_time(folder):
    def allowed(path: Path, module: str) -> bool:
        name = top(module)
        return (
            name in sys.stdlib_module_names
            or name in OURS
            or name in AT_IMPORT_TIME[folder]
            or (name == "typer" and path.name.endswith("cli.py"))
            or name == "rich"
        )

    early = [
        f"{path.relative_to(ROOT)}:{found.line} imports {found.module}"
        for path in python_files(folder)
        for found in imports(path)
        if not found.in_function and not allowed(path, found.module)
    ]
    assert early == []


@pytest.mark.parametrize("folder", ["devices", "runtime"])
def test_every_module_imports_on_a_device(folder):
    """With torch, onnx and every engine out of reach."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in python_files(folder)
        if path.name != "__main__.py"
    ]
    code = (
        "import sys, importlib\n"
        "for absent in ('torch', 'onnx', 'onnxruntime', 'openvino', 'tensorrt', 'av', 'skimage', 'scipy'):\n"
        "    sys.modules[absent] = None\n"
        f"for name in {[name for name in modules if not name.endswith('.cli')]}:\n"
        "    importlib.import_module(name)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr


def test_importing_them_loads_no_third_party_module():
    code = (
        "import sys; before = set(sys.modules)\n"
        "import runtime, devices\n"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert result.stdout.strip() == "['devices', 'runtime']"


@pytest.mark.parametrize("folder", OURS)
def test_every_folder_has_its_public_face_and_its_command(folder):
    for name in ("__init__.py", "__main__.py", "cli.py"):
        assert (ROOT / folder / name).is_file(), f"{folder}/{name}"


@pytest.mark.parametrize("folder", OURS)
def test_files_are_named_for_what_they_do_and_stay_short(folder):
    for path in python_files(folder):
        assert path.stem not in NAMELESS, path
        assert len(path.read_text().splitlines()) < MOST_LINES, path

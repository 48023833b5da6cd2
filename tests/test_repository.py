"""The house rules that a machine can check: words, includes, imports, errors, versions, licences."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import faltung as fl

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "core", "bindings", "cmake", "tests", "benchmarks", "docs", ".github", ".ci")
TEXT = set(".py .pyi .h .cpp .cmake .md .txt .toml .yml .yaml .cff .html .css .js".split()) | {""}
CODE = {".py", ".h", ".cpp"}


def files(*folders: str, suffixes: set[str] = TEXT) -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts
    )


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines_with(pattern: str, paths: list[Path]) -> list[str]:
    found = re.compile(pattern)
    return [
        f"{name(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if found.search(line)
    ]


def pyproject() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# ---- words: the patterns are written in pieces, so that this file does not match them


def test_no_path_or_host_of_one_machine() -> None:
    hosts = ["py" + r"pi\.org", "python" + "hosted", "npm" + "js", "debian" + r"\.org", "conda" + r"\.org"]
    paths = ["/wo" + "rk/", "/ho" + r"me/\w", "/ro" + "ot/", r"\.\./sha" + "red", "C:" + r"\\Users"]
    top = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXT and path.name != ".git"]
    assert not lines_with("|".join(hosts + paths), [*files(*FOLDERS), *top])


def test_nothing_is_left_to_do() -> None:
    words = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK", "NotImplemented" + "Error"]
    folders = [folder for folder in FOLDERS if folder != "tests"]
    assert not lines_with(rf"\b({'|'.join(words)})\b", files(*folders))


def test_a_long_file_says_why() -> None:
    """50 to 300 lines and one idea a file; past 500 the header says why: "One file because ..."."""
    for path in files("src", "core", "bindings", suffixes=CODE):
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > 500:
            assert "One file because" in "\n".join(lines[:25]), f"{name(path)} has {len(lines)} lines"


# ---- Python


def test_who_imports_whom() -> None:
    pytest.importorskip("importlinter", reason="import-linter is in the extra [lint]")
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module or ''}.{alias.name}" for alias in node.names]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def test_few_modules_touch_the_extension() -> None:
    """import-linter sees Python files only; the imports it ignores are those of the compiled module."""
    contracts = {contract["id"]: contract for contract in pyproject()["tool"]["importlinter"]["contracts"]}
    ignored = contracts["floors"]["ignore_imports"]
    allowed = {edge.split(" -> ")[0].rpartition(".")[2] for edge in ignored}
    touching = {
        path.stem
        for path in files("src", suffixes={".py"})
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for module in imported(node)
        if "_core" in module.split(".")
    }
    assert touching == allowed


def raised(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield node.exc


@pytest.mark.parametrize("path", files("src", suffixes={".py"}), ids=name)
def test_errors_are_ours_and_have_one_text(path: Path) -> None:
    """_geometry imports nothing, and the command turns its own errors into lines."""
    exempt = path.name == "_geometry.py" or path.parent.name == "cli"
    plain = {"ValueError", "TypeError", "OverflowError", "RuntimeError", "Exception", "ImportError"}
    for call in raised(path):
        where = f"{name(path)}:{call.lineno}"
        error = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        assert exempt or error not in plain, f"{where} raises {error}; raise the Faltung one"
        assert not any(isinstance(part, ast.Tuple) for part in call.args), f"{where}: a comma made a tuple"


# ---- C++


def test_floors_of_the_core() -> None:
    """bindings -> ops -> reference -> kernels -> base."""
    allowed = {
        "base": {"base"},
        "kernels": {"base", "kernels"},
        "reference": {"base", "kernels", "reference"},
        "ops": {"base", "kernels", "reference", "ops"},
    }
    for floor, below in allowed.items():
        for path in files(f"core/{floor}", suffixes=CODE):
            for target in re.findall(r'#include "core/(\w+)/', path.read_text(encoding="utf-8")):
                assert target in below, f"{name(path)} includes from {target}"


def test_intrinsics_stay_in_the_kernels() -> None:
    """The floating-point control register is no arithmetic."""
    outside = [path for path in files("core", "bindings", suffixes=CODE) if path.parent.name != "isa"]
    outside = [path for path in outside if path.name != "vec.h"]
    assert not lines_with(r"\b_mm\d*_(?![gs]etcsr)|\b(immintrin|arm_neon)\.h", outside)


def test_isa_units_include_nothing_with_shared_definitions() -> None:
    """A standard template instantiated under -mavx512f may be the copy that the linker keeps for everyone."""
    forbidden = "algorithm|functional|map|memory|string|vector"
    assert not lines_with(rf"#include <({forbidden})>", files("core/kernels/isa"))


def test_nothing_is_compiled_for_the_building_machine() -> None:
    build = [*files("cmake", "core", "bindings", ".github"), ROOT / "CMakeLists.txt", ROOT / "pyproject.toml"]
    native = "-m(arch|cpu|tune)=" + "native"
    assert not lines_with(f"^[^#]*{native}", [path for path in build if path.suffix != ".md"])


# ---- packaging


def test_one_version() -> None:
    version = str(pyproject()["project"]["version"])
    places = {
        "CITATION.cff": "^version: ",
        "CHANGELOG.md": "^## ",
        "CMakeLists.txt": r"^project\(faltung VERSION ",
    }
    for page, start in places.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        assert re.search(start + re.escape(version) + r"(\s|$)", text, re.MULTILINE), page
    assert fl.__version__ == version


def test_bundled_code_brings_its_licence() -> None:
    carried = {
        path.name for pattern in pyproject()["project"]["license-files"] for path in ROOT.glob(pattern)
    }
    assert {"LICENSE", "nanobind.txt", "robin-map.txt"} <= carried


def test_decisions_name_what_exists() -> None:
    known = "\n".join(path.read_text(encoding="utf-8") for path in files("tests"))
    decisions = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    tests = re.findall(r"`(test_\w+)`", decisions)
    assert not [test for test in tests if f"def {test}(" not in known]
    assert not [path for path in re.findall(r"`(\w[\w.]*/[\w./]+)`", decisions) if not (ROOT / path).exists()]

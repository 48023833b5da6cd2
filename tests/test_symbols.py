"""What C++ units may include, and what those of the instruction sets show to the linker: their tables alone.

Every ISA unit compiles the same templates with other flags. Were one instantiation visible, the linker would
keep any one of the copies for all, and a processor without AVX-512 would meet AVX-512 code.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import faltung._core

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
OBJECTS = re.compile(r"/faltung_isa_(?P<isa>\w+)\.dir/.*\.o$")
INCLUDE = re.compile(r"^\s*#\s*include\s*([<\"])([^>\"]+)[>\"]", re.MULTILINE)
# Each floor and what it stands on; all of them may include themselves.
FLOORS = {
    "core/base": (),
    "core/kernels": ("core/base",),
    "core/reference": ("core/base", "core/kernels"),
    "core/ops": ("core/base", "core/kernels", "core/reference"),
    "core/tests": ("core/base", "core/kernels", "core/reference", "core/ops"),
    "core/bench": ("core/base", "core/kernels", "core/reference", "core/ops"),
    "bindings": ("core/base", "core/kernels", "core/reference", "core/ops"),
}
# What these define is never emitted out of line; that of <algorithm>, <vector> and <string> is.
HARMLESS = {"cstddef", "cstdint", "cstring", "limits", "type_traits", "immintrin.h"}
TABLE = re.compile(r"_?faltung_\w+_table\w*")  # some systems put an underscore before every name


def isa_objects() -> dict[Path, str]:
    """Object files of ISA units with the name of their instruction set; builds with sanitizers left out."""
    plain = [
        cache.parent
        for cache in BUILD.glob("**/CMakeCache.txt")
        if re.search(r"^FALTUNG_SANITIZE:\w+=$", cache.read_text(errors="replace"), re.MULTILINE)
    ]
    objects = {path: OBJECTS.search(path.as_posix()) for build in plain for path in build.rglob("*.o")}
    return {path: match["isa"] for path, match in objects.items() if match}


def leaks(symbols: str, isa: str) -> list[str]:
    """The lines of ``nm -P`` that break the rule: weak symbols, and globals other than tables of this ISA."""
    found = []
    for line in symbols.splitlines():
        name, kind = line.split()[:2]
        weak = kind in "WwVvu"
        shown = kind.isupper() and kind != "U"
        if weak or (shown and not (TABLE.fullmatch(name) and isa in name)):
            found.append(line)
    return found


@pytest.fixture(scope="module")
def nm() -> str:
    program = shutil.which("nm") or shutil.which("llvm-nm")
    if program is None:
        pytest.skip("nm is not installed")
    return program


def test_isa_units_show_only_their_tables(nm: str) -> None:
    objects = isa_objects()
    if not objects:
        pytest.skip(f"no object files of ISA units under {BUILD} (installed from a wheel)")
    assert set(faltung._core.available_isas()) <= set(objects.values())
    for path, isa in objects.items():
        symbols = subprocess.run([nm, "-P", path], capture_output=True, text=True, check=True).stdout
        assert TABLE.search(symbols), f"{path} has no table"
        assert not leaks(symbols, isa), f"{path} leaks"


def test_a_leak_would_be_found() -> None:
    assert leaks("_ZN7faltung3addIfEEvv W 0 1f", "avx2")
    assert leaks("_ZGVZ5valuevE1x u 0 8", "avx2")
    assert leaks("helper T 0 1f", "avx2")
    assert leaks("faltung_stencil_f32_avx512_table D 0 8", "avx2")
    assert leaks("faltung_add T 0 1f", "avx2")
    assert not leaks("faltung_stencil_f32_avx2_table D 0 8\nlocal t 0 4\nmemcpy U  ", "avx2")


def includes(source: Path) -> tuple[set[str], set[str]]:
    """The project's own headers that a file includes, and the others."""
    found = INCLUDE.findall(source.read_text())
    return {name for mark, name in found if mark == '"'}, {name for mark, name in found if mark == "<"}


def sources(folder: str) -> list[Path]:
    return [path for path in (ROOT / folder).rglob("*") if path.suffix in (".h", ".cpp")]


@pytest.mark.parametrize("floor", FLOORS)
def test_floors_include_only_what_they_stand_on(floor: str) -> None:
    allowed = (floor, *FLOORS[floor])
    assert sources(floor)
    for path in sources(floor):
        own, _ = includes(path)
        wrong = {name for name in own if not name.startswith(tuple(f"{folder}/" for folder in allowed))}
        assert not wrong, f"{path.relative_to(ROOT)} includes {sorted(wrong)}; {floor} may include {allowed}"
        missing = {name for name in own if not (ROOT / name).is_file()}
        assert not missing, f"{path.relative_to(ROOT)} includes what is not there: {sorted(missing)}"


def test_every_folder_of_the_core_is_a_floor() -> None:
    folders = {f"core/{path.name}" for path in (ROOT / "core").iterdir() if path.is_dir()} | {"bindings"}
    assert folders == set(FLOORS)


def test_isa_units_include_nothing_that_could_be_emitted() -> None:
    for unit in sources("core/kernels/isa"):
        waiting, seen = [unit], set()
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            seen.add(path)
            own, others = includes(path)
            assert others <= HARMLESS, f"{unit.name}: {path.name} includes {sorted(others - HARMLESS)}"
            waiting += [ROOT / name for name in own]


def test_an_include_is_seen_however_it_is_written(tmp_path: Path) -> None:
    header = tmp_path / "header.h"
    header.write_text('  # include <vector>\n#include "core/base/cpu.h"\n// #include <string>\n')
    assert includes(header) == ({"core/base/cpu.h"}, {"vector"})

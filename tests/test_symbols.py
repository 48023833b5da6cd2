"""What the objects of the per-ISA units may show to the linker: their tables, and nothing else.

Every unit compiles the same templates with other flags. Were one instantiation visible, the linker would keep
any one of the copies for all, and a processor without AVX-512 would meet AVX-512 code.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import faltung._core

BUILD = Path(__file__).resolve().parent.parent / "build"
OBJECTS = re.compile(r"/faltung_isa_(?P<isa>\w+)\.dir/.*\.o$")
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

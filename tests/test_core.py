"""The C++ tests of the core, wherever a build tree holds them: plain or with sanitizers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = sorted(
    path
    for path in (ROOT / "build").glob("**/faltung_core_tests")
    if path.is_file() and os.access(path, os.X_OK)
)


@pytest.mark.parametrize(
    "program", PROGRAMS or [None], ids=lambda path: path and path.parent.parent.parent.name
)
def test_core(program: Path | None) -> None:
    if program is None:
        pytest.skip("no build tree holds faltung_core_tests (make test-core and make sanitize build them)")
    sources = [*(ROOT / "core" / "base").iterdir(), *(ROOT / "core" / "tests").iterdir()]
    if max(source.stat().st_mtime for source in sources) > program.stat().st_mtime:
        pytest.skip(f"{program} is older than its sources (make test-core or make sanitize rebuilds it)")
    run = subprocess.run([program], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]

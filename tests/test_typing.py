"""The annotations say what comes out: mypy agrees with every `assert_type` of `typed_calls.py`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent


def mypy(*files: Path) -> str:
    pytest.importorskip("mypy", reason="mypy is in the extra [lint]")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", *map(str, files)],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout + run.stderr


def test_a_type_checker_sees_kinds_and_data_types() -> None:
    assert mypy(TESTS / "typed_calls.py") == ""


def test_mypy_would_have_complained(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text("import faltung as fl\nreveal_type(fl.convolve([1], [2], dtype=fl.convolve))\n")
    assert "No overload variant" in mypy(snippet)

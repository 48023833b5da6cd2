"""Running a program in a process of its own, for what a test process cannot undo: settings, forks, exits."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS = 60


def run_script(code: str, environment: dict[str, str], **variables: str) -> str:
    """What the program prints. A hang, an error or a crash fails the test with the program's own words."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.py"  # a file: processes that are spawned import it again
        path.write_text(code)
        # NumPy's BLAS has threads of its own, and Python warns of every fork beside threads.
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", path],
            capture_output=True,
            text=True,
            env=environment | {"OPENBLAS_NUM_THREADS": "1"} | variables,
            timeout=SECONDS,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

"""What one call of faltung needs beyond its input and output, seen from a fresh process.

``python -m benchmarks.memory ROW THREADS`` prints the bytes as JSON; `extra_memory` runs it. A small call
comes first, so that code and threads are loaded; the peak of the resident memory does the rest.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from . import rows, timing
from .ours import ours


def allowance(result: int, threads: int) -> int:
    """The bytes a call may take: an eighth of its output and a MiB a thread."""
    return result // 8 + threads * 2**20


def extra_memory(row: str, threads: int) -> int | None:
    """Bytes that ``row`` takes with ``threads`` workers, or None when a fresh process cannot tell."""
    command = [sys.executable, "-m", "benchmarks.memory", row, str(threads)]
    place = Path(__file__).resolve().parents[1]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])}
    try:
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=True, env=environment
        )
        value = json.loads(run.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return int(value) if value is not None else None


def main(arguments: list[str]) -> None:
    """Measure in this process."""
    name, threads = arguments[0], int(arguments[1])
    row = next(row for row in rows.ROWS if row.name == name)
    ours(rows.shrunk(row, 32)(np.random.default_rng(1)), threads, out=True).call()
    call = ours(row.make(np.random.default_rng(0)), threads, out=True, touched=True).call
    _, extra = timing.peak_of(call)
    print(json.dumps(extra))


if __name__ == "__main__":
    main(sys.argv[1:])

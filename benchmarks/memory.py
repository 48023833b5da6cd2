"""What one call of faltung needs beyond its input and output, seen from a fresh process.

``python -m benchmarks.memory ROW THREADS`` prints the bytes as JSON; `extra_memory` runs it. A small call
comes first, so that code and threads are loaded; the peak of the resident memory does the rest.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from . import rows, timing
from .ours import ours
from .problem import Problem

FEW = 16**2
"""Taps up to which no transform is expected."""


def allowance(problem: Problem, threads: int) -> int:
    """The bytes a call may take: the limit it is given; else an eighth of its output and a MiB a thread.

    With many taps half of the output and a spectrum: blocks of up to four kernels along every axis.
    """
    if problem.memory_limit is not None:
        return problem.memory_limit
    output = rows.size_of(problem)
    if problem.k.size <= FEW or problem.factors:
        return output // 8 + threads * 2**20
    number = np.result_type(problem.dtype, np.float32 if problem.precision == "high" else np.float64)
    block = math.prod(1 << math.ceil(math.log2(4 * taps)) for taps in problem.k.shape)
    return output // 2 + block * number.itemsize + threads * 2**20


def extra_memory(row: str, threads: int) -> int | None:
    """Bytes that ``row`` takes with ``threads`` workers, or None when a fresh process cannot tell."""
    return in_fresh_process("benchmarks.memory", row, str(threads))


def in_fresh_process(*module: str) -> int | None:
    """The number that ``python -m`` prints for a module and its arguments, or None where it fails."""
    command = [sys.executable, "-m", *module]
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
    ours(row.make(np.random.default_rng(1), 32), threads, out=True).call()
    call = ours(row.make(np.random.default_rng(0)), threads, out=True, touched=True).call
    _, extra = timing.peak_of(call)
    print(json.dumps(extra))


if __name__ == "__main__":
    main(sys.argv[1:])

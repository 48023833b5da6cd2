"""What a call of a planned layer needs beyond input, output and prepared weights, seen from a fresh process.

``python -m benchmarks.layers_memory ROW LAYOUT THREADS`` prints the bytes; `extra_memory` runs it.
"""

from __future__ import annotations

import json
import sys

from . import memory, timing
from .layers_ours import planned
from .layers_problem import Problem, problem
from .layers_rows import ROWS
from .layers_shape import shape


def allowance(p: Problem, threads: int) -> int:
    """The bytes a call may take: as many as its output, and a MiB a thread."""
    return p.shape.output_bytes + threads * 2**20


def extra_memory(row: str, layout: str, threads: int) -> int | None:
    """Bytes that a call of ``row`` takes, or None where a fresh process cannot tell."""
    return memory.in_fresh_process("benchmarks.layers_memory", row, layout, str(threads))


def main(arguments: list[str]) -> None:
    """Measure in this process; a small call comes first, so that code and threads are loaded."""
    name, layout, threads = arguments[0], arguments[1], int(arguments[2])
    row = next(row for row in ROWS if row.name == name)
    planned(problem(shape("3x3 8-8@64")).turned(layout), threads).call()
    p = problem(row.shape).turned(layout)
    prepared = planned(p, threads)  # its output is resident: zeros would not be
    p.x_in.sum()
    _, extra = timing.peak_of(prepared.call)
    print(json.dumps(extra))


if __name__ == "__main__":
    main(sys.argv[1:])

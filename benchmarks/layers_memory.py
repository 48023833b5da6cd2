"""What a call of a layer needs beyond input, output and a plan's weights, seen from a fresh process.

``python -m benchmarks.layers_memory SUITE ROW LAYOUT THREADS`` prints the bytes; `extra_memory` runs it.
"""

from __future__ import annotations

import importlib
import json
import sys

from . import memory, timing
from .layers_problem import Problem


def allowance(p: Problem, threads: int) -> int:
    """The bytes a call may take: as many as its output, weights that it packs itself, and a MiB a thread."""
    return p.shape.output_bytes + p.shape.call_bytes + threads * 2**20


def extra_memory(suite: str, row: str, layout: str, threads: int) -> int | None:
    """Bytes that a call of ``row`` takes, or None where a fresh process cannot tell."""
    return memory.in_fresh_process("benchmarks.layers_memory", suite, row, layout, str(threads))


def main(arguments: list[str]) -> None:
    """Measure in this process; a small call comes first, so that code and threads are loaded."""
    name, row_name, layout, threads = *arguments[:3], int(arguments[3])
    suite = importlib.import_module(f"benchmarks.{name}").SUITE
    row = next(row for row in suite.rows if row.name == row_name)
    ours = suite.contestants[0]
    ours.prepare(suite.problem(row.shape.warm()).turned(layout), threads).call()
    p = suite.problem(row.shape).turned(layout)
    prepared = ours.prepare(p, threads)  # its output is resident: zeros would not be
    p.x_in.sum()
    _, extra = timing.peak_of(prepared.call)
    print(json.dumps(extra))


if __name__ == "__main__":
    main(sys.argv[1:])

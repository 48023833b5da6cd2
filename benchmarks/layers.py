"""fl.nn beside PyTorch, ONNX Runtime, OpenVINO and OpenCV: ``python -m benchmarks.layers``.

The layers are those of published networks (`layers_rows.py`), batch 1. Contestants of a row take turns in
one process with the same number of threads, after a check of every answer; a row's ratio is the best peer's
median over ours, from a plan with ``out=``. channels_first rows, in and out, run beside PyTorch, ONNX
Runtime, OpenVINO and OpenCV's network module; channels_last rows beside PyTorch in that memory format. Ours
runs with the instruction set of FALTUNG_ISA.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator

from . import layers_calls, layers_memory, layers_report, report
from .layers_contest import Result, measure
from .layers_problem import LAYOUTS
from .layers_rows import Row
from .layers_suite import LAYERS as SUITE
from .layers_suite import Suite

OWN_LAYOUT = LAYOUTS[:1]
"""Rows without peers run in the layout in which plans do more."""


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about.partition("\n")[0])
    p.add_argument("--rows", metavar="REGEX", default="", help="only rows whose name matches")
    p.add_argument(
        "--classes", metavar="A,B", default="", help="only rows of these classes; --list shows them"
    )
    p.add_argument("--threads", metavar="1,2", default="1,2", help="numbers of threads (default: 1,2)")
    p.add_argument("--layouts", metavar="first,last", default="first,last", help="layouts (default: both)")
    p.add_argument(
        "--budget",
        type=float,
        default=0.6,
        help="seconds of timing a row, layout and thread number (default: 0.6)",
    )
    p.add_argument(
        "--cold", action="store_true", help="caches flushed before each call, output allocated by it"
    )
    p.add_argument("--memory", action="store_true", help="also what a call allocates, from fresh processes")
    p.add_argument(
        "--quick", action="store_true", help="tiny layers, few turns: shows that all works, no more"
    )
    p.add_argument("--all", action="store_true", help="print every contestant of every row")
    p.add_argument("--json", metavar="FILE", help="write everything that was measured")
    p.add_argument("--list", action="store_true", help="print the rows with their classes and figures")
    return p


def chosen(suite: Suite, pattern: str, classes: str) -> list[Row | layers_calls.Own]:
    """The rows that are asked for."""
    words = set(classes.split(",")) - {""} or set(suite.classes)
    own = layers_calls.OWN if suite is SUITE else ()
    everything: tuple[Row | layers_calls.Own, ...] = (*suite.rows, *own)
    return [row for row in everything if row.kind in words and re.search(pattern, row.name)]


def run(suite: Suite, row: Row | layers_calls.Own, options: argparse.Namespace) -> Iterator[Result]:
    """Every layout and number of threads of one row."""
    threads = [int(n) for n in options.threads.split(",")]
    layouts = [layout for layout in LAYOUTS if layers_report.short(layout) in options.layouts.split(",")]
    if isinstance(row, layers_calls.Own):
        for count in threads:
            yield layers_calls.measure(row, count, layout=OWN_LAYOUT[0], budget=options.budget,
                                       quick=options.quick)  # fmt: skip
        return
    asked = suite.problem(row.shape.tiny() if options.quick else row.shape)
    ref = suite.reference(asked)
    for layout in layouts:
        for count in threads:
            p = asked.turned(layout)
            result = measure(row, p, ref, count, budget=options.budget, quick=options.quick,
                             cold=options.cold, suite=suite)  # fmt: skip
            if options.memory and not options.quick:
                result.extra_bytes = layers_memory.extra_memory(suite.name, row.name, layout, count)
                result.extra_allowed = layers_memory.allowance(p, count)
            yield result


def main(arguments: list[str] | None = None, suite: Suite = SUITE, about: str = __doc__ or "") -> int:
    """Run; exit status 2 when no row matches, else 0: a miss is a figure, not a failure."""
    options = parser(suite.name, about).parse_args(arguments)
    rows = chosen(suite, options.rows, options.classes)
    if not rows:
        print("`--rows` and `--classes` leave no row; --list shows their names", file=sys.stderr)
        return 2
    if options.list:
        for row in rows:
            uses = f"{row.uses}×" if isinstance(row, Row) and row.uses else ""
            print(f"{row.name:45s} {row.kind:16s} {suite.classes[row.kind].every:<5g} {uses}")
        return 0
    results: list[Result] = []
    for row in rows:
        start = time.perf_counter()
        for result in run(suite, row, options):
            results.append(result)
            took, start = time.perf_counter() - start, time.perf_counter()
            line = "  ".join(layers_report.cells(result)[:15])
            print(
                f"[{len(results)}] {line}  ({took:.1f} s, load {result.load:.1f})",
                file=sys.stderr,
                flush=True,
            )
            if options.all:
                print(report.entrants(result), file=sys.stderr, flush=True)
        if options.json:
            report.save(options.json, report.document(list(results), vars(options)))
    layers_report.show(results, suite.classes)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""faltung.convolve beside NumPy, SciPy, OpenCV, PyTorch and astropy: ``python -m benchmarks.arrays``.

Contestants of a row take turns in one process, after a check of every answer against the definition in wider
arithmetic. A row's ratio is the best peer's median time over ours, with ``out=`` for ours exactly when that
peer has such a buffer, among peers at least about as accurate. Other work on the machine moves every figure:
quote ratios of one run, and its load.
"""

from __future__ import annotations

import argparse
import re
import sys
import time

from . import contest, report
from .rows import ROWS, Row


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.arrays", description=(__doc__ or "").partition("\n")[0]
    )
    p.add_argument("--rows", metavar="REGEX", default="", help="only rows whose name matches")
    p.add_argument("--threads", metavar="1,2", default="1,2", help="numbers of threads (default: 1,2)")
    p.add_argument(
        "--budget", type=float, default=3.0, help="seconds of timing a row and thread number (default: 3)"
    )
    p.add_argument(
        "--quick", action="store_true", help="tiny arrays and few turns: shows that all works, no more"
    )
    p.add_argument("--all", action="store_true", help="print every contestant of every row")
    p.add_argument("--json", metavar="FILE", help="write everything that was measured")
    p.add_argument("--list", action="store_true", help="print the rows and their targets")
    return p


def chosen(pattern: str) -> list[Row]:
    """The rows whose name matches."""
    return [row for row in ROWS if re.search(pattern, row.name)]


def main(arguments: list[str] | None = None) -> int:
    """Run; exit status 2 when no row matches, else 0: a miss is a figure, not a failure."""
    options = parser().parse_args(arguments)
    rows = chosen(options.rows)
    if not rows:
        print(f"`--rows` (={options.rows!r}) matches no row; --list shows their names", file=sys.stderr)
        return 2
    if options.list:
        for row in rows:
            print(f"{row.name:24s} {row.kind:8s} {'-' if row.target is None else format(row.target, 'g')}")
        return 0
    threads = tuple(int(n) for n in options.threads.split(","))
    results: list[contest.Result] = []
    for row in rows:
        start = time.perf_counter()
        for result in contest.measure(row, threads, budget=options.budget, quick=options.quick):
            results.append(result)
            took = time.perf_counter() - start
            line = "  ".join(report.cells(result)[:9])
            print(
                f"[{len(results)}] {line}  ({took:.0f} s, load {result.load:.1f})",
                file=sys.stderr,
                flush=True,
            )
            if options.all:
                print(report.entrants(result), file=sys.stderr, flush=True)
        if options.json:
            report.save(options.json, report.document(results, vars(options)))
    report.show(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())

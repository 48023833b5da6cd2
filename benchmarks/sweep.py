"""Where the methods change places: time against the number of taps, ``python -m benchmarks.sweep``.

One thread, float32: a signal of 10^6 samples, an image of 1024 x 1024 under squares of random taps, and the
same image under outer products. Every method is forced in turn, beside ``auto`` and the peers.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from math import prod

import numpy as np

from . import contest, report
from .contestant import Contestant, Prepared
from .makers import blur, plain
from .ours import ours
from .problem import Problem
from .rows import MEGA, SQUARE, Row

COUNTS = (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
SIDES = (3, 5, 7, 9, 11, 15, 21, 31, 45, 63, 91, 127)
DIRECT = 1e11
"""Operations beyond which direct sums are not waited for."""


def forced(name: str, method: str, precision: str | None = None) -> Contestant:
    """faltung by one method."""

    def prepare(problem: Problem, threads: int) -> Prepared:
        return ours(replace(problem, precision=precision), threads, out=True, method=method)

    return Contestant(f"faltung {name}", "faltung", prepare, out=True)


SPECTRAL = (forced("spectral", "spectral"), forced("spectral high", "spectral", "high"))
SEPARABLE = (forced("separable", "separable"),)


def points() -> list[tuple[Row, tuple[Contestant, ...]]]:
    """The problems, and the methods that take part."""
    problems = [(f"signal-{n}", MEGA, (n,)) for n in COUNTS] + [(f"image-{n}", SQUARE, (n, n)) for n in SIDES]
    chosen = []
    for name, shape, taps in problems:
        methods = SPECTRAL
        if 2 * prod(shape) * prod(taps) <= DIRECT:
            methods = (forced("direct", "direct"), *methods)
        chosen.append((Row(name, plain(shape, taps, np.float32)), methods))
        if len(taps) > 1:
            side = taps[0]
            outer = Row(f"outer-{side}", blur(shape, side / 6, np.float32, side // 2))
            chosen.append((outer, SEPARABLE + methods))
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Measure all points and write them."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep", description=(__doc__ or "").partition("\n")[0]
    )
    p.add_argument("json", help="where what was measured is written")
    p.add_argument("--budget", type=float, default=1.0, help="seconds of timing a point (default: 1)")
    p.add_argument(
        "--quick", action="store_true", help="tiny arrays and few turns: shows that all works, no more"
    )
    p.add_argument("--rows", default="", help="only points whose name begins so")
    options = p.parse_args(arguments)
    results: list[contest.Result] = []
    for row, methods in points():
        if not row.name.startswith(options.rows):
            continue
        results += contest.measure(
            row, (1,), budget=options.budget, quick=options.quick, extra=methods, weigh=False
        )
        print(f"{row.name}\n{report.entrants(results[-1])}", file=sys.stderr, flush=True)
        report.save(options.json, report.document(results, vars(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

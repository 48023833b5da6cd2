"""How often auto picks the fastest method, and what a wrong pick costs: ``python -m benchmarks.picks``.

300 problems of every rank, type, size and kernel: each runs by every method that keeps the promise, in turn,
on one thread; the pick of ``method="auto"`` is compared with the fastest.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import faltung as fl

from .problem import Array

METHODS = ("direct", "separable", "spectral")
NEAR = 1.15
"""A pick that takes at most this many times the fastest method's time is as good as right."""


class Case(NamedTuple):
    """One problem."""

    shape: tuple[int, ...]
    taps: tuple[int, ...]
    dtype: str
    precision: str
    separable: bool
    options: dict[str, Any]

    @property
    def title(self) -> str:
        """The problem in a line."""
        shape, taps = ("x".join(map(str, n)) for n in (self.shape, self.taps))
        extra = " ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{shape} * {taps} {self.dtype} {self.precision}{' outer' * self.separable} {extra}".strip()


def cases() -> Iterator[Case]:
    """The grid: 300 problems whose every axis of variation crosses where methods change places."""
    for dtype, precision in (("float32", "highest"), ("float32", "high"), ("float64", "highest")):
        for n in (1000, 30000, 10**6):
            for k in (5, 33, 129, 300, 1000, 5000, 20000):
                if k <= n:
                    yield Case((n,), (k,), dtype, precision, False, {})
        for n in (64, 256, 1000):
            for k in (3, 7, 11, 17, 25, 41, 63):
                for outer in (False, True):
                    if k < n:
                        yield Case((n, n), (k, k), dtype, precision, outer, {})
        for n in (32, 100):
            for k in (3, 5, 9, 15):
                for outer in (False, True):
                    yield Case((n,) * 3, (k,) * 3, dtype, precision, outer, {})
        for k in (15, 64, 400):
            yield Case((64, 20000), (k,), dtype, precision, False, {"axes": 1})
            yield Case((20000, 64), (k,), dtype, precision, False, {"axes": 0})
        for k in (9, 21, 45):
            yield Case((16, 200, 200), (k, k), dtype, precision, False, {"axes": (1, 2)})
            yield Case((600, 600), (k, k), dtype, precision, False, {"stride": 2})
            yield Case((600, 600), (k, k), dtype, precision, False, {"boundary": "reflect"})
    for dtype in ("complex64", "complex128"):
        for n in (30000, 10**6):
            for k in (15, 200, 3000):
                yield Case((n,), (k,), dtype, "highest", False, {})
    for n, k in ((256, 9), (256, 31), (1000, 15), (1000, 51)):
        yield Case((n, n), (k, k), "complex64", "highest", False, {})
        yield Case((n, n), (k, k), "uint8", "highest", True, {})
        yield Case((n, n), (k, k), "uint8", "highest", False, {})


class Outcome(NamedTuple):
    """What was measured: the seconds of every method that may run, and the pick."""

    case: Case
    seconds: dict[str, float]
    predicted: dict[str, float]
    pick: str

    @property
    def best(self) -> str:
        """The fastest method."""
        return min(self.seconds, key=self.seconds.__getitem__)

    @property
    def cost(self) -> float:
        """Time by the pick over the best time."""
        return self.seconds[self.pick] / self.seconds[self.best]


def kernel(case: Case, rng: np.random.Generator) -> Array:
    """Random taps, or the outer product of random factors; small whole numbers for integers."""
    dtype = np.dtype(case.dtype)
    sizes: list[tuple[int, ...]] = [(n,) for n in case.taps] if case.separable else [case.taps]
    if dtype.kind == "u":
        factors = [rng.integers(1, 5, size).astype(np.int32) for size in sizes]
    else:
        factors = [rng.standard_normal(size) for size in sizes]
    k = factors[0]
    for factor in factors[1:]:
        k = np.multiply.outer(k, factor)
    return k if dtype.kind == "u" else k.astype(dtype)


def measure(case: Case, budget: float) -> Outcome:
    """Every method that may run, taking turns; the fastest time of each."""
    rng = np.random.default_rng(prod(case.shape) + prod(case.taps))
    k = kernel(case, rng)
    x = (rng.standard_normal(case.shape) * 50).astype(case.dtype)
    plans, predicted = {}, {}
    options = {"dtype": x.dtype, "precision": case.precision, "workers": 1, **case.options}
    if x.dtype.kind == "u":
        options["result_dtype"] = np.int64
    for method in METHODS:
        try:
            plans[method] = fl.plan_convolve(case.shape, k, "same", method=method, **options)
        except fl.FaltungError:
            continue
        predicted[method] = plans[method]._choice.way.seconds
    pick = fl.plan_convolve(case.shape, k, "same", **options).method
    out = np.empty(plans["direct"].shape, plans["direct"].dtype)
    calls: dict[str, Callable[[], object]] = {}
    for method, plan in plans.items():
        calls[method] = lambda plan=plan: plan(x, out=out)  # type: ignore[misc]
    return Outcome(case, turns(calls, budget), predicted, pick)


def turns(calls: dict[str, Callable[[], object]], budget: float) -> dict[str, float]:
    """The fastest of alternating calls; what is ten times slower than another after two turns stops."""
    best = dict.fromkeys(calls, float("inf"))
    begin, turn = time.perf_counter(), 0
    while turn < 3 or (time.perf_counter() - begin < budget and turn < 50):
        for name, call in calls.items():
            if turn >= 2 and best[name] > 10 * min(best.values()):
                continue
            call()
            inner = max(1, min(100, int(20e-6 / max(best[name], 1e-6)))) if turn else 1
            start = time.thread_time_ns()
            for _ in range(inner):
                call()
            best[name] = min(best[name], (time.thread_time_ns() - start) * 1e-9 / inner)
        turn += 1
    return best


def report(outcomes: list[Outcome]) -> str:
    """Shares, the mean cost, and the worst picks."""
    costs = np.array([o.cost for o in outcomes])
    near = float(np.mean(costs <= NEAR))
    lines = [
        f"{len(outcomes)} problems: the fastest method is picked in {np.mean(costs == 1):.0%}, one within "
        f"{NEAR - 1:.0%} of it in {near:.1%}; a pick costs {costs.mean() - 1:.1%} on average, "
        f"{costs.max():.2f} times the best at worst."
    ]
    for o in sorted(outcomes, key=lambda o: -o.cost):
        if o.cost <= NEAR:
            break
        told = ", ".join(
            f"{m} {t * 1e6:.0f} us (predicted {o.predicted[m] * 1e6:.0f})" for m, t in o.seconds.items()
        )
        lines.append(f"{o.cost:5.2f}  {o.case.title}: picks {o.pick}; {told}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.picks", description=(__doc__ or "")[:80])
    parser.add_argument("--budget", type=float, default=0.3, help="seconds a problem")
    parser.add_argument("--every", type=int, default=1, help="only every n-th problem")
    parser.add_argument("--json", metavar="FILE", help="write what was measured")
    options = parser.parse_args(arguments)
    outcomes = [measure(case, options.budget) for case in list(cases())[:: options.every]]
    print(report(outcomes))
    if options.json:
        rows = [{**o._asdict(), "case": o.case.title} for o in outcomes]
        Path(options.json).write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

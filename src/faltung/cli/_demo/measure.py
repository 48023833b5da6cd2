"""Check a step's answer against the error promise, then time it beside SciPy, run by run in turn."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import faltung as fl
from faltung.cli._demo.steps import Step


class WrongAnswerError(fl.FaltungError):
    """A result lies outside the error promise."""


@dataclass(frozen=True)
class Measured:
    """A step, its result, its largest error as a share of what is promised, and median times in seconds."""

    step: Step
    result: NDArray[Any]
    share_of_bound: float
    ours: float
    peer: str
    theirs: float
    runs: int
    plan: str

    @property
    def ratio(self) -> float:
        """How many times as long SciPy's fastest way takes; below 1 SciPy is faster."""
        return self.theirs / self.ours


def error_bound(terms: int, size: NDArray[Any]) -> NDArray[np.float64]:
    """Return the promise for float32 sums, (1.1 min(n, 256) + ceil(n / 256) + 20) u S, at every output."""
    factor = 1.1 * min(terms, 256) + math.ceil(terms / 256) + 20
    return np.asarray(factor * 2.0**-24 * size.astype(np.float64) + 1e-12)


def check(step: Step, result: NDArray[Any]) -> float:
    """Return the largest error as a share of its bound (0 for integers), or raise `WrongAnswerError`."""
    if result.shape != step.answer.shape:
        raise WrongAnswerError(f"{step.title}: shape {result.shape}, SciPy has {step.answer.shape}")
    if step.size is None:
        wrong = int(np.count_nonzero(result != step.answer))
        if wrong:
            raise WrongAnswerError(f"{step.title}: {wrong} of {result.size} integers differ from SciPy's")
        return 0.0
    error = np.abs(result.astype(np.float64) - step.answer)
    share = error / error_bound(np.asarray(step.kernel).size, step.size)
    worst = float(share.max())
    if not worst <= 1:  # also when it is NaN
        index = tuple(map(int, np.unravel_index(np.argmax(~(share <= 1)), share.shape)))
        raise WrongAnswerError(
            f"{step.title}: at {index} {result[index]!s} differs from SciPy's {step.answer[index]!s} by more "
            "than the error promise allows"
        )
    return worst


def measure(step: Step, seconds: float = 1.0, least: int = 5, most: int = 25) -> Measured:
    """Check the step, then time faltung and every peer in turn and keep the fastest peer."""
    result = np.asarray(step.ours())
    share = check(step, result)
    contestants = {"faltung": step.ours, **step.peers}
    loops = {name: _loops(run) for name, run in contestants.items()}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    end = time.perf_counter() + seconds
    runs = 0
    while runs < least or (runs < most and time.perf_counter() < end):
        for name, run in contestants.items():
            times[name].append(_once(run, loops[name]))
        runs += 1
    medians = {name: statistics.median(values) for name, values in times.items()}
    ours = medians.pop("faltung")
    peer = min(medians, key=lambda name: medians[name])
    return Measured(step, result, share, ours, peer, medians[peer], runs, str(step.plan().explain()))


def _once(run: Callable[[], Any], loops: int) -> float:
    start = time.perf_counter()
    for _ in range(loops):
        run()
    return (time.perf_counter() - start) / loops


def _loops(run: Callable[[], Any]) -> int:
    """Return how many calls fill a millisecond, after a warm-up."""
    run()
    return max(1, min(1000, math.ceil(1e-3 / max(_once(run, 1), 1e-7))))

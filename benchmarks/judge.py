"""The judgement of a contestant's answer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .problem import Array
from .reference import Reference

CHUNK = 1 << 22
"""Outputs judged at a time."""


@dataclass(frozen=True)
class Verdict:
    """A contestant's answer beside the reference.

    ``relative`` is max|error| / max|exact|, ``units`` the largest error in u*S; ``keeps`` says whether every
    output keeps the promise that the problem asks for. ``wrong`` holds the reason when the answer is not the
    asked one at all.
    """

    relative: float
    units: float
    keeps: bool
    wrong: str | None = None


def judge(answer: Array, ref: Reference) -> Verdict:
    """Compare an answer with the reference; it never raises.

    >>> from benchmarks.problem import Problem
    >>> from benchmarks.reference import reference
    >>> ref = reference(Problem(np.arange(5.0), np.array([1.0, 2.0, 3.0])))
    >>> judge(np.convolve(np.arange(5.0), [1.0, 2.0, 3.0], "same"), ref).wrong is None
    True
    >>> judge(np.correlate(np.arange(5.0), [1.0, 2.0, 3.0], "same"), ref).wrong
    'off by 0.35 of the largest value'
    """
    nan = math.nan
    if answer.shape != ref.exact.shape:
        return Verdict(nan, nan, False, f"shape {answer.shape}, not {ref.exact.shape}")
    if answer.dtype.kind not in "biufc":
        return Verdict(nan, nan, False, f"dtype {answer.dtype}")
    if ref.integral:
        return _judge_integers(answer, ref)
    if not np.all(np.isfinite(answer)):
        return Verdict(nan, nan, False, "not finite")
    peak, largest, worst, keeps = 0.0, 0.0, 0.0, True
    with np.errstate(divide="ignore", invalid="ignore"):
        for at in _chunks(answer):
            exact, scale = ref.exact[at], ref.roundoff * ref.scale[at]
            if ref.rounded is None:
                error = np.abs(answer[at].astype(exact.dtype) - exact).astype(np.float64)
            else:  # integers made from floats: half a unit of rounding is free
                exact = np.clip(exact, *ref.rounded)
                error = np.maximum(np.abs(answer[at].astype(np.float64) - exact) - 0.5, 0.0)
            units = np.where(error == 0, 0.0, error / scale)
            peak = max(peak, float(np.max(np.abs(exact), initial=0.0)))
            largest = max(largest, float(error.max(initial=0.0)))
            worst = max(worst, float(units.max(initial=0.0)))
            keeps = keeps and bool(np.all(error <= ref.promise * scale + ref.floor))
    relative = largest / (peak or 1.0)
    wrong = None
    if ref.rounded is not None and largest > 0.02:
        wrong = f"off by {0.5 + largest:.3g} steps before rounding"
    elif ref.rounded is None and relative > (1e-4 if ref.roundoff > 2.0**-40 else 1e-10):
        wrong = f"off by {relative:.2g} of the largest value"
    return Verdict(relative, worst, keeps, wrong)


def _chunks(answer: Array) -> Iterator[slice]:
    """Slices of the first axis that hold about ``CHUNK`` values."""
    size = len(answer)
    rows = max(1, CHUNK * size // max(1, answer.size))
    return (slice(start, start + rows) for start in range(0, size, rows))


def _judge_integers(answer: Array, ref: Reference) -> Verdict:
    if answer.dtype.kind in "biu":
        off = int(np.max(np.abs(answer.astype(np.int64) - ref.exact), initial=0))
    else:
        off = int(np.max(answer != ref.exact.astype(answer.dtype), initial=0))
        off = max(off, int(np.max(np.abs(ref.exact), initial=0) > 2**53))
    peak = float(np.max(np.abs(ref.exact.astype(np.float64)), initial=0.0)) or 1.0
    return Verdict(off / peak, 0.0, off == 0, None if off == 0 else "not exact")

"""The constants of the cost model, measured: ``python -m benchmarks.calibrate``.

Every method runs a grid of problems on one thread; constants are fitted by least squares of the relative
error, none below zero, and printed as `faltung._tuning` holds them, with the error that remains. Run it on an
idle machine.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from math import log2, prod

import numpy as np

import faltung as fl
from faltung import _spectral, _tuning, _ways

from .problem import Array

Sample = tuple[list[float], float]
"""What the constants are multiplied by, and the seconds that the sum should be."""

DTYPES = {4: np.float32, 8: np.float64}


def seconds(call: Callable[[], object], budget: float = 0.15) -> float:
    """The fastest of the calls that fit the budget, at least three: what others at work move least."""
    call()
    best, begin, turns = float("inf"), time.perf_counter(), 0
    while turns < 3 or (time.perf_counter() - begin < budget and turns < 1000):
        start = time.thread_time_ns()
        call()
        best = min(best, (time.thread_time_ns() - start) * 1e-9)
        turns += 1
    return best


def planned(
    shape: tuple[int, ...], k: Array, method: str, precision: str = "highest"
) -> Callable[[], object]:
    """A run of a plan into a buffer, on one thread."""
    plan = fl.plan_convolve(shape, k, "same", dtype=k.dtype, method=method, precision=precision, workers=1)
    x = np.random.default_rng(0).standard_normal(shape).astype(k.dtype)
    out = np.empty(plan.shape, plan.dtype)
    return lambda: plan(x, out=out)


def fit(samples: Sequence[Sample]) -> tuple[list[float], float]:
    """Constants c >= 0 that minimize the sum of (c·x / t - 1)², and the root mean square of that."""
    from scipy.optimize import nnls

    left = np.array([[x / t for x in xs] for xs, t in samples])
    scale = np.maximum(left.max(axis=0), 1e-300)
    found, _ = nnls(left / scale, np.ones(len(samples)))
    constants = found / scale
    off = left @ constants - 1
    return constants.tolist(), float(np.sqrt(np.mean(off**2)))


DIRECT_GRID = {
    1: [((n,), (k,)) for n in (10**4, 10**6) for k in (3, 8, 31, 64, 255, 1024)],
    2: [((n, n), (k, k)) for n in (256, 1024) for k in (3, 5, 9, 15, 31)],
    3: [((n,) * 3, (k,) * 3) for n in (32, 96) for k in (3, 5, 7, 9)],
}


def direct(item: int) -> Iterator[tuple[int, list[float], float]]:
    """For every rank the seconds an output and a tap."""
    for rank, grid in DIRECT_GRID.items():
        samples = []
        for shape, size in grid:
            took = seconds(planned(shape, np.full(size, 0.5, DTYPES[item]), "direct"))
            outputs = float(prod(shape))
            samples.append(([outputs, outputs * prod(size)], took - _tuning.CALL_SECONDS))
        yield rank, *fit(samples)


SEPARABLE_GRID = [
    *(((n, n), (k, k)) for n in (256, 1024, 2048) for k in (3, 7, 15, 31, 63)),
    *(((n,) * 3, (k,) * 3) for n in (64, 128) for k in (3, 7, 15)),
]


def separable(item: int) -> tuple[list[float], float]:
    """Seconds an output for every pass and every tap of it."""
    samples = []
    for shape, size in SEPARABLE_GRID:
        k = np.ones(size, DTYPES[item])
        took = seconds(planned(shape, k, "separable"))
        outputs = float(prod(shape))
        xs = [outputs * len(size), outputs * sum(size)]
        samples.append((xs, took - _tuning.CALL_SECONDS - _tuning.SEPARABLE_SECONDS))
    return fit(samples)


SPECTRAL_GRID = {
    "lanes": [((10**6,), (n // 4,), (n,)) for n in (64, 160, 256, 576, 1024, 2304, 4096, 8192, 16384)],
    "folded": [((10**6,), (n // 4,), (n,)) for n in (1024, 4096, 9216, 16384, 36864, 65536, 147456, 2**18)],
    "block": [
        ((1024, 1024), (n // 4, n // 4), (n, n)) for n in (32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512)
    ],
    "solid": [((128,) * 3, (n // 4,) * 3, (n,) * 3) for n in (16, 32, 48, 64, 80)],
}


def spectral(item: int, kind: str) -> tuple[list[float], float]:
    """Seconds a point: a constant, a part for each doubling, and more beyond the cache."""
    samples = []
    for shape, size, block in SPECTRAL_GRID[kind]:
        found, call = forced(shape, np.full(size, 0.5, DTYPES[item]), block, item, kind == "folded")
        far = found.points * (found.scratch > _tuning.SPECTRAL_CACHE)
        xs = [float(x) for x in (found.points, found.points * log2(prod(block)), far)]
        samples.append((xs, seconds(call) - _tuning.SPECTRAL_SECONDS))
    return fit(samples)


def forced(
    shape: tuple[int, ...], k: Array, block: tuple[int, ...], item: int, folded: bool
) -> tuple[_spectral.Blocks, Callable[[], object]]:
    """A tiling by blocks of a given size, and a run by it."""
    plan = fl.plan_convolve(shape, k, "same", dtype=k.dtype, method="spectral", precision="high", workers=1)
    how, choice = plan._recipe, plan._choice
    work = _spectral.Work(shape, k.shape, 1, 1, item, True, _ways.LANES[fl._core.isa()] // item)
    choice = choice._replace(way=choice.way._replace(block=block, folded=folded))
    x = np.random.default_rng(0).standard_normal(shape).astype(k.dtype)
    out = np.empty(plan.shape, plan.dtype)
    return _spectral.tiling(work, block, folded), lambda: how.run(x, plan._kernel, out, 1, choice)


def show(name: str, constants: Sequence[float], error: float) -> None:
    """One line."""
    print(f"{name:28s} {', '.join(f'{c:.3g}' for c in constants):36s}  off by {error:.0%}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibrate", description="Fit the cost model.")
    parser.add_argument("methods", nargs="*", default=["direct", "separable", "spectral"])
    options = parser.parse_args(arguments)
    for item in DTYPES:
        if "direct" in options.methods:
            for rank, constants, error in direct(item):
                show(f"DIRECT[{item}][{rank}]", constants, error)
        if "separable" in options.methods:
            show(f"SEPARABLE_TAP[{item}]", *separable(item))
        if "spectral" in options.methods:
            for kind in SPECTRAL_GRID:
                show(f"SPECTRAL_POINT[{item}] {kind}", *spectral(item, kind))
    return 0


if __name__ == "__main__":
    sys.exit(main())

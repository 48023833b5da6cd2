"""What the machine could do at most: multiply-adds from registers, and bytes copied at a layer's size."""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .contestant import Unsupported, module
from .layers_shape import Shape

MOMENT = 0.05
"""Seconds of each measurement: short, and beside the layer's own, because the machine drifts."""

LEAST = 1 << 18
"""Bytes of an array below which copies measure the call, not the memory."""


def together(work: Callable[[], float], threads: int) -> float:
    """The sum of what ``threads`` threads measure at the same time."""
    found: list[float] = []
    others = [threading.Thread(target=lambda: found.append(work())) for _ in range(threads - 1)]
    for other in others:
        other.start()
    mine = work()
    for other in others:
        other.join()
    return mine + sum(found)


def multiply_adds(double: bool, threads: int) -> float | None:
    """Operations a second of all threads at once, or None where the extension cannot tell."""
    try:
        ceiling: Any = getattr(module("faltung._core"), "fma_ceiling", None)
    except Unsupported:
        return None
    return None if ceiling is None else together(lambda: float(ceiling(double, MOMENT)), threads)


@functools.lru_cache(maxsize=64)
def _copying(log_bytes: int, threads: int) -> float:
    size = max(LEAST, (1 << log_bytes) // (2 * threads))

    def work() -> float:
        source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)
        np.copyto(target, source)
        best, end = math.inf, time.perf_counter() + MOMENT
        while time.perf_counter() < end:
            start = time.perf_counter()
            np.copyto(target, source)
            best = min(best, time.perf_counter() - start)
        return 2 * size / best

    return together(work, threads)


def copying(count: int, threads: int) -> float:
    """Bytes read and written a second by copies that touch ``count`` bytes in all."""
    return _copying(math.ceil(math.log2(count)), threads)


def share(s: Shape, seconds: float, threads: int) -> tuple[float, str] | None:
    """The share of the ceiling that binds, and which one that is: "fma" or "copy"."""
    rate = multiply_adds(s.dtype == np.float64, threads)
    if rate is None:
        return None
    least = {"fma": s.flop / rate, "copy": s.bytes / copying(s.bytes, threads)}
    binds = max(least, key=lambda word: least[word])
    return least[binds] / seconds, binds

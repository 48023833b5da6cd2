"""Time calls that take turns in one process, and the memory that one call needs."""

from __future__ import annotations

import ctypes
import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SLOW = 3.0
"""Seconds a call beyond which a contestant is timed by its first calls alone."""

HOPELESS = 12.0
"""Times the fastest contestant beyond which three rounds are enough."""

MOST = 120
"""Rounds that are enough for any quartile."""

SETTLE = 0.02
"""Seconds left for idle workers of the contestant before to stop spinning, when there is more than one."""

WARM = 0.015
"""Seconds of untimed calls after that pause: woken workers may wait 10 ms for cores of their own."""


@dataclass(frozen=True)
class Times:
    """Seconds a call: median, quartiles, fastest, how many rounds they come from, and every round."""

    median: float
    q25: float
    q75: float
    fastest: float
    rounds: int
    samples: tuple[float, ...] = ()

    @property
    def iqr(self) -> float:
        """The middle half's width."""
        return self.q75 - self.q25


def summary(samples: Sequence[float]) -> Times:
    """Median and quartiles; the samples are kept to four digits.

    >>> summary([3.0, 1.0, 2.0]).median
    2.0
    """
    rounded = tuple(float(f"{sample:.4g}") for sample in samples)
    if len(samples) == 1:
        return Times(samples[0], samples[0], samples[0], samples[0], 1, rounded)
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return Times(middle, low, high, min(samples), len(samples), rounded)


def once(call: Callable[[], object]) -> tuple[object, float]:
    """A call's value and its seconds."""
    start = time.perf_counter()
    value = call()
    return value, time.perf_counter() - start


def repeat(call: Callable[[], object], inner: int) -> float:
    """Seconds a call over ``inner`` calls in a row."""
    turns = range(inner)
    start = time.perf_counter()
    for _ in turns:
        call()
    return (time.perf_counter() - start) / inner


def warm(call: Callable[[], object], seconds: float) -> None:
    """Call until ``seconds`` have passed, at least once."""
    end = time.perf_counter() + seconds
    call()
    while time.perf_counter() < end:
        call()


def alternate(
    calls: dict[str, Callable[[], object]], guess: dict[str, float], *, budget: float, least: int, many: bool
) -> dict[str, Times]:
    """Let the calls take turns in a changing order, for ``budget`` seconds and at least ``least`` rounds.

    Each turn first calls once untimed (what the one before left in the caches is not the contestant's
    affair), where there are ``many`` threads for `WARM` seconds after a pause; then times as many calls as
    make two milliseconds. ``guess`` is the seconds of an earlier call.
    """
    samples: dict[str, list[float]] = {name: [] for name in calls}
    fast = {name for name in calls if guess[name] <= SLOW}
    for name in set(calls) - fast:
        samples[name].append(guess[name])
    inner = {name: min(20000, max(1, math.ceil(0.002 / max(guess[name], 1e-9)))) for name in fast}
    best = min((guess[name] for name in fast), default=0.0)
    order = sorted(fast)
    collecting = gc.isenabled()
    if budget:
        gc.collect()
    gc.disable()
    try:
        start, turn = time.perf_counter(), 0
        while order and (turn < least or time.perf_counter() - start < budget) and turn < MOST:
            shift = turn % len(order)
            for name in (order[shift:] + order[:shift])[:: 1 if turn % 2 else -1]:
                if turn >= 3 and statistics.median(samples[name]) > HOPELESS * best:
                    continue
                if many:
                    time.sleep(SETTLE)
                    warm(calls[name], WARM)
                elif guess[name] < 0.02:
                    calls[name]()
                samples[name].append(repeat(calls[name], inner[name]))
            turn += 1
            best = min(statistics.median(samples[name]) for name in fast)
    finally:
        if collecting:
            gc.enable()
    return {name: summary(values) for name, values in samples.items()}


def _status(field: str) -> int:
    """A field of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {field}")


def peak_of(call: Callable[[], Any]) -> tuple[Any, int | None]:
    """A call's value, and by how many bytes it raised the resident memory at its highest; None if unknown.

    Memory that the allocator holds back from earlier calls is returned to the system first.
    """
    try:
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM := VmRSS
        before = _status("VmRSS")
    except OSError:
        return call(), None
    value = call()
    return value, max(0, _status("VmHWM") - before)


def load() -> float:
    """The machine's load average of the last minute: how many others were at work."""
    try:
        return float(Path("/proc/loadavg").read_text().split()[0])
    except OSError:
        return math.nan

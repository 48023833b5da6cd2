"""Ours beside ours: what a call costs beyond its arithmetic, and what subnormal numbers cost."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from . import timing
from .contest import Entry
from .judge import judge
from .layers_contest import Result
from .layers_ours import nn, plans
from .layers_problem import Problem, problem, reference
from .layers_rows import CLASSES
from .layers_shape import shape

EXAMPLE = "3x3 3-64@32"
"""The layer on which the overhead of a call is measured."""

FIGURES = {"call-plan": 1.5, "call-function": 4.0}
"""Microseconds that a call may take beyond arithmetic and packing."""

SUBNORMAL = ("3x3 64-64@56", "7x7s2 3-64@112", "1x1 256-64@56", "dw3x3 128@56", "dw7x7 192@28",
             "3x3g32 128-128@56",
             "dw31x31 32@56", "2d8v 64-128@4008")  # fmt: skip

TINY = 1e-41
"""Weights or inputs of this size are subnormal in float32."""


@dataclass(frozen=True)
class Own:
    """A row without peers."""

    name: str
    kind: str


OWN = (
    *(Own(name, "calls") for name in FIGURES),
    *(Own(f"subnormal-{text.replace(' ', '-')}", "subnormal") for text in SUBNORMAL),
)


def measure(row: Own, threads: int, *, layout: str, budget: float, quick: bool = False) -> Result:
    """Run a row of ours."""
    run = calls if row.kind == "calls" else subnormal
    return run(row, threads, layout, budget, quick)


def blank(row: Own, p: Problem, threads: int, layout: str) -> Result:
    """A result with what is known beforehand."""
    kind = CLASSES[row.kind]
    return Result(row.name, row.kind, threads, kind.every, "", load=timing.load(), group=kind.name,
                  flop=p.shape.flop, layout=layout, taps=p.shape.taps)  # fmt: skip


def settle(result: Result, quick: bool) -> Result:
    """The verdict."""
    if not result.status:
        met = result.ratio is not None and result.ratio >= (result.target or 0)
        result.status = "quick" if quick else "pass" if met else "MISS"
    return result


def calls(row: Own, threads: int, layout: str, budget: float, quick: bool) -> Result:
    """The figure over the microseconds beyond arithmetic (and packing, for the function).

    Arithmetic is the core's run on the example without its run on one sample: what a call of the core costs
    by itself is not arithmetic.
    """
    p = problem(shape(EXAMPLE)).turned(layout)
    dot = problem(shape(EXAMPLE.partition("@")[0] + "@1")).turned(layout)
    (plan,), (small,) = plans(p, threads), plans(dot, threads)
    x, y = p.x_in, np.zeros(p.out_shape, np.float32)
    weight = plan._weights
    function = nn().conv
    turns: dict[str, Callable[[], object]] = {
        "plan": lambda: plan(x, out=y),
        "function": lambda: function(
            x, weight, p.biases[0], padding=1, layout=layout, out=y, workers=threads
        ),
        "core": core_run(plan, p, y, threads),
        "core, one sample": core_run(small, dot, np.zeros(dot.out_shape, np.float32), threads),
        "packing": packing(plan, threads),
    }
    found = paired(turns, 0.05 if quick else budget)
    arithmetic = found["core"] - found["core, one sample"]
    if row.name == "call-plan":
        beyond, whole = found["plan"] - arithmetic, "plan"
    else:
        beyond, whole = found["function"] - arithmetic - found["packing"], "function"
    result = blank(row, p, threads, layout)
    result.best, result.beside = f"{beyond * 1e6:.2f} us beyond", whole
    result.ratio = FIGURES[row.name] * 1e-6 / max(beyond, 1e-9)
    result.entries = [Entry(name, "faltung", True, times=timing.summary([t])) for name, t in found.items()]
    return settle(result, quick)


def core_run(plan: Any, p: Problem, y: Any, threads: int) -> Callable[[], object]:
    """The core's run of a plan on its arrays, nothing else."""
    ((layer, packed),) = plan._packed.items()
    bias, x = p.biases[0], p.x_in
    many, release = plan._recipe.threads(threads, plan._way)
    return lambda: layer.run(x, packed, bias, None, y, many, release)


def packing(plan: Any, threads: int) -> Callable[[], object]:
    """The core's preparation of a plan's weights."""
    (layer,) = plan._packed
    return lambda: layer.pack(plan._weights, threads)


def paired(turns: dict[str, Callable[[], object]], budget: float) -> dict[str, float]:
    """Seconds a call of each, the median of many short turns."""
    samples: dict[str, list[float]] = {name: [] for name in turns}
    for call in turns.values():
        call()
    guess = {name: timing.repeat(call, 3) for name, call in turns.items()}
    inner = {name: max(1, min(200, int(0.001 / guess[name]))) for name in turns}
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(samples["plan"]) < 3:
        for name, call in turns.items():
            samples[name].append(timing.repeat(call, inner[name]))
    return {name: statistics.median(values) for name, values in samples.items()}


def subnormal(row: Own, threads: int, layout: str, budget: float, quick: bool) -> Result:
    """Time on ordinary numbers over the longest with subnormal weights, inputs, or products."""
    text = row.name.removeprefix("subnormal-").replace("-", " ", 1)
    s = shape(text).tiny() if quick else shape(text)
    scales = {
        "ordinary": (1.0, 1.0),
        "weights": (1.0, TINY),
        "inputs": (TINY, 1.0),
        "products": (1e-20, 1e-20),
    }
    turns: dict[str, Callable[[], object]] = {}
    guess: dict[str, float] = {}
    result = blank(row, problem(s.tiny()), threads, layout)
    result.flop = s.flop
    for name, (x_scale, w_scale) in scales.items():
        p = problem(s, x_scale, w_scale).turned(layout)
        (plan,) = plans(p, threads)
        x, y = p.x_in, np.zeros(p.out_shape, np.float32)
        turns[name] = partial(plan, x, out=y)
        _, guess[name] = timing.once(turns[name])
        entry = Entry(name, "faltung", True, verdict=judge(p.first(y), reference(p)))
        if entry.verdict is not None and not entry.verdict.keeps:
            entry.status = "wrong: breaks the promise"
            result.status = f"WRONG: {name}"
        result.entries.append(entry)
    times = timing.alternate(turns, guess, budget=0.0 if quick else budget, least=2 if quick else 9,
                             many=threads > 1 and not quick)  # fmt: skip
    for entry in result.entries:
        entry.times = times[entry.name]
    worst = max(list(scales)[1:], key=lambda name: times[name].median)
    result.ratio = times["ordinary"].median / times[worst].median
    result.ratio_fastest = times["ordinary"].fastest / times[worst].fastest
    result.best, result.beside = "ordinary", worst
    return settle(result, quick)

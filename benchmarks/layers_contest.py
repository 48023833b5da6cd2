"""One layer in one layout: prepare all contestants, check their answers, let the right ones take turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import contest, layers_ceiling, timing
from .contestant import Contestant, Unsupported, threads_set
from .layers_ours import NAME, TWO
from .layers_peers import TORCH
from .layers_problem import Problem
from .layers_rows import Class, Row
from .layers_suite import LAYERS, Suite
from .reference import Reference

LEAST = 5
"""Rounds of every contestant, however long they take."""

FLUSH = 1 << 25
"""Bytes that every core writes before a cold call: many times its own caches, not a shared last level."""

COLD_ROUNDS = 15


@dataclass
class Result(contest.Result):
    """As of arrays; ``kind`` is the class, ``share`` is of the ceiling that ``binds``, "fma" or "copy".

    ``beside_torch`` is the ratio to PyTorch alone, ``beside_two`` that of a pair to its two calls.
    """

    layout: str = ""
    cold: bool = False
    share: float | None = None
    binds: str = ""
    beside_torch: float | None = None
    beside_two: float | None = None
    way: str = ""
    uses: int = 0
    network: str = ""


def measure(row: Row, p: Problem, ref: Reference, threads: int, *, budget: float, quick: bool = False,
            cold: bool = False, extra: tuple[Contestant, ...] = (),
            suite: Suite = LAYERS) -> Result:  # fmt: skip
    """Run a row in the problem's layout; ``cold``: caches flushed before, outputs allocated in the call."""
    entries: list[contest.Entry] = []
    calls: dict[str, Callable[[], object]] = {}
    guess: dict[str, float] = {}
    way = ""
    with threads_set(threads):
        for contestant in suite.contestants + extra:
            entry = contest.Entry(contestant.name, contestant.package, contestant.out and not cold)
            entries.append(entry)
            try:
                prepared = contestant.prepare(p, threads, cold)
            except Unsupported as reason:
                entry.status = f"unsupported: {reason}"
                continue
            entries[-1], seconds = contest.check(contestant, prepared, ref, weigh=False)
            if entries[-1].right:
                calls[contestant.name], guess[contestant.name] = prepared.call, seconds
            way = prepared.way if contestant.name == NAME else way
        if cold:
            times = flushed(calls, threads, 2 if quick else COLD_ROUNDS)
        else:
            times = timing.alternate(
                calls, guess, budget=0.0 if quick else budget, least=2 if quick else LEAST,
                many=threads > 1 and not quick,
            )  # fmt: skip
    for entry in entries:
        entry.times = times.get(entry.name)
    result = score(row, p, threads, entries, quick, suite.classes[row.kind])
    result.way, result.cold = way, cold
    mine = result.entry(NAME)
    if not quick and mine is not None and mine.times is not None:
        found = layers_ceiling.share(p.shape, mine.times.median, threads)
        if found is not None:
            result.share, result.binds = found
    return result


def flushed(calls: dict[str, Callable[[], object]], threads: int, rounds: int) -> dict[str, timing.Times]:
    """Times of single calls in turn, each after all cores have written over their caches."""
    waste = [np.zeros(FLUSH, np.uint8) for _ in range(threads)]

    def write() -> float:
        waste[0].fill(1)
        return 0.0

    samples: dict[str, list[float]] = {name: [] for name in calls}
    order = sorted(calls)
    for turn in range(rounds):
        shift = turn % max(1, len(order))
        for name in order[shift:] + order[:shift]:
            if turn >= 3 and samples[name][0] > timing.SLOW / 3:
                continue
            layers_ceiling.together(write, threads)
            time.sleep(timing.SETTLE)
            value, seconds = timing.once(calls[name])
            del value
            samples[name].append(seconds)
    return {name: timing.summary(found) for name, found in samples.items()}


def score(row: Row, p: Problem, threads: int, entries: list[contest.Entry], quick: bool,
          kind: Class) -> Result:  # fmt: skip
    """The lowest ratio over the peers that are as accurate counts; losses are shown as what they are."""
    result = Result(
        row.name, row.kind, threads, kind.every, "", flop=p.shape.flop,
        output_bytes=p.shape.output_bytes, load=timing.load(), group=kind.name,
        taps=p.shape.taps, entries=entries, layout=p.layout, uses=row.uses, network=row.network,
    )  # fmt: skip
    timed = {entry.name: entry for entry in entries if entry.times is not None}
    wrong = [entry.status for entry in entries if entry.package == "faltung" and entry.status[:5] == "wrong"]
    mine = timed.get(NAME)
    if mine is not None:
        contest.beside_peers(("",), result, timed, {True: mine, False: mine})
    best, two, torch = (timed.get(name or "") for name in (result.best, TWO, TORCH))
    if mine is not None and mine.times is not None:
        result.gflops = p.shape.flop / mine.times.median / 1e9
        for name, other in (("fastest", best), ("torch", torch), ("two", two)):
            if other is None or other.times is None:
                continue
            if name == "fastest":
                result.ratio_fastest = other.times.fastest / mine.times.fastest
            else:
                setattr(result, f"beside_{name}", other.times.median / mine.times.median)
    absent = contest.missing(("torch",) if p.channels_last else kind.needs)
    if wrong:
        result.status = wrong[0].upper()[:5] + wrong[0][5:]
    elif absent:
        result.status = f"not measured: no {', '.join(absent)}"
    elif result.ratio is None:
        result.status = "not measured"
    elif quick:
        result.status = "quick"
    else:
        result.status = "pass" if result.ratio >= kind.every else "MISS"
    return result

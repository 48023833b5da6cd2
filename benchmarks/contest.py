"""Run one row: prepare every contestant, check its answer, let the right ones take turns, score the row."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from . import memory, timing
from .contestant import Contestant, Prepared, Unsupported, module, threads_set
from .judge import Verdict, judge
from .ours import OURS, OURS_PLAN
from .peers import PEERS
from .problem import Array, Problem
from .reference import Reference, reference
from .rows import Row, size_of
from .separable import SEPARABLE
from .special import BY_HAND, SPECIAL

EVERYONE = PEERS + SEPARABLE + SPECIAL

WITHIN = "faltung out=, within the limit"

QUICK_SIZE = {1: 1000, 2: 65, 3: 17}
"""Samples along an axis in a quick run, by the number of axes."""


@dataclass
class Entry:
    """One contestant in one row: what became of it."""

    name: str
    package: str
    out: bool
    status: str = "ok"
    verdict: Verdict | None = None
    times: timing.Times | None = None
    extra_bytes: int | None = None

    @property
    def right(self) -> bool:
        """Whether it computes what was asked."""
        return self.status == "ok"


@dataclass
class Result:
    """One row at one number of threads.

    ``ratio`` is in the row's own terms (see `Row.kind`), ``best`` beside ``beside`` of ours; ``ratio_any`` is
    the ratio to the fastest contestant whatever its error, whatever `Row.against` says, and by hand too;
    ``ratio_fastest`` is ``ratio`` from both sides' fastest rounds, which others at work on the machine move
    least. ``taps`` is the shape of the kernel.
    """

    row: str
    kind: str
    threads: int
    target: float | None
    status: str
    ratio: float | None = None
    ratio_any: float | None = None
    ratio_fastest: float | None = None
    best: str | None = None
    beside: str | None = None
    gflops: float | None = None
    flop: int = 0
    output_bytes: int = 0
    extra_bytes: int | None = None
    extra_allowed: int | None = None
    load: float = 0.0
    group: str = ""
    taps: tuple[int, ...] = ()
    entries: list[Entry] = field(default_factory=list)

    def entry(self, name: str | None) -> Entry | None:
        """The contestant of that name."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def as_json(self) -> dict[str, Any]:
        """The result as plain data; an entry has only the fields that were measured."""
        plain = asdict(self)
        given = [entry.items() for entry in plain["entries"]]
        entries = [{key: value for key, value in entry if value is not None} for entry in given]
        return plain | {"entries": entries}


def check(contestant: Contestant, prepared: Prepared, ref: Reference,
          weigh: bool = True) -> tuple[Entry, float]:  # fmt: skip
    """Call once for the answer and, to ``weigh``, again for the memory; and the seconds of the later call."""
    entry = Entry(contestant.name, contestant.package, contestant.out)
    try:
        value, seconds = timing.once(prepared.call)
        answer = np.array(prepared.finish(value), copy=True)
    except Exception as error:  # a peer may refuse in any way it likes, faltung may not
        refusal = "wrong: raised" if contestant.package == "faltung" else "unsupported"
        text = str(error).splitlines()[0][:90] if str(error) else type(error).__name__
        entry.status = f"{refusal}: {text}"
        return entry, 0.0
    del value
    entry.verdict = judge(answer, ref)
    if entry.verdict.wrong is not None:
        entry.status = f"wrong: {entry.verdict.wrong}"
    elif weigh and seconds <= timing.SLOW:
        (_, seconds), peak = timing.peak_of(lambda: timing.once(prepared.call))
        if peak is not None:
            entry.extra_bytes = peak if contestant.out else max(0, peak - answer.nbytes)
    return entry, seconds


def yardstick(problem: Problem) -> Prepared:
    """A plain copy of the array."""
    a, target = problem.a, np.empty_like(problem.a)
    return Prepared(lambda: np.copyto(target, a))


def contestants(row: Row) -> tuple[Contestant, ...]:
    """Who takes part; ours come first."""
    mine = OURS + ((OURS_PLAN,) if row.plan else ())
    if row.kind == "copy":
        return (*mine, Contestant("numpy.copyto", "numpy", lambda p, t: yardstick(p), out=True))
    return mine + (EVERYONE if row.kind == "peers" else ())


def problem_of(row: Row, quick: bool) -> Problem:
    """The row's problem, the same in every run."""
    largest = QUICK_SIZE[row.make(np.random.default_rng(0), 8).a.ndim] if quick else None
    return row.make(np.random.default_rng(0), largest)


def measure(row: Row, threads: tuple[int, ...], *, budget: float, quick: bool,
            extra: tuple[Contestant, ...] = (), weigh: bool = True) -> list[Result]:  # fmt: skip
    """Run a row once for every number of threads; ``weigh`` the memory too, unless all is ``quick``."""
    weigh = weigh and not quick
    problem = problem_of(row, quick)
    ref = reference(problem)
    if row.kind == "scaling":
        pair = [(f"faltung out=, {count} workers", problem, count) for count in (1, 2)]
        return [_pair(row, problem, 2, pair, ref, budget, quick)]
    if row.kind == "limit":
        free = replace(problem, memory_limit=None)
        return [
            _pair(row, problem, n, [(OURS[1].name, free, n), (WITHIN, problem, n)], ref, budget, quick)
            for n in threads
        ]
    results = []
    for count in threads:
        entries: list[Entry] = []
        calls, guess = {}, {}
        with threads_set(count):
            for contestant in contestants(row) + extra:
                try:
                    prepared = contestant.prepare(problem, count)
                except Unsupported as reason:
                    entries.append(Entry(contestant.name, contestant.package, contestant.out,
                                         f"unsupported: {reason}"))  # fmt: skip
                    continue
                if contestant.name == "numpy.copyto":
                    entry, seconds = (Entry(contestant.name, "numpy", True), timing.once(prepared.call)[1])
                else:
                    entry, seconds = check(contestant, prepared, ref, weigh)
                entries.append(entry)
                if entry.right:
                    calls[entry.name], guess[entry.name] = prepared.call, seconds
            times = _times(calls, guess, budget, quick, many=count > 1)
        for entry in entries:
            entry.times = times.get(entry.name)
        results.append(_score(row, problem, count, entries, quick, weigh))
    return results


def _times(calls: dict[str, Any], guess: dict[str, float], budget: float, quick: bool,
           many: bool) -> dict[str, timing.Times]:  # fmt: skip
    return timing.alternate(
        calls, guess, budget=0.0 if quick else budget, least=2 if quick else 9, many=many and not quick
    )


def _pair(row: Row, problem: Problem, threads: int, pair: list[tuple[str, Problem, int]], ref: Reference,
          budget: float, quick: bool) -> Result:  # fmt: skip
    """Ours beside ours: two names with a problem and a number of workers each take turns."""
    entries, calls, guess = [], {}, {}
    for name, asked, count in pair:
        mine = Contestant(name, "faltung", OURS[1].prepare, out=True)
        try:
            prepared = mine.prepare(asked, count)
        except Unsupported as reason:
            entries.append(Entry(name, "faltung", True, f"unsupported: {reason}"))
            continue
        entry, seconds = check(mine, prepared, ref, not quick)
        entries.append(entry)
        if entry.right:
            calls[entry.name], guess[entry.name] = prepared.call, seconds
    times = _times(calls, guess, budget, quick, many=threads > 1)
    for entry in entries:
        entry.times = times.get(entry.name)
    return _score(row, problem, threads, entries, quick, not quick)


def missing(needs: tuple[str, ...]) -> list[str]:
    """The packages of ``needs`` that are not installed."""
    absent = []
    for name in needs:
        try:
            module(name)
        except Unsupported:
            absent.append(name)
    return absent


def _score(row: Row, problem: Problem, threads: int, entries: list[Entry], quick: bool,
           weigh: bool = False) -> Result:  # fmt: skip
    """Find the best peer, compare like with like, and judge by the target."""
    result = Result(row.name, row.kind, threads, row.target, "", flop=problem.flop,
                    output_bytes=size_of(problem), load=timing.load(), group=row.group,
                    taps=problem.k.shape, entries=entries)  # fmt: skip
    timed = {entry.name: entry for entry in entries if entry.times is not None}
    mine = {entry.out: entry for entry in entries if entry.name in (OURS[0].name, OURS[1].name)}
    wrong = [entry.status for entry in entries if entry.package == "faltung" and entry.status[:5] == "wrong"]
    if row.kind in ("scaling", "limit"):
        pair = [entry.times.median for entry in timed.values() if entry.times is not None]
        if len(pair) == 2:
            result.ratio, result.best, result.beside = (pair[0] / pair[1], entries[0].name, entries[1].name)
    elif row.kind == "ceiling":
        result.ratio = _share_of_ceiling(result, mine.get(True), threads, problem)
        result.beside = OURS[1].name
    else:
        beside_peers(row.against, result, timed, mine)
    ours, other = result.entry(result.beside), result.entry(result.best)
    if result.ratio is not None and ours is not None and other is not None and ours.times and other.times:
        result.ratio_fastest = other.times.fastest / ours.times.fastest
    if ours is not None and ours.times is not None:
        result.gflops = problem.flop / ours.times.median / 1e9
        if weigh:
            result.extra_bytes = memory.extra_memory(row.name, threads)
        result.extra_allowed = memory.allowance(problem, threads)
    absent = missing(row.needs)
    if wrong:
        result.status = wrong[0].upper()[:5] + wrong[0][5:]
    elif absent:
        result.status = f"not measured: no {', '.join(absent)}"
    elif result.ratio is None:
        result.status = "not measured"
    elif quick:
        result.status = "quick"
    elif row.kind == "copy" and threads > 1:
        result.status = "info"  # the yardstick copies with one thread
    elif row.target is None:
        result.status = "ahead" if result.ratio >= 1 else "BEHIND"
    else:
        result.status = "pass" if result.ratio >= row.target else "MISS"
    return result


def beside_peers(
    against: tuple[str, ...], result: Result, timed: dict[str, Entry], mine: dict[bool, Entry]
) -> None:
    """The lowest ratio over the peers that are as accurate, each beside ours with ``out`` if it has one.

    A peer is as accurate when it keeps faltung's own promise at every output, or errs at most twice as much.
    """
    limits = [e.verdict.units for e in mine.values() if e.verdict is not None and e.right]
    limit = 2 * max(limits, default=0.0)
    official: list[tuple[float, float, str, str]] = []
    everyone: list[float] = []
    for entry in timed.values():
        if entry.package == "faltung" or entry.times is None:
            continue
        ours = mine.get(entry.out)
        ratio = entry.times.median / ours.times.median if ours is not None and ours.times is not None else 0.0
        everyone.append(ratio)
        if entry.verdict is not None and not entry.verdict.keeps and entry.verdict.units > limit:
            entry.status = "less accurate"
        elif entry.name.startswith(against) and not entry.name.startswith(BY_HAND):
            official.append((ratio, entry.times.median, entry.name, ours.name if ours is not None else ""))
    if official:
        ratio, _, result.best, result.beside = min(official)
        result.ratio, result.ratio_any = ratio or None, min(everyone) or None


def _share_of_ceiling(result: Result, ours: Entry | None, threads: int, problem: Problem) -> float | None:
    """Ours as a share of what the multiply-add units can do, if the extension can measure that."""
    try:
        ceiling: Any = getattr(module("faltung._core"), "fma_ceiling", None)
    except Unsupported:
        ceiling = None
    if ceiling is None or ours is None or ours.times is None:
        return None
    rate = threads * float(ceiling(problem.dtype == np.float64, 0.3))
    result.best = f"FMA ceiling {rate / 1e9:.0f} GFLOP/s"
    return problem.flop / ours.times.median / rate


def fake(answer: Array, name: str = "wrong on purpose") -> Contestant:
    """A contestant that always answers ``answer``; the tests show that a wrong one is never timed."""
    return Contestant(name, "nobody", lambda problem, threads: Prepared(lambda: answer))

"""Tables of layers: a line a row, the figures of each class, whole networks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import report
from .contest import Entry
from .layers_contest import Result
from .layers_ours import NAME
from .layers_rows import CLASSES, TORCH_DEFAULT, Class

COLUMNS = ("row", "layout", "thr", "best peer", "peer ms", "ours ms", "ratio", "fastest", "figure", "verdict",
           "share", "GFLOP/s", "error, u·S", "peer's", "way", "extra MiB")  # fmt: skip


def short(layout: str) -> str:
    """first or last."""
    return layout.removeprefix("channels_")


def cells(r: Result) -> tuple[str, ...]:
    """One line of the table."""
    peer, ours = r.entry(r.best), r.entry(r.beside)
    ratio = "-" if r.ratio is None else f"{r.ratio:.3g}"
    if r.beside_two is not None:
        ratio += f" ({r.beside_two:.3g} two)"
    extra = "-"
    if r.extra_bytes is not None and r.extra_allowed is not None:
        over = " OVER" if r.extra_bytes > r.extra_allowed else ""
        extra = f"{r.extra_bytes / 2**20:.2f} of {r.extra_allowed / 2**20:.2f}{over}"
    return (
        r.row, short(r.layout) + (" cold" if r.cold else ""), str(r.threads), r.best or "-",
        report.milliseconds(peer), report.milliseconds(ours), ratio,
        "-" if r.ratio_fastest is None else f"{r.ratio_fastest:.3g}",
        "-" if r.target is None else f"{r.target:g}", r.status,
        "-" if r.share is None else f"{r.share:.0%} {r.binds}",
        "-" if r.gflops is None else f"{r.gflops:.3g}", units(ours), units(peer), r.way or "-", extra,
    )  # fmt: skip


def units(entry: Entry | None) -> str:
    """The largest error in u·S."""
    return "-" if entry is None or entry.verdict is None else f"{entry.verdict.units:.2g}"


def mean(ratios: Iterable[float]) -> float:
    """Geometric mean.

    >>> mean([2.0, 8.0])
    4.0
    """
    logs = [math.log(ratio) for ratio in ratios]
    return math.exp(sum(logs) / len(logs)) if logs else math.nan


def plain(table: Sequence[tuple[str, ...]]) -> str:
    """Columns padded with spaces."""
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in table
    )


def classes(rows: Sequence[dict[str, Any]], kinds: Mapping[str, Class] = CLASSES) -> list[tuple[str, ...]]:
    """The figures of every class beside what was measured; ``rows`` are results as plain data."""
    head = ("class", "layout", "thr", "rows", "met", "worst", "figure", "mean", "figure", "verdict",
            "worst row", "share")  # fmt: skip
    table: list[tuple[str, ...]] = [head]
    for word, kind in kinds.items():
        found = [row for row in rows if row["kind"] == word and row["ratio"] is not None]
        for layout in sorted({row["layout"] for row in found}):
            for threads in sorted({row["threads"] for row in found}):
                members = [row for row in found if (row["layout"], row["threads"]) == (layout, threads)]
                if not members:
                    continue
                table.append(line(kind.name, short(layout), threads, members, kind.every, kind.mean))
                beside = [row for row in members if word.startswith("far-") and row["beside_torch"]]
                if beside and layout == "channels_first":
                    table.append(line(f"{kind.name}, beside PyTorch", short(layout), threads,
                                      [row | {"ratio": row["beside_torch"]} for row in beside],
                                      0.0, TORCH_DEFAULT))  # fmt: skip
    return table


def line(name: str, layout: str, threads: int, members: Sequence[dict[str, Any]], every: float,
         target: float) -> tuple[str, ...]:  # fmt: skip
    """One line of `classes`; the share is of the ceiling that binds, from the lowest to the highest row."""
    worst = min(members, key=lambda row: float(row["ratio"]))
    reached = mean(row["ratio"] for row in members)
    met = sum(row["ratio"] >= every for row in members)
    verdict = "met" if met == len(members) and reached >= target else "MISSED"
    shares = [row["share"] for row in members if row["share"]]
    return (
        name, layout, str(threads), str(len(members)), str(met), f"{worst['ratio']:.2f}",
        f"{every:g}" if every else "", f"{reached:.2f}", f"{target:g}", verdict, worst["row"],
        f"{min(shares):.0%} to {max(shares):.0%}" if shares else "",
    )  # fmt: skip


def networks(rows: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Every layer as often as its network uses it: ours, each layer by its best peer, one peer alone."""
    table: list[tuple[str, ...]] = [
        ("network", "layout", "thr", "layers", "ours ms", "best peer of each ms", "ratio", "one peer", "ms")
    ]
    keys = {(row["network"], row["layout"], row["threads"]): None for row in rows if row["uses"]}
    for network, layout, threads in keys:
        members = [row for row in rows if row["uses"] and row["network"] == network
                   and (row["layout"], row["threads"]) == (layout, threads)]  # fmt: skip
        totals: dict[str, float] = {}
        best, complete = 0.0, True
        for row in members:
            times = {e["name"]: e["times"]["median"] for e in row["entries"] if e.get("times")}
            complete = complete and row["best"] in times and NAME in times
            best += row["uses"] * times.get(row["best"], math.nan)
            for name in times:
                totals[name] = totals.get(name, 0.0) + row["uses"] * times[name]
        if not complete:
            continue
        everywhere = {name: total for name, total in totals.items() if not name.startswith(NAME)
                      and all(any(e["name"] == name and e.get("times") for e in row["entries"])
                              for row in members)}  # fmt: skip
        single = min(everywhere, key=lambda name: everywhere[name], default="")
        ours = totals[NAME]
        table.append((
            network, short(layout), str(threads), str(sum(row["uses"] for row in members)),
            f"{ours * 1e3:.4g}",
            f"{best * 1e3:.4g}", f"{best / ours:.2f}", single or "-",
            f"{everywhere[single] * 1e3:.4g}" if single else "-",
        ))  # fmt: skip
    return table


def show(results: Sequence[Result], kinds: Mapping[str, Class] = CLASSES) -> None:
    """All tables, losses on top."""
    rows = [result.as_json() for result in results]
    print(plain([COLUMNS, *(cells(result) for result in sorted(results, key=report.urgency))]))
    print()
    print(plain(classes(rows, kinds)))
    totals = networks(rows)
    if len(totals) > 1:
        print()
        print(plain(totals))

"""The pictures of docs/performance.md from files of results: ``python -m benchmarks.plots RUN SWEEP``.

RUN is the JSON of ``benchmarks.arrays``, SWEEP that of ``benchmarks.sweep``; either may be ``-`` to leave its
pictures out. The same files give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("svg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory

Row = dict[str, Any]

PASS, SHORT, LOSS, PLAIN = "#1f6f78", "#d08a1d", "#b4302a", "#64748b"
INK, SOFT, GRID, BAND = "#1c2430", "#6b7280", "#e3e6ea", "#f6f7f9"

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "svg.hashsalt": "faltung",
    "figure.facecolor": "white",
}

KEYS = {PASS: "figure reached", SHORT: "figure missed", LOSS: "slower than the peer", PLAIN: "no figure"}

SIGHT = (0.3, 30.0)
"""Ratios beyond are arrows at the edge, with their number."""

PAGES = {
    "many-taps": (
        "Many taps, factors, templates, gaps",
        ("1-D, many taps", "2-D, many taps", "Template search", "Separable", "Missing data"),
    ),
    "few-taps": (
        "Few taps, all types",
        ("1-D, few taps", "2-D, few taps", "Integers and colour", "Volumes, batches, complex",
         "Overheads and limits"),
    ),
    "other": ("For information: rows without a figure", ("For information",)),
}  # fmt: skip
"""The groups of rows that one picture shows, and its title."""


# --- ratios -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ratio:
    """A row's ratio at one number of threads, and the quartiles over rounds in which both took a turn."""

    row: str
    threads: int
    middle: float
    low: float
    high: float
    target: float | None
    peer: str

    @property
    def colour(self) -> str:
        """Below the target's peer, short of the target, or at it."""
        if self.target is not None and self.middle >= self.target:
            return PASS
        if self.middle < 1 and (self.target is None or self.target >= 1):
            return LOSS
        return PLAIN if self.target is None else SHORT


def ratio_of(row: Row) -> Ratio | None:
    """What a row's samples say, or None where nothing was measured."""
    entries = {entry["name"]: entry for entry in row["entries"]}
    if row["ratio"] is None:
        return None
    low = high = row["ratio"]
    times = [(entries.get(row[side]) or {}).get("times") for side in ("best", "beside")]
    if times[0] and times[1]:
        turns = zip(times[0]["samples"], times[1]["samples"], strict=False)
        rounds = [theirs / ours for theirs, ours in turns]
        if len(rounds) > 1:
            low, _, high = statistics.quantiles(rounds, n=4, method="inclusive")
    return Ratio(row["row"], row["threads"], row["ratio"], low, high, row["target"], row["best"] or "")


def ratios(run: dict[str, Any], groups: tuple[str, ...], title: str) -> Figure | None:
    """A line for every row, a column for every number of threads; None where the run has no such row."""
    found = [(row["group"], ratio_of(row)) for row in run["rows"] if row["group"] in groups]
    shown = [(group, ratio) for group, ratio in found if ratio is not None]
    if not shown:
        return None
    threads = sorted({ratio.threads for _, ratio in shown})
    place, heads, at = {}, [], 0.0
    for group in groups:
        names = dict.fromkeys(ratio.row for where, ratio in shown if where == group)
        if names:
            heads.append((at, group))
            at += 1
            for name in names:
                place[name] = at
                at += 1
            at += 0.5
    height = 0.205 * at + 1.35
    figure = Figure(figsize=(9.6, height))
    figure.subplots_adjust(left=0.2, right=0.985, top=1 - 0.72 / height, bottom=0.62 / height, wspace=0.04)
    axes = figure.subplots(1, len(threads), squeeze=False, sharey=True)[0]
    everything = [x for _, ratio in shown for x in (ratio.low, ratio.middle, ratio.high, ratio.target or 1)]
    low, high = (min(SIGHT[1], max(SIGHT[0], x)) for x in (min(everything), max(everything)))
    for axis, count in zip(axes, threads, strict=True):
        axis.set_xscale("log")
        axis.set_xlim(low / 1.25, high * (high / low) ** (0.1 * len(threads)) * 1.15)  # room for the numbers
        axis.set_ylim(at - 0.3, -0.8)
        _ratio_axis(axis, [ratio for _, ratio in shown if ratio.threads == count], place, (low, high))
        axis.set_title(f"{count} thread{'s' * (count > 1)}", fontsize=9.5, color=INK, pad=6)
    for where, group in heads:
        at_edge = blended_transform_factory(figure.transFigure, axes[0].transData)
        axes[0].text(0.012, where, group, transform=at_edge, weight="bold", va="center", fontsize=9)
    for name, where in place.items():
        axes[0].text(-0.015, where, name, transform=axes[0].get_yaxis_transform(), ha="right", va="center",
                     fontsize=8.2)  # fmt: skip
    figure.text(0.012, 1 - 0.22 / height, title, weight="bold", fontsize=12, va="center")
    figure.text(0.2, 0.2 / height, "time of the best peer / time of faltung (right of 1: faltung is faster)",
                color=SOFT, va="center", fontsize=8.5)  # fmt: skip
    seen = {ratio.colour for _, ratio in shown}
    keys = [_key(colour, label) for colour, label in KEYS.items() if colour in seen]
    if any(ratio.target is not None for _, ratio in shown):
        keys.append(Line2D([], [], color=INK, marker="|", markersize=9, linestyle="", label="figure"))
    figure.legend(
        handles=keys,
        loc="upper right", bbox_to_anchor=(0.99, 1 - 0.04 / height), ncols=5, frameon=False, fontsize=8.2,
        handletextpad=0.2, columnspacing=1.1,
    )  # fmt: skip
    return figure


def _key(colour: str, label: str) -> Line2D:
    return Line2D([], [], color=colour, marker="o", markersize=5.5, linestyle="", label=label)


def _ratio_axis(axis: Axes, shown: list[Ratio], place: dict[str, float], sight: tuple[float, float]) -> None:
    axis.grid(axis="x", color=GRID, linewidth=0.6)
    axis.axvline(1, color=SOFT, linewidth=0.9, zorder=1)
    low, high = sight
    for ratio in shown:
        y = place[ratio.row]
        axis.axhline(y, color=GRID, linewidth=0.6, zorder=0)
        bar = np.clip([ratio.low, ratio.high], low, high)
        axis.plot(bar, [y, y], color=ratio.colour, linewidth=2.6, alpha=0.35, zorder=2,
                  solid_capstyle="round")  # fmt: skip
        marker = "<" if ratio.middle < low else ">" if ratio.middle > high else "o"
        axis.plot(np.clip(ratio.middle, low, high), y, marker, color=ratio.colour, markersize=5.5, zorder=3)
        if ratio.target is not None:
            axis.plot(ratio.target, y, "|", color=INK, markersize=9, markeredgewidth=1.3, zorder=4)
        number = f"{ratio.middle:.{2 if ratio.middle < 10 else 1}f}"
        axis.text(1, y, number, ha="right", va="center", fontsize=8, color=ratio.colour, zorder=5,
                  transform=axis.get_yaxis_transform(),
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5})  # fmt: skip
    ticks = (
        (0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 30) if high / low < 50 else (0.3, 0.5, 1, 2, 5, 10, 20, 30)
    )
    _plain_ticks(axis, "x", tuple(tick for tick in ticks if tick <= 1.1 * high))
    axis.set_yticks([])
    _frame(axis)


# --- time against the number of taps ----------------------------------------------------------------------

LINES: dict[str, tuple[str, str, Any]] = {
    "faltung direct": ("direct", "#8a5a9e", "-"),
    "faltung separable": ("separable", "#3f8f4f", "-"),
    "faltung spectral": ("spectral", "#1f6f78", "-"),
    "faltung spectral high": ("spectral, high", "#5bb0b8", "-"),
    "peers": ("best peer", "#b4432a", (0, (4, 2))),
    "faltung out=": ("auto", INK, ""),
}
"""Contestants of a sweep: label, colour, dashes."""

PANELS = (
    ("signal", "10⁶ samples", "taps"),
    ("image", "1024 × 1024, random taps", "taps along an axis"),
    ("outer", "1024 × 1024, outer products", "taps along an axis"),
)


def best_peer(row: Row) -> Row | None:
    """The fastest right peer that needs no expert."""
    others = [
        entry for entry in row["entries"]
        if entry.get("times") and entry["package"] != "faltung" and not entry["name"].startswith("by hand")
    ]  # fmt: skip
    return min(others, key=lambda entry: entry["times"]["median"], default=None)


def series(rows: Iterable[Row]) -> dict[str, list[tuple[int, float, float, float]]]:
    """For every line of a panel: taps along an axis, and quartiles and median of the time in milliseconds."""
    lines: dict[str, list[tuple[int, float, float, float]]] = {name: [] for name in LINES}
    for row in sorted(rows, key=lambda row: row["taps"]):
        entries = {entry["name"]: entry for entry in row["entries"]}
        entries["peers"] = best_peer(row)
        for name, points in lines.items():
            entry = entries.get(name)
            if entry and entry.get("times"):
                times = entry["times"]
                points.append((row["taps"][0], *(1e3 * times[key] for key in ("q25", "median", "q75"))))
    return lines


def crossings(sweep: dict[str, Any]) -> Figure | None:
    """Log-log panels in which the methods cross; None where nothing was swept."""
    panels = [
        (title, label, series(row for row in sweep["rows"] if row["row"].startswith(name + "-")))
        for name, title, label in PANELS
    ]
    panels = [panel for panel in panels if any(panel[2].values())]
    if not panels:
        return None
    figure = Figure(figsize=(9.6, 4.1))
    figure.subplots_adjust(left=0.062, right=0.99, top=0.83, bottom=0.13, wspace=0.16)
    places = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, label, lines) in zip(places, panels, strict=True):
        axis.set_xscale("log")
        axis.set_yscale("log")
        for name, (_, colour, dashes) in LINES.items():
            if not lines[name]:
                continue
            x, low, middle, high = zip(*lines[name], strict=True)
            if dashes:
                axis.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
                axis.plot(x, middle, color=colour, linestyle=dashes, linewidth=1.8)
            else:
                axis.plot(x, middle, "o", markersize=5.5, markerfacecolor="none", markeredgecolor=colour,
                          markeredgewidth=0.9)  # fmt: skip
        axis.set_title(title, fontsize=9.5, pad=6)
        axis.set_xlabel(label, fontsize=8.5)
        wide = max(point[0] for points in lines.values() for point in points) > 1000
        _plain_ticks(axis, "x", (4, 32, 256, 2048, 16384) if wide else (3, 5, 9, 15, 31, 63, 127))
        _plain_ticks(axis, "y", (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000))
        axis.grid(color=GRID, linewidth=0.6)
        _frame(axis)
    figure.axes[0].set_ylabel("milliseconds, one thread, float32", fontsize=8.5)
    handles = [
        Line2D([], [], color=colour, linestyle=dashes or "", marker="" if dashes else "o", linewidth=1.8,
               markerfacecolor="none", markersize=5.5, label=label)
        for label, colour, dashes in LINES.values()
    ]  # fmt: skip
    figure.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.52, 1.0), ncols=6, frameon=False,
                  fontsize=8.8, columnspacing=1.6, handletextpad=0.5)  # fmt: skip
    return figure


# --- both -------------------------------------------------------------------------------------------------


def _plain_ticks(axis: Axes, which: str, ticks: tuple[float, ...]) -> None:
    """Numbers as people write them, those within the axis."""
    line = axis.xaxis if which == "x" else axis.yaxis
    low, high = axis.get_xlim() if which == "x" else axis.get_ylim()
    kept = [tick for tick in ticks if low <= tick <= high]
    line.set_major_locator(matplotlib.ticker.FixedLocator(kept))
    line.set_major_formatter(matplotlib.ticker.FixedFormatter([f"{tick:g}" for tick in kept]))
    line.set_minor_locator(matplotlib.ticker.NullLocator())
    line.set_tick_params(labelsize=8, length=0)


def _frame(axis: Axes) -> None:
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.set_axisbelow(True)


def save(figure: Figure | None, path: Path) -> None:
    """Write a picture, if there is one, without a date."""
    if figure is not None:
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)
        print(path)


def main(arguments: list[str] | None = None) -> int:
    """Draw all pictures into a folder."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.plots", description=(__doc__ or "").partition("\n")[0]
    )
    p.add_argument("run", help="the JSON of benchmarks.arrays, or -")
    p.add_argument("sweep", help="the JSON of benchmarks.sweep, or -")
    p.add_argument(
        "--into", type=Path, default=Path("docs/performance"), help="folder (default: %(default)s)"
    )
    p.add_argument("--format", choices=("svg", "png"), default="svg")
    options = p.parse_args(arguments)
    options.into.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        if options.run != "-":
            run = json.loads(Path(options.run).read_text())
            for name, (title, groups) in PAGES.items():
                save(ratios(run, groups, title), options.into / f"{name}.{options.format}")
        if options.sweep != "-":
            sweep = json.loads(Path(options.sweep).read_text())
            save(crossings(sweep), options.into / f"crossings.{options.format}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

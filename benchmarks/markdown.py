"""The tables of docs/performance.md from a JSON file: ``python -m benchmarks.markdown results.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def milliseconds(entry: Row | None) -> str:
    """Median of an entry, with its spread where that is over a quarter."""
    if not entry or not entry.get("times"):
        return "–"
    times = entry["times"]
    spread = (times["q75"] - times["q25"]) / times["median"]
    return f"{times['median'] * 1e3:.3g}" + (f" ±{spread:.0%}" if spread > 0.25 else "")


def cell(row: Row | None) -> str:
    """Ratio, the peer's and our milliseconds, and the peer; bold where the figure is missed."""
    if row is None:
        return ""
    if row["ratio"] is None:
        return row["status"]
    entries = {entry["name"]: entry for entry in row["entries"]}
    ratio = f"{row['ratio']:.2f}"
    if row["status"] in ("MISS", "BEHIND"):
        ratio = f"**{ratio}**"
    if row["ratio_any"] is not None and row["ratio_any"] < 0.995 * row["ratio"]:
        ratio += f" ({row['ratio_any']:.2f} any)"
    peer, ours = entries.get(row["best"]), entries.get(row["beside"])
    return f"{ratio}: {milliseconds(peer)} → {milliseconds(ours)}, {row['best']}"


def errors(row: Row) -> str:
    """Both errors, in u·S."""
    entries = {entry["name"]: entry for entry in row["entries"]}
    verdicts = [(entries.get(row[side]) or {}).get("verdict") for side in ("beside", "best")]
    return " / ".join(f"{verdict['units']:.2g}" if verdict else "–" for verdict in verdicts)


def tables(rows: list[Row]) -> str:
    """A table for every group, a line for every row, a column for every number of threads."""
    threads = sorted({row["threads"] for row in rows})
    lines = []
    for group in dict.fromkeys(row["group"] for row in rows):
        heads = ["work", "figure", *(f"{n} thread{'s' * (n > 1)}" for n in threads), "error, u·S"]
        lines += [f"### {group}", "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
        members = [row for row in rows if row["group"] == group]
        for name in dict.fromkeys(row["row"] for row in members):
            found = {row["threads"]: row for row in members if row["row"] == name}
            any_of = found[min(found)]
            target = "" if any_of["target"] is None else f"{any_of['target']:g}"
            cells = [name, target, *(cell(found.get(n)) for n in threads), errors(any_of)]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    print(tables(json.loads(Path(sys.argv[1]).read_text())["rows"]))


if __name__ == "__main__":
    main()

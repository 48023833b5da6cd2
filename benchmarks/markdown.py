"""The table of docs/performance.md from a JSON file: ``python -m benchmarks.markdown results.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def milliseconds(entry: dict[str, Any] | None) -> str:
    """Median of an entry, with its spread where that is over a quarter."""
    if not entry or not entry.get("times"):
        return "–"
    times = entry["times"]
    spread = (times["q75"] - times["q25"]) / times["median"]
    return f"{times['median'] * 1e3:.3g}" + (f" (±{spread:.0%})" if spread > 0.25 else "")


def line(row: dict[str, Any]) -> str:
    """One row: work, threads, the peer, both times, ratio, figure, errors."""
    entries = {entry["name"]: entry for entry in row["entries"]}
    peer, ours = entries.get(row["best"]), entries.get(row["beside"])
    errors = [
        f"{entry['verdict']['units']:.2g}" if entry and entry.get("verdict") else "–"
        for entry in (ours, peer)
    ]
    ratio = "–" if row["ratio"] is None else f"{row['ratio']:.2f}"
    if row["status"] == "MISS":
        ratio = f"**{ratio}**"
    target = "" if row["target"] is None else f"{row['target']:g}"
    cells = (
        row["row"], str(row["threads"]), row["best"] or "–", milliseconds(peer), milliseconds(ours), ratio,
        target, " / ".join(errors),
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Print the table."""
    data = json.loads(Path(sys.argv[1]).read_text())
    print(
        "| work | threads | best peer | peer, ms | faltung, ms | ratio | figure | error, u·S: ours / peer |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for row in data["rows"]:
        print(line(row))


if __name__ == "__main__":
    main()

"""The tables of docs/performance-layers.md: ``python -m benchmarks.layers_markdown run.json [more.json]``.

Of rows that are in several files the last file's count. ``--into PAGE`` writes them to a page in the place of
all that follows its line "## Classes". Files of `backward` are read as well.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import backward_rows
from .layers_ours import NAME
from .layers_problem import LAYOUTS
from .layers_report import classes, networks, short
from .layers_rows import CLASSES

Row = dict[str, Any]

KINDS = CLASSES | backward_rows.CLASSES

HEAD = "## Classes\n"
"""What the tables of a page follow."""

BRIEF = {"torch eager": "torch", "onnxruntime": "ort", "openvino": "ov", "cv2.dnn": "cv"}
"""What a cell calls a peer."""


def ratio(row: Row | None) -> str:
    """The ratio, bold where it misses its figure, and to whom."""
    if row is None:
        return ""
    if row["ratio"] is None:
        return str(row["status"])
    text = f"{row['ratio']:.2f}"
    return f"{f'**{text}**' if row['status'] == 'MISS' else text} {BRIEF.get(row['best'], row['best'])}"


def entry(row: Row, name: str | None) -> Row:
    """A contestant's part of a row."""
    return next((e for e in row["entries"] if e["name"] == name), {})


def details(row: Row) -> list[str]:
    """Our milliseconds, the share of the ceiling, and the errors in u·S, ours and the best peer's."""
    mine = entry(row, row["beside"] or NAME)
    time = f"{mine['times']['median'] * 1e3:.3g}" if mine.get("times") else "–"
    share = f"{row['share']:.0%} {row['binds']}" if row["share"] else "–"
    verdicts = [entry(row, name).get("verdict") for name in (row["beside"], row["best"])]
    return [time, share, " / ".join(f"{v['units']:.2g}" if v else "–" for v in verdicts)]


def table(lines: Sequence[Sequence[str]]) -> list[str]:
    """Lines as a table, the first of them its head."""
    head, *rest = ["| " + " | ".join(line) + " |" for line in lines]
    return [head, "|---" * len(lines[0]) + "|", *rest, ""]


def tables(rows: Sequence[Row]) -> str:
    """The classes, each class's rows, the networks."""
    found = {(row["row"], row["layout"], row["threads"]): row for row in rows}
    columns = [(layout, n) for layout in LAYOUTS for n in sorted({row["threads"] for row in rows})
               if any((row["layout"], row["threads"]) == (layout, n) for row in rows)]  # fmt: skip
    lines = table(classes(list(found.values()), KINDS))
    for word, kind in KINDS.items():
        members = [row for row in found.values() if row["kind"] == word]
        if not members:
            continue
        lines += [f"### {kind.name} (every {kind.every:g}, mean {kind.mean:g})", ""]
        head = [
            "layer",
            "MFLOP",
            *(f"{short(layout)}, {n}" for layout, n in columns),
            "ms",
            "share",
            "error, u·S",
        ]
        body = []
        for name in dict.fromkeys(row["row"] for row in members):
            one = next(row for row in members if row["row"] == name)
            uses = f" ({one['uses']}×)" if one["uses"] else ""
            body.append([name + uses, f"{one['flop'] / 1e6:.3g}",
                         *(ratio(found.get((name, *c))) for c in columns), *details(one)])  # fmt: skip
        lines += table([head, *body])
    totals = networks(list(found.values()))
    return "\n".join(lines + (["### Networks", "", *table(totals)] if len(totals) > 1 else []))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables of some files, or put them into a page."""
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.layers_markdown", description=(__doc__ or "").partition("\n")[0]
    )
    p.add_argument("files", nargs="+", metavar="run.json", help="what --json wrote")
    p.add_argument("--into", metavar="PAGE", help=f"a page with the line {HEAD.strip()!r}")
    options = p.parse_args(arguments)
    text = tables([row for name in options.files for row in json.loads(Path(name).read_text())["rows"]])
    if options.into is None:
        print(text)
        return 0
    page = Path(options.into)
    prose, found, _ = page.read_text().partition(HEAD)
    if not found:
        p.error(f"{page} has no line {HEAD.strip()!r}")
    page.write_text(f"{prose}{HEAD}\n{text.rstrip()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

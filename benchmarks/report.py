"""The table, its JSON, and the facts about machine and packages without which figures mean nothing."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from . import found, lifted
from .contest import Entry, Result
from .contestant import Unsupported, module

COLUMNS = ("row", "thr", "best peer", "peer ms", "ours ms", "ratio", "fastest", "target", "verdict",
           "error of max, of u·S", "peer's error", "GFLOP/s", "extra MiB")  # fmt: skip

PACKAGES = ("faltung", "numpy", "scipy", "opencv-python-headless", "torch", "astropy", "onnxruntime",
            "openvino", "threadpoolctl")  # fmt: skip


def machine() -> dict[str, Any]:
    """Processor, caches, features, system, load."""
    facts: dict[str, Any] = {"system": platform.platform(), "cpus": len(os.sched_getaffinity(0)),
                             "load": os.getloadavg()}  # fmt: skip
    wanted = {"model name": "cpu", "flags": "features", "cpu MHz": "mhz"}
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = (part.strip() for part in line.partition(":"))
            if key in wanted:
                facts.setdefault(wanted[key], value)
        for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
            facts[f"L{level} {kind}"] = size
    except OSError:
        pass
    return facts


def versions() -> dict[str, str]:
    """The version of everything that takes part; "absent" where it does not."""
    found = {"python": sys.version.split()[0]}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


def isa() -> str:
    """The instruction set that faltung runs with."""
    try:
        return str(module("faltung._core").isa())
    except (Unsupported, AttributeError):
        return "not built"


def document(results: list[Result], arguments: dict[str, Any]) -> dict[str, Any]:
    """Everything about a run as plain data."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "isa": isa(),
        "environment": {"handicaps": found, "lifted": lifted},
        "arguments": arguments,
        "rows": [result.as_json() for result in results],
    }


def urgency(result: Result) -> tuple[int, float]:
    """Losses first, the worst on top; then what was not measured; then the rest by distance to the target."""
    distance = (result.ratio or 0.0) / (result.target or 1.0)
    words = ("WRONG", "MISS", "BEHIND", "not measured")
    for rank, word in enumerate(words):
        if result.status.startswith(word):
            return rank, distance
    return (4 if result.target is not None else 5), distance


def milliseconds(entry: Entry | None) -> str:
    if entry is None or entry.times is None:
        return "-"
    times = entry.times
    spread = 100 * times.iqr / times.median if times.median else 0.0
    return f"{times.median * 1e3:.4g} ±{spread:.0f}%" + (f" ({times.rounds}×)" if times.rounds < 9 else "")


def _error(entry: Entry | None) -> str:
    """The largest error as a share of the largest value, and in units of u·S (see `problem.Verdict`)."""
    if entry is None or entry.verdict is None:
        return "-"
    return f"{entry.verdict.relative:.1e} {entry.verdict.units:.2g}u"


def cells(result: Result) -> tuple[str, ...]:
    """One line of the table."""
    peer, ours = result.entry(result.best), result.entry(result.beside)
    extra = "-"
    if result.extra_bytes is not None and result.extra_allowed is not None:
        over = " OVER" if result.extra_bytes > result.extra_allowed else ""
        extra = f"{result.extra_bytes / 2**20:.2f} of {result.extra_allowed / 2**20:.2f}{over}"
    ratio = "-" if result.ratio is None else f"{result.ratio:.3g}"
    if result.ratio is not None and result.ratio_any is not None and result.ratio_any < 0.995 * result.ratio:
        ratio += f" ({result.ratio_any:.3g} any)"
    return (
        result.row, str(result.threads), result.best or "-", milliseconds(peer), milliseconds(ours),
        ratio, "-" if result.ratio_fastest is None else f"{result.ratio_fastest:.3g}",
        "-" if result.target is None else f"{result.target:g}",
        result.status, _error(ours), _error(peer),
        "-" if result.gflops is None else f"{result.gflops:.3g}", extra,
    )  # fmt: skip


def show(results: list[Result]) -> None:
    """Print the table, losses on top: with rich where it is installed, else in plain columns."""
    lines = [cells(result) for result in sorted(results, key=urgency)]
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        print(plain(lines))
    else:
        table = Table(title="ratio = best peer's time / ours", show_lines=False)
        for column in COLUMNS:
            table.add_column(column, overflow="fold", justify="right" if column in COLUMNS[3:8] else "left")
        for result, line in zip(sorted(results, key=urgency), lines, strict=True):
            loss = urgency(result)[0] < 3
            table.add_row(
                *line, style="red" if loss else "green" if result.status in ("pass", "ahead") else None
            )
        console = Console()
        console.print(table) if console.is_terminal else print(plain(lines))
    counts: dict[str, int] = {}
    for result in results:
        word = result.status.partition(":")[0]
        counts[word] = counts.get(word, 0) + 1
    over = sum(1 for r in results if r.extra_bytes is not None and r.extra_bytes > (r.extra_allowed or 0))
    print(", ".join(f"{count} {word}" for word, count in sorted(counts.items())) + f"; memory over: {over}")


def plain(lines: list[tuple[str, ...]]) -> str:
    """Columns padded with spaces.

    >>> plain([tuple("abcdefghijklm")]).splitlines()[1][:12]
    'a    b    c '
    """
    table = [COLUMNS, *lines]
    widths = [max(len(line[i]) for line in table) for i in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in table
    )


def entrants(result: Result) -> str:
    """Every contestant of a row, fastest first, then those that took no part and why."""
    timed = sorted(
        (e for e in result.entries if e.times is not None), key=lambda e: e.times.median if e.times else 0
    )
    lines = [f"  {e.name:32s} {milliseconds(e):>20s} ms   err {_error(e)}"
             + ("" if e.status == "ok" else f"   [{e.status}]") for e in timed]  # fmt: skip
    lines += [f"  {e.name:32s} {e.status}" for e in result.entries if e.times is None]
    return "\n".join(lines)


def lines(value: Any, depth: int, indent: str = "\n") -> str:
    """JSON with a line for everything that lies at most ``depth`` deep, so that a contestant is a line.

    >>> print(lines({"a": 1, "b": [2, {"c": 3}]}, 2))
    {
     "a": 1,
     "b": [
      2,
      {"c": 3}
     ]
    }
    """
    if not depth or not value or not isinstance(value, dict | list | tuple):
        return json.dumps(value)
    deeper = indent + " "
    if isinstance(value, dict):
        items = [f"{json.dumps(key)}: {lines(item, depth - 1, deeper)}" for key, item in value.items()]
        return "{" + deeper + ("," + deeper).join(items) + indent + "}"
    return "[" + deeper + ("," + deeper).join(lines(item, depth - 1, deeper) for item in value) + indent + "]"


def save(path: str, content: dict[str, Any]) -> None:
    """Write the JSON, by way of a temporary name so that no half file is left."""
    target = Path(path)
    half = target.with_name(target.name + ".part")
    half.write_text(lines(content, 4) + "\n")
    half.replace(target)

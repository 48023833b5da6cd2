"""What docs/numerics/results.json says: ``python -m benchmarks.findings`` prints the tables of the page."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import numpy as np

from .numerics import RESULTS

OWED = {"highest": 512, "high": 1024}  # by a transform, in units of u X Σ|k|


def promise(terms: Any) -> Any:
    """The bound of "highest" in units of u S."""
    return 1.1 * np.minimum(terms, 256) + np.ceil(terms / 256) + 20


def conspiracy(bits: Any) -> Any:
    """The error of a block of 2^bits points, whatever the roundings are, in units of u X Σ|k|."""
    return (12 * bits + 3) * 2.0 ** (bits / 2)


def deviation(bits: Any) -> Any:
    """One standard deviation where roundings are independent, for the worst data."""
    return 3.3 * np.sqrt(3 * bits)


def worst_sums(data: dict[str, Any]) -> dict[str, dict[int, float]]:
    """Of every way the largest error of any kind of data, by the number of taps."""
    worst: dict[str, dict[int, float]] = defaultdict(dict)
    for row in data["long_sums"]:
        known = worst[row["way"]].get(row["taps"], 0.0)
        worst[row["way"]][row["taps"]] = max(known, row["units"])
    return worst


def by_kind(data: dict[str, Any], word: str) -> dict[str, dict[int, float]]:
    """Of every kind of data the noise by log2 of the points."""
    kinds: dict[str, dict[int, float]] = defaultdict(dict)
    for row in data["transforms"]:
        if row["precision"] == word:
            kinds[row["data"]][row["points"].bit_length() - 1] = row["units"]
    return kinds


def worst_noise(data: dict[str, Any], word: str) -> float:
    """The largest of all."""
    return max(max(points.values()) for points in by_kind(data, word).values())


def ratios(data: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Of every way the error over the bound, by the kind of data."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in data["hostile"]:
        found[row["way"]][row["data"]] = row["ratio"]
    return found


def tables(data: dict[str, Any]) -> list[str]:
    """The page's tables, each a text."""
    worst, ways = worst_sums(data), ("direct", "numpy.correlate", "chain")
    long = [["taps", "the promise", "faltung, direct", "numpy.correlate", "one chain"]]
    for n in (1, 10, 100, 1000, 10_000, 100_000):
        cells = [cell(worst[way][n], promise(n)) for way in ways]
        long.append([f"{n:,}", f"{promise(n):.0f}", *cells])
    kinds = {word: by_kind(data, word) for word in OWED}
    noise = [
        ["points", "float64, of 512", "float32, of 1024", "a standard deviation, at most", "if all conspired"]
    ]
    for x in sorted(next(iter(kinds["high"].values())))[1::2]:
        measured = [digits(max(points[x] for points in kinds[word].values())) for word in OWED]
        noise.append(["2" + raised(x), *measured, digits(deviation(x)), f"{conspiracy(x):,.0f}"])
    found = ratios(data)
    beside = [["data", *(way.replace(", highest", "") for way in found)]]
    for kind in found["direct, highest"]:
        cells = [cell(found[way][kind], 1) for way in found]
        beside.append([kind, *cells])
    return [table(rows) for rows in (long, noise, beside)]


def cell(value: float, limit: float) -> str:
    """Bold beyond the limit."""
    return f"**{digits(value)}**" if value > limit else digits(value)


def raised(power: int) -> str:
    """An exponent."""
    return str(power).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))


def digits(value: float) -> str:
    """Two of them."""
    mantissa, _, power = f"{value:.1e}".partition("e")
    if value and not 1e-4 <= value < 1e5:
        return f"{mantissa}·10{raised(int(power))}"
    return f"{float(f'{value:.2g}'):,.10g}" if value >= 1 else f"{value:.2g}"


def table(rows: list[list[str]]) -> str:
    """Markdown."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


if __name__ == "__main__":
    print("\n\n".join(tables(json.loads(RESULTS.read_text(encoding="utf-8")))))

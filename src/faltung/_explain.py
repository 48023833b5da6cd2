"""What a plan tells of itself: what it does, its candidates, why one was taken, and how that one runs."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from math import floor, log10
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._dtype import is_integer
from ._precision import error_units
from ._recipe import Recipe
from ._recipe import recipe as make_recipe

Array: TypeAlias = NDArray[Any]
Cells: TypeAlias = tuple[str, ...]


class Candidate(NamedTuple):
    """One method that could run: predicted seconds of one thread, extra bytes a thread, promise, reason."""

    method: str
    seconds: float
    extra_bytes: int
    promise: str
    reason: str
    chosen: bool


class Explanation(str):
    """The candidates of a plan and the details of the one that runs: a text, and a table in a notebook."""

    heading: str
    candidates: tuple[Candidate, ...]
    details: tuple[tuple[str, str], ...]

    def __new__(
        cls, heading: str, candidates: tuple[Candidate, ...], details: tuple[tuple[str, str], ...]
    ) -> Explanation:
        """Lay the table out."""
        self = super().__new__(cls, _text(heading, _cells(candidates), details))
        self.heading, self.candidates, self.details = heading, candidates, details
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.heading, self.candidates, self.details

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head, *rows = _cells(self.candidates)
        table = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        details = "".join(f"<li>{escape(name)}: {escape(text)}</li>" for name, text in self.details)
        return f"<p>{escape(self.heading)}</p><table><tr>{table}</tr>{body}</table><ul>{details}</ul>"


def explain(recipe: Recipe) -> Explanation:
    """The candidates of a recipe, their predicted time, what they promise, and why one was taken."""
    promise = "exact" if recipe.exact else "highest"
    direct, slow = recipe.seconds(), recipe.seconds(reference=True)
    if recipe.reference:
        reasons = ("`method='reference'` was asked for", "asked for")
    else:
        asked = recipe.request.method == "direct"
        fastest = "asked for" if asked else "fastest that keeps the promise"
        reasons = (fastest, f"about {slow / direct:.0f} times slower" if slow > 1.5 * direct else "no faster")
    details, scratch = _details(recipe)
    rows = (
        Candidate("direct", direct, scratch, promise, reasons[0], not recipe.reference),
        Candidate("reference", slow, 0, promise, reasons[1], recipe.reference),
    )
    return Explanation(title(recipe), rows, details)


def error_bound(how: Recipe, a: Array, k: Array) -> Array:
    """The bound of "highest" at every output, in units of the result; `Plan.error_bound` has the formula."""
    request, n = how.request, how.terms
    if how.exact and is_integer(how.out_dtype):
        return np.zeros(how.out_shape)
    double, fill = np.dtype(np.float64), np.abs(np.frombuffer(request.fill, request.dtype)[:1])
    absolute = replace(
        request, dtype=double, kernel_dtype=double, weak=False, kernel_weak=False, result=None,
        fill=fill.astype(float).tobytes(),
    )  # fmt: skip
    total = make_recipe(absolute).run(np.abs(a).astype(float), np.abs(k).astype(float), None, None)
    unit, lost = (2.0**-53, -(-n // 2) * 2.0**-1074) if how.double else (2.0**-24, n * 2.0**-150)
    bound = error_units(n) * unit * total + lost
    half = {"float16": (2.0**-11, 2.0**-25), "bfloat16": (2.0**-8, 2.0**-134)}.get(how.out_dtype.name)
    if half:
        return bound + half[0] * (total + bound) + half[1]
    return bound + 0.5 if is_integer(how.out_dtype) else bound


def title(recipe: Recipe) -> str:
    """The operation in one line."""
    r = recipe.request
    name = "convolve" if r.flip else "correlate"
    return (
        f"{name} {r.dtype} {r.shape} with {r.kernel_dtype} {r.kernel_shape} -> "
        f"{recipe.out_dtype} {recipe.out_shape}, mode {r.mode}, "
        f"boundary {' '.join(dict.fromkeys(r.boundary)) or 'none'}"
    )


def _details(recipe: Recipe) -> tuple[tuple[tuple[str, str], ...], int]:
    """How the direct method runs, and its extra bytes a thread."""
    if not recipe.size or recipe.complex == (False, True):
        return (), 0
    told = recipe.for_explain().summary()
    rows, columns, group = told["tile"]
    strip, block = told["unit"]
    in_place = told["reads_in_place"]
    details = (
        ("microkernel", told["kernel"]),
        ("register tile", f"{rows} rows x {columns} columns, {group} kernel rows at once"),
        ("unit of work", f"{strip} rows x {block} columns, {told['units']} units"),
        ("partial sums", f"{told['partial_sums']} an output, of at most 256 terms each"),
        ("input", "read in place, borders peeled" if in_place else "converted strip by strip in cache"),
        ("multiply-adds", f"{recipe.products:,}"),
    )
    return details, told["scratch_bytes"]


def _cells(candidates: tuple[Candidate, ...]) -> list[Cells]:
    head: Cells = ("", "method", "predicted", "extra memory", "promise", "why")
    rows = [
        ("*" if c.chosen else "", c.method, _time(c.seconds), _bytes(c.extra_bytes), c.promise, c.reason)
        for c in candidates
    ]
    return [head, *rows]


def _text(title: str, cells: list[Cells], details: tuple[tuple[str, str], ...]) -> str:
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = [title]
    lines += [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    name_width = max((len(name) for name, _ in details), default=0)
    lines += [f"   {name.ljust(name_width)}  {text}" for name, text in details]
    return "\n".join(lines)


def _time(seconds: float) -> str:
    """Three significant digits.

    >>> [_time(t) for t in (4.56e-6, 99.96e-6, 0.12, 0.99996, 1623)]
    ['4.56 µs', '100 µs', '120 ms', '1.00 s', '1620 s']
    """
    rounded = float(f"{seconds:.2e}")
    size, unit = (1.0, "s") if rounded >= 1 else (1e-3, "ms") if rounded >= 1e-3 else (1e-6, "µs")
    digits = 2 - floor(log10(rounded / size)) if rounded else 2
    return f"{round(rounded / size, digits):.{max(digits, 0)}f} {unit}"


def _bytes(n: int) -> str:
    return f"{n / 1024:.0f} KiB a thread" if n else "none"

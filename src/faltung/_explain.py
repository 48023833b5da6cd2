"""What a plan tells of itself: what it does, its candidates, why one was taken, and how that one runs."""

from __future__ import annotations

from math import floor, log10
from typing import Any, NamedTuple, Protocol, TypeAlias

from numpy.typing import NDArray

from . import _ways
from ._missing import describe_missing
from ._recipe import Recipe
from ._ways import Choice, Known, Refusal, Way

Array: TypeAlias = NDArray[Any]
Cells: TypeAlias = tuple[str, ...]
Details: TypeAlias = tuple[tuple[str, str], ...]


_INPUT = {True: "read in place, borders peeled", False: "converted strip by strip in cache"}


class Candidate(NamedTuple):
    """One method: seconds of one thread, extra bytes a thread (None: it cannot run), promise, why."""

    method: str
    seconds: float | None
    extra_bytes: int | None
    promise: str
    reason: str
    chosen: bool

    @property
    def head(self) -> Cells:
        """The columns of a table of such candidates."""
        return "", "method", "predicted", "extra memory", "promise", "why"

    @property
    def cells(self) -> Cells:
        """One row of it."""
        star = "*" if self.chosen else ""
        return star, self.method, time_cell(self.seconds), _bytes(self.extra_bytes), self.promise, self.reason


class Row(Protocol):
    """A row of an explanation's table."""

    @property
    def head(self) -> Cells:
        """The columns."""

    @property
    def cells(self) -> Cells:
        """The row."""


class Explanation(str):
    """The candidates of a plan and the details of the one that runs: a text, and a table in a notebook."""

    heading: str
    candidates: tuple[Any, ...]
    details: tuple[tuple[str, str], ...]

    def __new__(
        cls, heading: str, candidates: tuple[Row, ...], details: tuple[tuple[str, str], ...]
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
        from html import escape

        head, *rows = _cells(self.candidates)
        table = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        details = "".join(f"<li>{escape(name)}: {escape(text)}</li>" for name, text in self.details)
        return f"<p>{escape(self.heading)}</p><table><tr>{table}</tr>{body}</table><ul>{details}</ul>"


def explain(how: Recipe, k: Array, taken: Choice, why: str | None = None, known: Known = None) -> Explanation:
    """The candidates for a recipe and its taps, what they cost and promise, and why one was taken."""
    found = _ways.candidates(how, k, known)
    best = taken.way.seconds
    rows = []
    for candidate in found:
        if isinstance(candidate, Refusal):
            rows.append(Candidate(candidate.method, None, None, "", candidate.reason, False))
            continue
        way = candidate.way
        chosen = way.method == taken.way.method
        if chosen:
            reason = why or _why(how)
        else:
            factor = way.seconds / best
            digits = 0 if factor >= 9.95 else 1
            reason = f"about {factor:.{digits}f} times slower" if factor > 1 else "gains too little"
        extra = _direct_bytes(how) if way.method == "direct" else way.extra_bytes
        rows.append(Candidate(way.method, way.seconds, extra, _promise(how, way), reason, chosen))
    return Explanation(title(how), tuple(rows), _details(how, taken.way) + describe_missing(how, k))


def _why(how: Recipe) -> str:
    if how.request.method != "auto":
        return f"`method={how.request.method!r}` was asked for"
    return "fastest that keeps the promise"


def _promise(how: Recipe, way: Way) -> str:
    if how.exact and not how.request.missing:
        return "exact"
    if way.method == "spectral":
        return "highest + 2^-44 X Σ|k|" if way.local else "high"
    return "highest"


def title(recipe: Recipe) -> str:
    """The operation in one line."""
    r = recipe.request
    name = "convolve" if r.flip else "correlate"
    return (
        f"{name} {r.dtype} {r.shape} with {r.kernel_dtype} {r.kernel_shape} -> "
        f"{recipe.out_dtype} {recipe.out_shape}, mode {r.mode}, "
        f"boundary {' '.join(dict.fromkeys(r.boundary)) or 'none'}"
    )


def _details(how: Recipe, way: Way) -> Details:
    """How the way that was taken runs."""
    common = (("multiply-adds", f"{how.products:,}"),) if way.method in ("direct", "reference") else ()
    if way.method == "spectral":
        return _spectral_details(way)
    if way.method == "separable":
        products = way.terms * sum(how.lengths)
        terms = "1 outer product" if way.terms == 1 else f"a sum of {way.terms} outer products"
        return (
            ("kernel", f"{terms}: {products} products a sample instead of {how.taps}"),
            ("passes", "fused: strips stay in cache, no whole intermediate"),
        )
    told = how.direct_summary if way.method == "direct" else None
    if told is None:
        return common
    rows, columns, group = told["tile"]
    strip, block = told["unit"]
    return (
        ("microkernel", told["kernel"]),
        ("register tile", f"{rows} rows x {columns} columns, {group} kernel rows at once"),
        ("unit of work", f"{strip} rows x {block} columns, {told['units']} units"),
        ("partial sums", f"{told['partial_sums']} an output, of at most 256 terms each"),
        (
            "input",
            "read in place, borders peeled"
            if told["reads_in_place"]
            else "converted strip by strip in cache",
        ),
        *common,
    )


def _spectral_details(way: Way) -> Details:
    size = " x ".join(map(str, way.block))
    details: Details = (
        ("transform", f"{'float64' if way.compute == 'f64' else 'float32'}, blocks of {size} points"),
        ("layout", _ways.layout(way)),
        ("spectrum", f"{way.spectrum / 1024:.0f} KiB of the kernel"),
        ("set aside", "spikes and what is not finite" if way.local else "what is not finite"),
    )
    return details


def _direct_bytes(how: Recipe) -> int:
    told = how.direct_summary
    return told["scratch_bytes"] if told else 0


def _cells(candidates: tuple[Row, ...]) -> list[Cells]:
    return [candidates[0].head, *(candidate.cells for candidate in candidates)]


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


def time_cell(seconds: float | None) -> str:
    """Three significant digits.

    >>> [time_cell(t) for t in (4.56e-6, 99.96e-6, 0.12, 0.99996, 1623)]
    ['4.56 µs', '100 µs', '120 ms', '1.00 s', '1620 s']
    """
    if seconds is None:
        return "-"
    rounded = float(f"{seconds:.2e}")
    size, unit = (1.0, "s") if rounded >= 1 else (1e-3, "ms") if rounded >= 1e-3 else (1e-6, "µs")
    digits = 2 - floor(log10(rounded / size)) if rounded else 2
    return f"{round(rounded / size, digits):.{max(digits, 0)}f} {unit}"


def _bytes(n: int | None) -> str:
    if n is None:
        return "-"
    return f"{n / 1024:.0f} KiB a thread" if n else "none"

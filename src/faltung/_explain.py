"""What `plan.explain()` returns: a table that prints, and renders in a notebook."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple, TypeAlias

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
    for unit, name in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= unit:
            return f"{seconds / unit:.2g} {name}"
    return f"{seconds * 1e6:.2g} µs"


def _bytes(n: int) -> str:
    return f"{n / 1024:.0f} KiB a thread" if n else "none"

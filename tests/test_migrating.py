"""docs/migrating.md: every row of its tables runs, and both sides give the same numbers, shape and dtype."""

from __future__ import annotations

import ast
import copy
import doctest
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import faltung as fl
import matlab
from conftest import peer

PAGE = Path(__file__).resolve().parent.parent / "docs" / "migrating.md"
TEXT = PAGE.read_text(encoding="utf-8")
CELL = re.compile(r"^`([^`]+)`$")


class Section(NamedTuple):
    """One heading: the code that prepares its names, and the cells of its tables that are code only."""

    title: str
    setup: str
    rows: tuple[tuple[str, ...], ...]


def read(text: str) -> Section:
    title, _, body = text.partition("\n")
    setup = re.search(r"^```py\n(.*?)^```", body, re.MULTILINE | re.DOTALL)
    lines = [line.strip("| ").split(" | ") for line in body.splitlines() if line.startswith("| ")]
    cells = [[found[1] for cell in line if (found := CELL.match(cell.strip(" |")))] for line in lines]
    return Section(
        title, setup[1] if setup else "", tuple(tuple(row) for row in cells if len(row) > 1 and "(" in row[0])
    )


SECTIONS = [read(part) for part in TEXT.split("\n## ")[1:]]
LIBRARIES = [section for section in SECTIONS if "differ" not in section.title]
(DIFFERENT,) = [section for section in SECTIONS if section not in LIBRARIES]


@cache
def shown() -> dict[str, Any]:
    """The names that the page introduces."""
    names: dict[str, Any] = {}
    for example in doctest.DocTestParser().get_examples(TEXT.split("\n## ")[0]):
        exec(example.source, names)
    return names


def prepare(setup: str) -> dict[str, Any]:
    """A copy of those names, and what the section imports: its peers, or a skip."""
    names = {name: value if name in ("np", "fl") else copy.deepcopy(value) for name, value in shown().items()}
    for node in ast.walk(ast.parse(setup)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                peer(alias.name)
        elif isinstance(node, ast.ImportFrom) and node.module:
            peer(node.module)
    exec(setup, names)
    return names


def evaluate(expression: str, names: dict[str, Any]) -> np.ndarray:
    with warnings.catch_warnings():  # what a peer says of its own way of working
        if "fl." not in expression:
            warnings.simplefilter("ignore")
        return np.asarray(eval(expression, names))


ROWS = [(section, row) for section in LIBRARIES for row in section.rows]


@pytest.mark.parametrize(("section", "row"), ROWS, ids=[row[0] for _, row in ROWS])
def test_both_sides_of_a_row_are_equal(section: Section, row: tuple[str, ...]) -> None:
    names = prepare(section.setup)
    if section.title == "MATLAB":
        names |= {name: value for name, value in vars(matlab).items() if callable(value)}
    theirs, ours = (evaluate(cell, names) for cell in row[:2])
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    if ours.dtype.kind in "bui":
        assert np.array_equal(ours, theirs)
    else:
        near = 200 * np.finfo(ours.dtype).eps * np.nanmax(abs(theirs))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=near)
        assert np.nanmin(theirs.real) < np.nanmax(theirs.real)


@pytest.mark.parametrize("row", DIFFERENT.rows, ids=[row[0] for row in DIFFERENT.rows])
def test_both_sides_of_a_row_give_what_is_shown(row: tuple[str, ...]) -> None:
    names = prepare("from scipy import ndimage, signal")
    for expression, expected in (row[:2], row[2:]):
        assert evaluate(expression, names).tolist() == eval(expected)
    assert eval(row[1]) != eval(row[3])


def test_no_row_is_left_out() -> None:
    """A cell that is not code by itself would not be run."""
    calls = re.findall(r"^\| `[^`]*\(", TEXT, re.MULTILINE)
    assert len(calls) == sum(len(section.rows) for section in SECTIONS)
    assert all(len(section.rows) > 5 for section in SECTIONS)
    assert all(len(row) == 4 for row in DIFFERENT.rows)
    assert all("fl." in row[1] or "np.arange" in row[1] for _, row in ROWS)


@pytest.mark.parametrize("taps", range(1, 8))
def test_the_anchor_is_the_middle_and_the_origin_of_ndimage(taps: int) -> None:
    ndimage = peer("scipy.ndimage")
    rng = np.random.default_rng(taps)
    a, k = rng.integers(-9, 10, 20), rng.integers(-9, 10, taps)
    for op in ("convolve", "correlate"):
        seen = set()
        for origin in range(-(taps // 2) - 1, taps // 2 + 2):
            try:
                theirs = getattr(ndimage, op)(a, k, mode="nearest", origin=origin)
            except ValueError:
                continue
            anchor = taps // 2 + origin
            ours = getattr(fl, op)(a, k, "same", boundary="edge", anchor=anchor)
            assert np.array_equal(ours, theirs)
            seen.add(anchor)
        assert len(seen) >= taps - 1


def test_the_lags_of_a_correlation() -> None:
    signal = peer("scipy.signal")
    for n in range(2, 9):
        for taps in range(1, n + 1):
            for mode, first in (("full", 1 - taps), ("same", -(taps // 2)), ("valid", 0)):
                ours = np.arange(fl.plan_correlate(n, np.ones(taps), mode).shape[0]) + first
                delta = np.zeros(n)
                delta[n // 2] = 1
                for lag, value in zip(ours, fl.correlate(delta, np.arange(1.0, taps + 1), mode), strict=True):
                    assert value == (n // 2 - lag + 1 if 0 <= n // 2 - lag < taps else 0)
                wrong = mode == "same" and n % 2 == 1 and taps % 2 == 0
                assert np.array_equal(signal.correlation_lags(n, taps, mode), ours) != wrong

"""docs/numerics.md: its tables are those of its file, which keeps the promise; both can be made anew."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks import findings, numerics
from conftest import peer

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "numerics.md").read_text(encoding="utf-8")
DATA = json.loads(numerics.RESULTS.read_text(encoding="utf-8"))


def test_the_tables_are_those_of_the_file() -> None:
    for table in findings.tables(DATA):
        assert table in PAGE
    for word, owed in findings.OWED.items():
        worst = findings.digits(findings.worst_noise(DATA, word))
        assert re.search(rf"^\| float.* \| {owed} \|.* \| {re.escape(worst)} u \|$", PAGE, re.MULTILINE)


def test_every_picture_is_shown_and_described() -> None:
    pictures = {path.name for path in numerics.RESULTS.parent.glob("*.png")}
    shown = dict(re.findall(r"!\[([^\]]+)\]\(numerics/([^)]+)\)", PAGE))
    assert set(shown.values()) == pictures and len(pictures) == 5
    assert all(len(text) > 20 for text in shown)
    assert sum(path.stat().st_size for path in numerics.RESULTS.parent.iterdir()) < 500_000


def assert_kept(document: dict) -> None:
    """Ours keep what they promise, in every row."""
    for row in document.get("long_sums", ()):
        if row["way"] == "direct":
            assert row["units"] <= findings.promise(row["taps"])
    for row in document["transforms"]:
        assert row["units"] <= findings.OWED[row["precision"]] / 8
    ours = [row for row in document["hostile"] if ", " in row["way"]]
    assert len(ours) == 4 * 8
    for row in ours:  # transforms owe a share of what is loud nearby, beside the bound of sums
        allowed = 1e4 if row["way"] == "spectral, highest" and "stretches" in row["data"] else 1
        assert row["ratio"] <= allowed, row
    errors, bounds = document["spike"]["errors"], document["spike"]["bounds"]
    for way, bound in bounds.items():
        assert all(error <= most for error, most in zip(errors[way], bound, strict=True))


def test_the_file_keeps_the_promise() -> None:
    assert_kept(DATA)
    others = [row["ratio"] for row in DATA["hostile"] if row["way"] == "scipy.signal.fftconvolve"]
    assert max(others) > 1e6


def test_the_measurements_can_be_repeated() -> None:
    """On this machine and instruction set, with short transforms."""
    peer("cv2")
    document = {
        "transforms": numerics.transforms(7),
        "hostile": numerics.hostile(),
        "spike": numerics.spike(),
    }
    assert_kept(document)
    assert {row["data"] for row in document["hostile"]} == {row["data"] for row in DATA["hostile"]}
    assert json.loads(numerics.text_of(document))["spike"]["taps"] == 501


def test_every_picture_can_be_drawn() -> None:
    pytest.importorskip("matplotlib", reason="figures are drawn with the extra [plot]")
    from benchmarks import figures

    assert {draw.__name__ for draw in figures.PICTURES} == {
        path.stem for path in numerics.RESULTS.parent.glob("*.png")
    }
    for draw in figures.PICTURES:
        picture = draw(DATA)
        assert picture.axes
        figures.plt.close(picture)

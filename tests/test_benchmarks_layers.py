"""The benchmark of layers asks all the right question, in the layout it says, and times no wrong answer."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import (
    contest,
    layers,
    layers_calls,
    layers_ceiling,
    layers_contest,
    layers_markdown,
    layers_memory,
    layers_onnx,
    layers_problem,
    layers_report,
    layers_rows,
    timing,
)
from benchmarks.contestant import Contestant, Prepared, Unsupported, module
from benchmarks.judge import Verdict
from benchmarks.layers_ours import NAME, TWO
from benchmarks.layers_problem import LAYOUTS, problem, reference
from benchmarks.layers_rows import CLASSES, ROWS
from benchmarks.layers_shape import shape, spell
from conftest import peer

for name in ("torch", "onnxruntime", "openvino", "cv2"):  # their own deprecations, at import, are not ours
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module(name)
        except Unsupported:
            continue


def row(name: str) -> layers_rows.Row:
    return next(row for row in ROWS if row.name == name)


TINY = {row.shape.tiny(): row for row in ROWS}
"""A row of every distinct layer that is left when all are shrunk."""


def test_rows_have_their_own_names_and_a_class() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {row.kind for row in ROWS} | {row.kind for row in layers_calls.OWN} == set(CLASSES)


@pytest.mark.parametrize(
    ("network", "different", "all_together"), [("resnet50", 20, 53), ("vgg16", 9, 13), ("mobilenet1", 19, 27)]
)
def test_networks_are_complete(network: str, different: int, all_together: int) -> None:
    uses = [row.uses for row in ROWS if row.network == network and row.uses]
    assert (len(uses), sum(uses)) == (different, all_together)


def test_resnet_computes_what_is_published() -> None:
    products = sum(row.uses * row.shape.flop // 2 for row in ROWS if row.network == "resnet50")
    assert products == pytest.approx(3.86e9, rel=0.01)


@pytest.mark.parametrize("text", sorted({row.shape.text for row in ROWS}))
def test_a_line_is_read_and_spelled(text: str) -> None:
    s = shape(text)
    assert spell(s) == text
    assert shape(s.tiny().text).out == s.tiny().out


def test_a_wrong_line() -> None:
    with pytest.raises(ValueError, match=r"`text` \(='3y3 8'\) must look like"):
        shape("3y3 8")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("chosen", TINY.values(), ids=lambda chosen: chosen.name)
def test_every_kind_of_layer_agrees(chosen: layers_rows.Row, layout: str) -> None:
    """All that take part give the answer, in the layout asked for; only float64 is beyond some of them."""
    s = chosen.shape.tiny()
    p = problem(s).turned(layout)
    result = layers_contest.measure(chosen, p, reference(p), 1, budget=0.0, quick=True)
    ours = [e for e in result.entries if e.package == "faltung"]
    assert [e.status for e in ours if not e.status.startswith("unsupported: pairs only")] == ["ok"] * (
        1 + (s.then > 0)
    )
    assert all(e.verdict is not None and e.verdict.keeps for e in ours if e.status == "ok")
    wrong = {e.name for e in result.entries if e.status.startswith("wrong")}
    assert wrong <= ({"openvino"} if s.dtype == np.float64 else set())
    refused = {
        e.name: e.status
        for e in result.entries
        if e.status.startswith("unsupported") and e.package != "faltung"
    }
    if layout == LAYOUTS[0] and s.dtype == np.float32:
        assert all("not installed" in status for status in refused.values())
    assert result.status in ("quick", "not measured") or result.status.startswith("not measured: no ")


class TestContest:
    p = problem(shape("3x3 3-6@6"))
    ref = reference(p)
    row = next(row for row in ROWS if row.name == "resnet50-3x3-64-64@56")

    def measure(self, *extra: Contestant, **options: Any) -> layers_contest.Result:
        options = {"budget": 0.0, "quick": True} | options
        return layers_contest.measure(self.row, self.p, self.ref, 1, extra=extra, **options)

    def test_a_wrong_contestant_is_never_timed(self) -> None:
        right = self.ref.exact.astype(np.float32)
        players = [Contestant(name, "nobody", lambda p, t, fresh, y=y: Prepared(lambda: y))
                   for name, y in (("right", right), ("flipped", right[:, :, ::-1]))]  # fmt: skip
        result = self.measure(*players)
        good, bad = result.entry("right"), result.entry("flipped")
        assert good is not None
        assert good.times is not None
        assert bad is not None
        assert bad.times is None
        assert bad.status.startswith("wrong: off by")

    def test_cold_calls_allocate(self) -> None:
        result = self.measure(cold=True)
        mine = result.entry(NAME)
        assert result.cold
        assert mine is not None
        assert mine.times is not None
        assert mine.times.rounds == 2

    def test_share_of_the_ceiling(self) -> None:
        result = self.measure(quick=False)
        assert result.binds in ("fma", "copy")
        assert result.share is not None
        assert 0 < result.share < 1.2


def entry(name: str, seconds: float, out: bool = True) -> contest.Entry:
    times = timing.Times(seconds, seconds, seconds, seconds, 9)
    return contest.Entry(
        name, name.partition(" ")[0].partition(",")[0], out, "ok", Verdict(1e-7, 1.0, True), times
    )


def score(kind: str, *entries: contest.Entry) -> layers_contest.Result:
    asked = dataclasses.replace(row("resnet50-3x3-64-64@56"), kind=kind)
    return layers_contest.score(
        asked, problem(asked.shape.tiny()), 1, list(entries), quick=False, kind=CLASSES[kind]
    )


def test_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "missing", lambda needs: [])
    found = score("dense", entry(NAME, 1.0), entry("torch eager", 3.0, False), entry("onnxruntime", 0.96))
    assert (found.ratio, found.best, found.status, found.beside_torch) == (0.96, "onnxruntime", "pass", 3.0)
    found = score("pair", entry(NAME, 1.0), entry(TWO, 0.9), entry("torch eager", 1.1, False))
    assert (found.ratio, found.status, found.beside_two) == (1.1, "MISS", 0.9)
    monkeypatch.setattr(contest, "missing", lambda needs: ["openvino"])
    found = score("dense", entry(NAME, 1.0), entry("torch eager", 3.0, False))
    assert found.status == "not measured: no openvino"
    wrong = entry(NAME, 1.0)
    wrong.status, wrong.times = "wrong: shape", None
    assert score("dense", wrong, entry("torch eager", 3.0)).status == "WRONG: shape"


def test_tables_of_classes_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "missing", lambda needs: [])
    fast, slow = (score("far-high", entry(NAME, 1.0), entry("torch eager", n)) for n in (2.0, 8.0))
    slow.row, fast.layout, slow.layout = "slow", LAYOUTS[0], LAYOUTS[0]
    rows = [fast.as_json(), slow.as_json()]
    _, line, torch = layers_report.classes(rows)
    kind = CLASSES["far-high"]
    assert line == (
        kind.name,
        "first",
        "1",
        "2",
        "2",
        "2.00",
        "1.5",
        "4.00",
        "2.5",
        "met",
        "resnet50-3x3-64-64@56",
        "",
    )
    assert torch[7:10] == ("4.00", "20", "MISSED")
    _, total = layers_report.networks(rows)
    assert total == ("resnet50", "first", "1", "6", "6000", "3e+04", "5.00", "torch eager", "3e+04")
    text = layers_markdown.tables(rows)
    millions = f"{slow.flop / 1e6:.3g}"
    assert f"| slow (3×) | {millions} | 8.00 torch | 1e+03 | – | 1 / 1 |" in text


def test_a_wrong_reference_is_no_reference() -> None:
    p = problem(shape("3x3s2g2 6-8@7"))
    ref = reference(p)
    layers_problem.compare(p, ref.exact, ref.scale)
    bad = ref.exact.copy()
    bad[0, -1, -1, -1] *= 1 + 1e-9
    with pytest.raises(ArithmeticError, match=r"at \(.*\), the definition"):
        layers_problem.compare(p, bad, ref.scale)


def test_a_float64_layer_is_judged_in_wider_numbers() -> None:
    p = problem(shape("3x3 3-6@6", dtype=np.float64))
    ref = reference(p)
    assert ref.exact.dtype == np.longdouble
    assert ref.roundoff == 2.0**-53


def test_a_pair_is_two_layers() -> None:
    p = problem(shape("dw3x3s2 3@7>5", between="relu6", after="relu"))
    ref = reference(p)
    first = dataclasses.replace(p, shape=shape("dw3x3s2 3@7"), weights=p.weights[:1], biases=p.biases[:1])
    middle = np.clip(reference(first).exact, 0, 6)
    second = dataclasses.replace(
        p, shape=shape("1x1 3-5@4"), x=middle, weights=p.weights[1:], biases=p.biases[1:]
    )
    np.testing.assert_allclose(ref.exact, np.maximum(reference(second).exact, 0), rtol=1e-12)


@pytest.mark.parametrize("text", ["7x7s2 3-6@11", "2d4v 3-6@8", "dw3x3 3@6>5"])
def test_models_are_models(text: str) -> None:
    onnx = peer("onnx")
    onnx.checker.check_model(onnx.load_from_string(layers_onnx.model(problem(shape(text, between="relu6")))))


def test_numbers_of_protobuf() -> None:
    assert layers_onnx.varint(0) == b"\0"
    assert layers_onnx.varint(1 << 21) == b"\x80\x80\x80\x01"
    assert layers_onnx.field(1, "ab") == b"\x0a\x02ab"


def test_threads_are_measured_together() -> None:
    assert layers_ceiling.together(lambda: 2.0, 3) == 6.0
    assert layers_ceiling.copying(1 << 20, 2) > 1e8


@pytest.mark.parametrize("own", layers_calls.OWN, ids=lambda own: own.name)
def test_rows_of_ours_alone(own: layers_calls.Own) -> None:
    result = layers_calls.measure(own, 1, layout=LAYOUTS[0], budget=0.0, quick=True)
    assert result.status == "quick"
    assert result.ratio is not None
    assert all(e.times is not None for e in result.entries)


def test_memory_of_a_call() -> None:
    extra = layers_memory.extra_memory("layers", "notes-3x3-3-64@32", LAYOUTS[0], 1)
    assert extra is not None
    assert 0 <= extra <= layers_memory.allowance(problem(row("notes-3x3-3-64@32").shape), 1)


def test_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert layers.main(["--list", "--classes", "first"]) == 0
    listed = capsys.readouterr().out
    assert "resnet50-7x7s2-3-64@224" in listed
    assert "resnet50-3x3-64-64@56" not in listed
    assert layers.main(["--rows", "no such row"]) == 2
    assert "--list" in capsys.readouterr().err
    target = tmp_path / "r.json"
    assert layers.main(["--quick", "--rows", "^(notes|resnet50-7x7|mobilenet2-dw3x3-144@56>24|call-plan)",
                        "--threads", "1", "--json", str(target)]) == 0  # fmt: skip
    shown = capsys.readouterr()
    assert "notes-3x3-3-64@32" in shown.out
    content = json.loads(target.read_text())
    assert {"machine", "versions", "isa", "rows", "date"} <= set(content)
    assert len(content["rows"]) == 7
    assert all(math.isfinite(r["ratio"]) for r in content["rows"] if r["ratio"] is not None)
    assert layers_markdown.main([str(target), str(target)]) == 0
    assert "### First layers" in capsys.readouterr().out


def test_tables_of_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, page = tmp_path / "run.json", tmp_path / "page.md"
    result = score("dense", entry(NAME, 1.0), entry("torch eager", 3.0, False))
    run.write_text(json.dumps({"rows": [result.as_json() | {"layout": LAYOUTS[0]}]}))
    page.write_text("prose\n\n## Classes\n\nold\n")
    assert layers_markdown.main([str(run), "--into", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("prose\n\n## Classes\n\n| class |")
    assert "3.00 torch" in text
    assert "old" not in text
    page.write_text("prose")
    with pytest.raises(SystemExit):
        layers_markdown.main([str(run), "--into", str(page)])
    assert "has no line '## Classes'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        layers_markdown.main([])

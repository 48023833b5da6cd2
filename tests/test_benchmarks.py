"""The benchmarks ask every contestant the right question, reject wrong answers and compare like with like."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import arrays, contest, makers, markdown, memory, report, rows, separable, sweep, timing
from benchmarks.contestant import Contestant, Prepared, Unsupported
from benchmarks.judge import Verdict
from benchmarks.problem import Array, Problem
from benchmarks.reference import reference
from conftest import peer


def row(name: str) -> rows.Row:
    return next(row for row in rows.ROWS if row.name == name)


@pytest.mark.parametrize("name", ["1d-f32-8", "2d-f32-5x5"])
def test_a_wrong_contestant_is_never_timed(name: str) -> None:
    chosen = row(name)
    problem = contest.problem_of(chosen, quick=True)
    right = reference(problem).exact.astype(problem.dtype)
    players = (contest.fake(right, "right"), contest.fake(np.roll(right, 1), "shifted"))
    (result,) = contest.measure(chosen, (1,), budget=0.0, quick=True, extra=players)
    shifted, good = result.entry("shifted"), result.entry("right")
    assert shifted is not None
    assert shifted.times is None
    assert shifted.status.startswith("wrong: off by")
    assert good is not None
    assert good.times is not None
    ours = result.entry("faltung out=")
    assert ours is not None
    assert ours.status == "ok" or ours.status.startswith("unsupported")
    assert json.loads(json.dumps(report.document([result], {})))["rows"][0]["row"] == name
    assert "shifted" in report.entrants(result)


def test_rows_have_their_own_names() -> None:
    names = [row.name for row in rows.ROWS]
    assert len(set(names)) == len(names)


WRONG = {
    "i64-5x5": ("scipy.signal.convolve fft", "scipy.ndimage.convolve", "scipy.ndimage.correlate"),
}
"""Peers that round where the answer is exact."""


@pytest.mark.parametrize("chosen", rows.ROWS, ids=lambda chosen: chosen.name)
def test_every_row_runs(chosen: rows.Row) -> None:
    """All that take part are asked in the right words: their answers are right, ours first of all."""
    for result in contest.measure(chosen, (1,), budget=0.0, quick=True):
        lacking = result.status.startswith("not measured: no ")
        assert lacking or result.status in ("quick", "not measured")
        ours = [entry for entry in result.entries if entry.package == "faltung"]
        assert [entry.status for entry in ours] == ["ok"] * len(ours)
        assert len(ours) >= 2
        if chosen.kind == "limit":
            assert [entry.name for entry in ours] == ["faltung out=", contest.WITHIN]
        wrong = [entry.name for entry in result.entries if entry.status.startswith("wrong")]
        assert wrong == list(WRONG.get(chosen.name, ()))
        assert result.flop > 0
        if lacking:  # what there is was right
            for need in chosen.needs:
                peer(need)
            raise AssertionError(f"{result.status}, though all of them are installed")


def entry(
    name: str, seconds: float, units: float = 1.0, out: bool = False, keeps: bool = True
) -> contest.Entry:
    verdict = Verdict(1e-7, units, keeps)
    times = timing.Times(seconds, seconds, seconds, seconds, 9)
    return contest.Entry(name, name.partition(" ")[0].partition(".")[0], out, "ok", verdict, times)


def score(chosen: rows.Row, *entries: contest.Entry) -> contest.Result:
    problem = chosen.make(np.random.default_rng(0), 8)
    return contest._score(chosen, problem, 1, list(entries), quick=True)


class TestScore:
    """`out=` for ours exactly when the peer has one; the lowest ratio counts; absent peers are no wins."""

    row = rows.Row("r", rows.plain((8,), (3,), np.float32), 2.0, needs=())
    ours = (entry("faltung", 2.0), entry("faltung out=", 1.0, out=True))

    def test_like_with_like(self) -> None:
        result = score(self.row, *self.ours, entry("cv2.filter2D", 3.0, out=True))
        assert (result.ratio, result.best, result.beside) == (3.0, "cv2.filter2D", "faltung out=")
        result = score(self.row, *self.ours, entry("cv2.filter2D", 3.0, out=True), entry("torch conv", 4.0))
        assert (result.ratio, result.best, result.beside) == (2.0, "torch conv", "faltung")

    def test_less_accurate_peers_are_shown_beside(self) -> None:
        rough = entry("scipy.signal.fftconvolve", 0.5, units=99.0, keeps=False)
        result = score(self.row, *self.ours, rough, entry("torch conv", 4.0))
        assert (result.ratio, result.ratio_any, rough.status) == (2.0, 0.25, "less accurate")
        assert "0.25 any" in report.cells(result)[5]

    def test_against(self) -> None:
        only = rows.Row("r", self.row.make, 2.0, against=("scipy",), needs=())
        result = score(only, *self.ours, entry("torch conv", 1.0), entry("scipy.signal.convolve", 8.0))
        assert (result.best, result.ratio) == ("scipy.signal.convolve", 4.0)

    def test_by_hand_is_shown_beside(self) -> None:
        result = score(self.row, *self.ours, entry("by hand: torch.fft", 0.5), entry("torch conv", 4.0))
        assert (result.best, result.ratio, result.ratio_any) == ("torch conv", 2.0, 0.25)

    def test_within_a_limit(self) -> None:
        limited = rows.Row("r", self.row.make, 0.8, "limit", needs=())
        result = score(limited, entry("faltung out=", 2.0), entry(contest.WITHIN, 4.0))
        assert (result.ratio, result.best, result.beside) == (0.5, "faltung out=", contest.WITHIN)

    def test_absent_peer_is_no_win(self) -> None:
        needy = rows.Row("r", self.row.make, 2.0, needs=("no_such_package",))
        result = score(needy, *self.ours, entry("torch conv", 99.0))
        assert result.status == "not measured: no no_such_package"

    def test_nothing_of_ours(self) -> None:
        result = score(self.row, entry("torch conv", 4.0))
        assert (result.status, result.best, result.ratio) == ("not measured", "torch conv", None)

    def test_our_own_wrong_answer_is_loud(self) -> None:
        bad = contest.Entry("faltung", "faltung", False, "wrong: not finite")
        assert score(self.row, bad, entry("torch conv", 4.0)).status == "WRONG: not finite"


def test_memory_allowed() -> None:
    small = Problem(np.zeros((64, 64), np.float32), np.zeros((5, 5), np.float32))
    assert memory.allowance(small, 2) == 64 * 64 * 4 // 8 + 2 * 2**20
    assert memory.allowance(dataclasses.replace(small, memory_limit=123), 2) == 123
    large = dataclasses.replace(small, k=np.zeros((31, 31), np.float32))
    assert memory.allowance(large, 1) == 64 * 64 * 4 // 2 + 128 * 128 * 8 + 2**20
    assert memory.allowance(dataclasses.replace(large, precision="high"), 1) == 64 * 64 * 2 + 2**16 + 2**20


@pytest.mark.parametrize("sigma", list(makers.EIGHT_BIT))
def test_the_taps_of_gaussian_blur(sigma: int) -> None:
    """OpenCV's filter of uint8 images takes part in the rows of its own taps, and in no others."""
    peer("cv2")
    count = 2 * len(makers.EIGHT_BIT[sigma]) - 1
    assert makers.bits(sigma, count).sum() == 1
    np.testing.assert_array_equal(
        separable.own_line(sigma, count, np.dtype(np.uint8)), makers.bits(sigma, count)
    )
    for dtype, wanted in ((np.float32, True), (np.uint8, False)):
        make = makers.blur((20, 20), sigma, dtype, 4, result=dtype, boundary="reflect")
        problem = make(np.random.default_rng(0))
        if wanted:
            separable.cv2_gaussian(problem, 1)
        else:
            with pytest.raises(Unsupported, match="its own taps are others"):
                separable.cv2_gaussian(problem, 1)


def test_our_own_exception_is_no_refusal() -> None:
    def broken() -> Array:
        raise RuntimeError("no such kernel\nmore")

    ref = reference(TestScore.row.make(np.random.default_rng(0), 8))
    mine, peer = (Contestant(n, n, lambda p, t: Prepared(broken)) for n in ("faltung", "torch"))
    assert contest.check(mine, Prepared(broken), ref)[0].status == "wrong: raised: no such kernel"
    assert contest.check(peer, Prepared(broken), ref)[0].status == "unsupported: no such kernel"


def test_losses_come_first() -> None:
    def result(status: str, ratio: float) -> contest.Result:
        return contest.Result(status, "peers", 1, 2.0, status, ratio)

    listed = sorted([result("pass", 3), result("MISS", 1.5), result("not measured", 0), result("MISS", 1)],
                    key=report.urgency)  # fmt: skip
    assert [(r.status, r.ratio) for r in listed] == [
        ("MISS", 1),
        ("MISS", 1.5),
        ("not measured", 0),
        ("pass", 3),
    ]


def test_turns_are_taken_by_all_that_are_not_slow() -> None:
    calls = {"a": 0, "b": 0, "slow": 0}

    def player(name: str) -> Any:
        def call() -> None:
            calls[name] += 1
            time.sleep(0.002)

        return call

    times = timing.alternate(
        {name: player(name) for name in calls},
        {"a": 0.01, "b": 0.01, "slow": 9.0},
        budget=0.0,
        least=4,
        many=False,
    )
    assert calls == {"a": 8, "b": 8, "slow": 0}  # a warm call and a timed one, four times
    assert (times["a"].rounds, times["slow"].rounds, times["slow"].median) == (4, 1, 9.0)


def test_peak_memory_sees_a_temporary() -> None:
    value, extra = timing.peak_of(lambda: float(np.ones(2**22).sum()))
    assert value == 2**22
    assert extra is None or 30 * 2**20 < extra < 60 * 2**20


def test_sweep_and_pictures(tmp_path: Path) -> None:
    """Forced methods answer right beside the peers; what was measured is drawn, twice to the same bytes."""
    peer("matplotlib")
    from benchmarks import plots

    names = [row.name for row, _ in sweep.points()]
    assert len(set(names)) == len(names)
    swept, run = str(tmp_path / "sweep.json"), str(tmp_path / "run.json")
    for name in ("signal-64", "image-7", "outer-7"):
        results = sweep.main([swept, "--quick", "--rows", name])
        assert results == 0
        forced = [e for row in json.loads(Path(swept).read_text())["rows"] for e in row["entries"]
                  if e["package"] == "faltung"]  # fmt: skip
        assert {e["status"] for e in forced} == {"ok"}
        assert len(forced) > 2
    arrays.main(["--quick", "--rows", "^(call-16x3|gauss2-u8|small-f32-16-3x3|2d-f32-3x3)$", "--json", run])
    for into in ("one", "two"):
        plots.main([run, swept, "--into", str(tmp_path / into)])
    drawn = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert drawn == ["crossings.svg", "few-taps.svg", "many-taps.svg", "other.svg"]
    assert all(
        (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes() for name in drawn
    )


class TestRatio:
    """A dot's colour tells what became of the figure; its bar is over rounds in which both took a turn."""

    @pytest.mark.parametrize(
        ("ratio", "target", "word"),
        [(2.0, 1.5, "PASS"), (1.2, 1.5, "SHORT"), (0.9, 1.5, "LOSS"), (0.9, 0.8, "PASS"),
         (0.7, 0.8, "SHORT"), (2.0, None, "PLAIN"), (0.9, None, "LOSS")],
    )  # fmt: skip
    def test_colour(self, ratio: float, target: float | None, word: str) -> None:
        peer("matplotlib")
        from benchmarks import plots

        shown = plots.Ratio("r", 1, ratio, ratio, ratio, target, "peer")
        assert shown.colour == getattr(plots, word)

    def test_rounds(self) -> None:
        peer("matplotlib")
        from benchmarks import plots

        result = score(TestScore.row, *TestScore.ours, entry("torch conv", 4.0))
        row = result.as_json()
        for found in row["entries"]:
            factor = {"faltung": 1, "torch conv": 2}.get(found["name"], 0)
            found["times"]["samples"] = [factor * n for n in (1.0, 5.0, 9.0)]
        shown = plots.ratio_of(row)
        assert (shown.low, shown.middle, shown.high) == (2, 2, 2)


def test_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert arrays.main(["--list"]) == 0
    assert "2d-f32-15x15" in capsys.readouterr().out
    assert arrays.main(["--rows", "no such row"]) == 2
    assert "--list" in capsys.readouterr().err
    target = tmp_path / "r.json"
    assert arrays.main(["--quick", "--rows", "^(call-16x3|fma-share-15x15)$", "--threads", "1", "--json",
                        str(target)]) == 0  # fmt: skip
    assert "call-16x3" in capsys.readouterr().out
    content = json.loads(target.read_text())
    contestants = [line for line in target.read_text().splitlines() if '"package"' in line]
    assert all(json.loads(line.rstrip(","))["status"] for line in contestants)
    assert len(contestants) == sum(len(found["entries"]) for found in content["rows"])
    times = content["rows"][0]["entries"][0]["times"]
    assert len(times["samples"]) == times["rounds"]
    assert min(times["samples"]) == pytest.approx(times["fastest"], rel=1e-3)
    assert {"machine", "versions", "isa", "rows", "date"} <= set(content)


def test_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    grouped = dataclasses.replace(TestScore.row, group="Signals")
    rough = entry("scipy.signal.fftconvolve", 0.5, units=99.0, keeps=False)
    results = [score(grouped, *TestScore.ours, rough, entry("torch conv", 4.0)) for _ in range(2)]
    results[0].status, results[1].threads = "MISS", 2
    target = tmp_path / "r.json"
    report.save(str(target), report.document(results, {}))
    monkeypatch.setattr("sys.argv", ["markdown", str(target)])
    markdown.main()
    assert capsys.readouterr().out.splitlines() == [
        "### Signals",
        "",
        "| work | figure | 1 thread | 2 threads | error, u·S |",
        "|---|---|---|---|---|",
        "| r | 2 | **2.00** (0.25 any): 4e+03 → 2e+03, torch conv "
        "| 2.00 (0.25 any): 4e+03 → 2e+03, torch conv | 1 / 1 |",
        "",
    ]

"""The benchmarks ask every contestant the right question, reject wrong answers and compare like with like."""

from __future__ import annotations

import json
import math
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import arrays, contest, peers, report, rows, timing
from benchmarks.contestant import Contestant, Prepared, Unsupported
from benchmarks.problem import Array, Problem, Verdict, judge, reference

RNG = np.random.default_rng(3)
WORDS: dict[str, Any] = {word: word for word in ("constant", "edge", "reflect", "symmetric", "wrap")}


def row(name: str) -> rows.Row:
    return next(row for row in rows.ROWS if row.name == name)


def by_hand(p: Problem) -> Array:
    """The sum itself, an output at a time, over one axis or two."""
    anchor = [(n - 1) // 2 if p.mode == "same" else 0 for n in p.k.shape]
    reach = [(n - 1) * p.dilation for n in p.k.shape]
    wide = np.pad(p.a, [(r, r) for r in reach], mode=WORDS[p.boundary])
    first = [
        {"same": s * p.dilation, "full": 0, "valid": r}[p.mode] for s, r in zip(anchor, reach, strict=True)
    ]
    y = np.zeros(p.shape)
    for i in product(*map(range, p.shape)):
        for j in product(*map(range, p.k.shape)):
            at = tuple(
                f + n * p.stride - t * p.dilation + r for f, n, t, r in zip(first, i, j, reach, strict=True)
            )
            y[i] += wide[at] * p.k[j]
    return y


@pytest.mark.parametrize("mode", ["same", "full", "valid"])
@pytest.mark.parametrize(("size", "taps"), [((11,), (4,)), ((9,), (3,)), ((8, 9), (3, 2))])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (3, 2)])
def test_reference_is_the_definition(
    mode: str, size: tuple[int, ...], taps: tuple[int, ...], stride: int, dilation: int
) -> None:
    words = ["constant"] if mode != "same" else list(WORDS)
    for word in words:
        p = Problem(RNG.standard_normal(size), RNG.standard_normal(taps), mode, word, None, stride, dilation)
        ref = reference(p)
        assert ref.exact.shape == p.shape
        np.testing.assert_allclose(ref.exact.astype(float), by_hand(p), rtol=1e-12, atol=1e-12)


def test_reference_along_some_axes() -> None:
    colour = RNG.integers(0, 256, (9, 8, 3), dtype=np.uint8)
    k = RNG.standard_normal((3, 5)).astype(np.float32)
    whole = reference(Problem(colour, k, axes=(0, 1))).exact
    for channel in range(3):
        np.testing.assert_array_equal(whole[..., channel], reference(Problem(colour[..., channel], k)).exact)


def test_blocks_of_the_reference_join(monkeypatch: pytest.MonkeyPatch) -> None:
    p = Problem(RNG.standard_normal((20, 7)), RNG.standard_normal((3, 3)), stride=2)
    whole = reference(p).exact
    monkeypatch.setattr("benchmarks.problem.BLOCK", 8)
    np.testing.assert_array_equal(reference(p).exact, whole)


class TestJudge:
    """Right answers pass; every way of being wrong that a peer has shown is caught."""

    p = Problem(RNG.standard_normal(50).astype(np.float32), RNG.standard_normal(5).astype(np.float32))
    ref = reference(p)

    def test_right(self) -> None:
        verdict = judge(self.ref.exact.astype(np.float32), self.ref)
        assert verdict.wrong is None
        assert verdict.keeps
        assert 0 < verdict.units <= 1

    @pytest.mark.parametrize("bad", ["flipped", "shifted", "shape", "nan"])
    def test_wrong(self, bad: str) -> None:
        a, k = self.p.a, self.p.k
        answer = {
            "flipped": np.convolve(a, k[::-1], "same"),
            "shifted": np.roll(np.convolve(a, k, "same"), 1),
            "shape": np.convolve(a, k, "full"),
            "nan": np.where(np.arange(50) == 7, np.nan, np.convolve(a, k, "same")),
        }[bad]
        assert judge(answer, self.ref).wrong is not None

    def test_less_accurate_is_not_wrong(self) -> None:
        verdict = judge(self.ref.exact + 3e-5 * np.abs(self.ref.exact), self.ref)
        assert verdict.wrong is None
        assert not verdict.keeps

    def test_integers_must_be_exact(self) -> None:
        p = Problem(np.array([2**60 + 1, 2, 3]), np.array([1, 0, 0]), "full")
        ref = reference(p)
        assert judge(ref.exact, ref).wrong is None
        assert judge(ref.exact + 1, ref).wrong == "not exact"
        assert judge(ref.exact.astype(np.float64), ref).wrong == "not exact"

    def test_rounding_to_integers(self) -> None:
        image = RNG.integers(0, 256, (20, 20), dtype=np.uint8)
        p = Problem(image, RNG.standard_normal((3, 3)).astype(np.float32), result=np.uint8)
        ref = reference(p)
        good = np.clip(np.rint(ref.exact), 0, 255)
        assert judge(good.astype(np.uint8), ref).wrong is None
        assert judge(np.floor(np.clip(ref.exact, 0, 255)).astype(np.uint8), ref).wrong is not None
        assert judge(np.rint(ref.exact).astype(np.int64).astype(np.uint8), ref).wrong is not None


@pytest.mark.parametrize("name", ["1d-f32-8", "2d-f32-5x5"])
def test_a_wrong_contestant_is_never_timed(name: str) -> None:
    chosen = row(name)
    problem = rows.shrunk(chosen, 96)(np.random.default_rng(0))
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


@pytest.mark.parametrize("chosen", rows.ROWS, ids=lambda chosen: chosen.name)
def test_every_row_is_a_problem(chosen: rows.Row) -> None:
    p = rows.shrunk(chosen, 8)(np.random.default_rng(0))
    ref = reference(p)
    assert ref.exact.shape == p.shape
    assert p.flop > 0
    assert math.isfinite(ref.promise)


def test_rows_have_their_own_names() -> None:
    names = [row.name for row in rows.ROWS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "chosen", [row for row in rows.EXTRAS if "31x31" not in row.name], ids=lambda r: r.name
)
def test_peers_answer_the_question(chosen: rows.Row) -> None:
    """Boundaries, even kernels, strides, axes: what a peer accepts, it is asked in the right words."""
    p = rows.shrunk(chosen, 24)(np.random.default_rng(0))
    if any(taps > 24 for taps in p.k.shape):
        pytest.skip("the kernel is larger than the shrunk array, where peers differ in meaning")
    ref = reference(p)
    for player in peers.PEERS[:11]:
        try:
            prepared = player.prepare(p, 1)
        except Unsupported:
            continue
        assert judge(np.asarray(prepared.finish(prepared.call())), ref).wrong is None, player.name


def entry(
    name: str, seconds: float, units: float = 1.0, out: bool = False, keeps: bool = True
) -> contest.Entry:
    verdict = Verdict(1e-7, units, keeps)
    times = timing.Times(seconds, seconds, seconds, seconds, 9)
    return contest.Entry(name, name.partition(" ")[0].partition(".")[0], out, "ok", verdict, times)


def score(chosen: rows.Row, *entries: contest.Entry) -> contest.Result:
    problem = rows.shrunk(chosen, 8)(np.random.default_rng(0))
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


def test_our_own_exception_is_no_refusal() -> None:
    def broken() -> Array:
        raise RuntimeError("no such kernel\nmore")

    ref = reference(rows.shrunk(TestScore.row, 8)(np.random.default_rng(0)))
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
    assert {"machine", "versions", "isa", "rows", "date"} <= set(content)

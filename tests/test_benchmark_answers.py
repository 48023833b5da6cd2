"""The benchmarks hold answers against the definition, by whichever short cut, and catch every wrong one."""

from __future__ import annotations

import dataclasses
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.judge import judge
from benchmarks.problem import Array, Problem
from benchmarks.reference import compare_with_definition, output_of, reference

RNG = np.random.default_rng(3)
WORDS: dict[str, Any] = {word: word for word in ("constant", "edge", "reflect", "symmetric", "wrap")}


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
    monkeypatch.setattr("benchmarks.reference.BLOCK", 8)
    np.testing.assert_array_equal(reference(p).exact, whole)


SHORT_CUTS = [
    Problem(RNG.standard_normal(40), RNG.standard_normal(7)),
    Problem(RNG.standard_normal(40), RNG.standard_normal(9), "full", stride=3),
    Problem(RNG.standard_normal(40), RNG.standard_normal(6), "valid", dilation=2, correlate=True),
    Problem(RNG.standard_normal((20, 7)), RNG.standard_normal((4, 3)), boundary="reflect", correlate=True),
    Problem(RNG.standard_normal((20, 7)).astype(np.float32), RNG.standard_normal(5), "full", axes=(0,)),
    Problem(RNG.standard_normal((3, 20)), RNG.standard_normal(24), boundary="wrap", axes=(1,), stride=2),
    Problem(
        RNG.standard_normal((2, 9, 8)) + 1j, 1j * RNG.standard_normal((3, 4)), axes=(1, 2), correlate=True
    ),
    Problem(RNG.integers(0, 256, (9, 8), np.uint8), RNG.random((3, 3)), boundary="edge", result=np.uint8),
]


@pytest.mark.parametrize("p", SHORT_CUTS, ids=lambda p: f"{p.mode}-{p.boundary}-{p.a.ndim}d")
def test_a_transform_gives_the_definition(p: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    by_definition = reference(p)
    monkeypatch.setattr("benchmarks.reference.PATIENCE", 0)
    monkeypatch.setattr("benchmarks.reference.SLAB", 50)
    by_transform = reference(p)
    assert by_transform.exact.dtype == by_definition.exact.dtype
    tolerance = 1e-13 if by_definition.exact.dtype == np.float64 else 1e-16
    for found, known in (
        (by_transform.exact, by_definition.exact),
        (by_transform.scale, by_definition.scale),
    ):
        assert np.abs(found - known).max() <= max(tolerance, 1e-13 * (known is by_definition.scale)) * 100


@pytest.mark.parametrize("word", list(WORDS))
@pytest.mark.parametrize("correlate", [False, True])
def test_factors_give_the_definition(word: str, correlate: bool) -> None:
    factors = (RNG.standard_normal(4), RNG.standard_normal(5))
    whole = np.multiply.outer(*factors)
    p = Problem(RNG.standard_normal((9, 8)), whole, "same", word, correlate=correlate, factors=factors)
    by_axes, known = reference(p), reference(dataclasses.replace(p, whole=True))
    np.testing.assert_allclose(by_axes.exact.astype(float), known.exact.astype(float), atol=1e-14)
    np.testing.assert_allclose(by_axes.scale, known.scale, rtol=1e-13)


def test_correlation_slides_without_the_flip() -> None:
    a, k = RNG.standard_normal(9) + 1j * RNG.standard_normal(9), RNG.standard_normal(4) + 1j
    exact = reference(Problem(a, k, "valid", correlate=True)).exact
    np.testing.assert_allclose(exact.astype(complex), np.correlate(a, k, "valid"), rtol=1e-14)


def test_a_wrong_reference_is_no_reference() -> None:
    p = Problem(RNG.standard_normal((30, 20)), RNG.standard_normal((3, 3)))
    ref = reference(p)
    compare_with_definition(p, ref.exact, ref.scale)
    bad = ref.exact.copy()
    bad[0, -1] *= 1 + 1e-12
    with pytest.raises(ArithmeticError, match=r"at \(0, 19\), the definition"):
        compare_with_definition(p, bad, ref.scale)
    with pytest.raises(ArithmeticError, match="the reference is"):
        compare_with_definition(p, ref.exact, 1.01 * ref.scale)


def test_one_output_by_the_definition() -> None:
    p = Problem(RNG.standard_normal((8, 9)), RNG.standard_normal((3, 2)), "full", stride=2, dilation=2)
    value, _ = output_of(p, (3, 1))
    assert float(value) == pytest.approx(by_hand(p)[3, 1], rel=1e-14)


def test_missing_data_by_hand() -> None:
    """mu fills the gaps: under positive taps that is the mean of what is there, weighed by the taps."""
    a, k = RNG.standard_normal(12), RNG.random(3)
    a[[2, 3, 9]] = np.nan
    exact = reference(Problem(a, k, missing=True)).exact
    wide = np.concatenate([[0], a, [0]])
    for i in range(12):
        window, there = wide[i : i + 3][::-1], ~np.isnan(wide[i : i + 3][::-1])
        assert float(exact[i]) == pytest.approx(
            (window[there] * k[there]).sum() * k.sum() / k[there].sum(), rel=1e-13
        )
    signed = Problem(np.array([1.0, np.nan, 4.0]), np.array([1.0, 2.0, -1.0]), "valid", missing=True)
    assert float(reference(signed).exact[0]) == 4 - 1 + (4 + 1) / 2 * 2


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

    def test_the_promise_is_the_one_asked_for(self) -> None:
        a, k = (RNG.standard_normal(n).astype(np.float32) for n in (50, 5))
        error = 2.0**-15 * np.abs(a).max() * np.abs(k).sum()
        for word, keeps in ((None, False), ("highest", False), ("high", True)):
            ref = reference(Problem(a, k, precision=word))
            assert judge(ref.exact + error, ref).keeps is keeps
            assert judge(ref.exact, ref).keeps
        double = reference(Problem(a.astype(np.float64), k, precision="high"))
        assert not judge(double.exact + error / 2**20, double).keeps

    def test_pieces_add_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = self.ref.exact.astype(np.float32)
        whole = judge(answer, self.ref)
        monkeypatch.setattr("benchmarks.judge.CHUNK", 7)
        assert judge(answer, self.ref) == whole
        answer[-1] += 1
        assert judge(answer, self.ref).wrong is not None

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

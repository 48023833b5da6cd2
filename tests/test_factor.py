"""`_factor.split` and `kernels.separate`: what they find, refuse and say of errors, by exact arithmetic."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from math import frexp, inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from faltung import kernels
from faltung._factor import Factors, split
from faltung._outer import growth, missing, relative_error

Array = np.ndarray[Any, np.dtype[Any]]
UNIT = {np.dtype(np.float32): 2.0**-24, np.dtype(np.float64): 2.0**-53, np.dtype(np.int64): 2.0**-53}


def outer(factors: Any) -> Array:
    product: Array = reduce(np.multiply.outer, factors)
    return product


def total(found: Factors) -> Array:
    return reduce(np.add, map(outer, found.terms))


def check(k: Array, found: Factors | None, terms: int, unit: float) -> None:
    """The split has so many terms and keeps its promises, by arithmetic in fractions."""
    assert found is not None and len(found.terms) == terms
    assert found.error <= 4 * max(1, k.ndim - 1) and found.growth <= 2
    for term in found.terms:
        assert [factor.shape for factor in term] == [(n,) for n in k.shape]
        assert all(factor.dtype == np.float64 for factor in term)
    some = np.random.default_rng(0).permutation(k.size)[:300]
    worst = Fraction(0)
    for index in zip(*np.unravel_index(some, k.shape), strict=True):
        tap = Fraction(k[index].item())
        products = [
            reduce(Fraction.__mul__, [Fraction(float(f[i])) for f, i in zip(term, index, strict=True)])
            for term in found.terms
        ]
        if tap == 0:
            assert not any(products)
            continue
        worst = max(worst, abs(sum(products) - tap) / abs(tap))
        assert sum(map(abs, products)) <= 2 * (1 + Fraction(1, 10**9)) * abs(tap)
    assert worst <= Fraction(found.error * unit * (1 + 1e-6) + unit * 1e-6)


def smooth(*shape: int, sign: bool = True, seed: int = 3) -> list[Array]:
    rng = np.random.default_rng(seed)
    factors = [rng.uniform(0.05, 1, n) for n in shape]
    return [f * rng.choice([-1, 1], len(f)) for f in factors] if sign else factors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", [0, 1, 2, 3, (1, 2)])
@pytest.mark.parametrize("sigma", [0.7, 2.0, 6.0])
def test_gaussians(sigma: float, order: Any, dtype: Any) -> None:
    k = kernels.gaussian(sigma, order=order).taps.astype(dtype)
    check(k, split(k, UNIT[k.dtype]), 1, UNIT[k.dtype])


def test_a_normalized_gaussian() -> None:
    bell = np.exp(-(np.arange(-9, 10) ** 2) / 18)
    k = np.outer(bell, bell)
    k /= k.sum()
    check(k, split(k, 2.0**-53), 1, 2.0**-53)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_boxes_are_reproduced_exactly(dtype: Any) -> None:
    for size in (3, (7, 4), (3, 4, 5)):
        k = kernels.box(size).taps.astype(dtype)
        found = split(k, UNIT[k.dtype])
        assert found is not None and found.error == 0 and len(found.terms) == 1
        np.testing.assert_array_equal(total(found), k)


@pytest.mark.parametrize("ndim", [2, 3, 4])
@pytest.mark.parametrize("axis", [0, -1])
def test_whole_taps_get_whole_factors(axis: int, ndim: int) -> None:
    k = kernels.sobel(axis, ndim=ndim).taps
    found = split(k, 2.0**-24)
    assert found is not None and found.error == 0 and found.growth == 1 and found.whole
    np.testing.assert_array_equal(total(found), k)
    large = split(k * (2**40 + 1), 2.0**-24)
    assert large is not None and large.whole
    np.testing.assert_array_equal(total(large), k * (2**40 + 1))


@given(st.integers(1, 3), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_products_of_integers(factor: int, ndim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    factors = [rng.integers(-9, 10, rng.integers(1, 6)) * factor for _ in range(ndim)]
    k = outer(factors)
    found = split(k, 2.0**-53)
    assert found is not None and found.whole and found.error == 0 and found.growth == 1
    np.testing.assert_array_equal(total(found), k)


def test_whole_taps_of_higher_rank_where_whole_factors_exist() -> None:
    plus = np.zeros((9, 9), np.int64)
    plus[4] = 3
    plus[:, 4] = [1, 2, 3, 4, -80, 4, 3, 2, 1]
    check(plus, split(plus, 2.0**-53), 2, 2.0**-53)
    found = split(plus, 2.0**-53)
    assert found is not None and found.whole and found.error == 0 and found.growth == 1
    assert split(plus, 2.0**-53, 1) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(5, 5), (15, 15), (3, 41), (1, 9), (9, 1), (2, 2), (6, 6, 6), (1, 5, 7), (4, 5, 4, 3)], ids=str
)
def test_outer_products(shape: tuple[int, ...], dtype: Any) -> None:
    for seed in range(5):
        k = outer(smooth(*shape, seed=seed)).astype(dtype)
        found = split(k, UNIT[k.dtype])
        check(k, found, 1, UNIT[k.dtype])
        assert found is not None and found.growth == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rank", [2, 3])
def test_sums_of_positive_products(rank: int, dtype: Any) -> None:
    places = np.arange(-12, 13)
    factors = [
        [np.exp(-((places - c) ** 2) / w) for c, w in ((0, 4 + r), (r, 99.0 * r + 9))] for r in range(rank)
    ]
    k = reduce(np.add, map(outer, factors)).astype(dtype)
    check(k, split(k, UNIT[k.dtype]), rank, UNIT[k.dtype])
    assert split(k, UNIT[k.dtype], rank - 1) is None


def test_two_gaussians_and_a_sharpened_one() -> None:
    narrow, wide = kernels.gaussian(1, truncate=8).taps, kernels.gaussian(2).taps
    check(narrow + wide, split(narrow + wide, 2.0**-53), 2, 2.0**-53)
    sharper = -wide
    sharper[8, 8] += 2
    found = split(sharper, 2.0**-53)
    check(sharper, found, 2, 2.0**-53)
    assert found is not None and found.growth == pytest.approx(1)


def test_sums_in_three_axes() -> None:
    k = outer([[1, 2, 3, 2, 1]] * 3)
    k[2, 2, 2] += 50
    found = split(k, 2.0**-53, 4)
    assert found is not None and found.whole and found.error == 0
    np.testing.assert_array_equal(total(found), k)
    ends = np.array([[3.0, 2, 1, 0, 0, 0], [0.0, 0, 1, 2, 3, 4]])
    soft = outer([ends[0], *smooth(6, 7, sign=False)]) + outer([ends[1], *smooth(6, 7, sign=False, seed=8)])
    check(soft, split(soft, 2.0**-53), 2, 2.0**-53)


def test_zeros_inside() -> None:
    factors = smooth(9, 8)
    factors[0][[0, 4]] = 0
    factors[1][3] = 0
    k = outer(factors)
    check(k, split(k, 2.0**-53), 1, 2.0**-53)
    k[0, 0] = 1e-9  # within no tap's error of zero
    found = split(k, 2.0**-53)
    assert found is None or len(found.terms) == 2
    k[0, 0], k[1, 1] = 0, 0
    found = split(k, 2.0**-53)
    assert found is None or len(found.terms) == 2


def test_a_tap_of_zero_is_never_a_cancellation() -> None:
    cross = kernels.laplacian().taps.astype(float)
    spread = np.zeros((7, 7))
    spread[::3, ::3] = cross
    found = split(spread, 2.0**-53)
    check(spread, found, 2, 2.0**-53)
    bell = np.exp(-(np.arange(-5, 6) ** 2) / 8.0)
    difference = np.outer(bell, bell) - np.outer(bell**2, bell**2) * 1.5
    difference -= difference * 0
    zero = np.outer([1.0, 2, 3, 4, 5], [1.0, 1, 1, 1, 1]) - np.outer([1.0] * 5, [1.0, 2, 3, 4, 5])
    assert split(zero, 2.0**-53) is None and split(zero.astype(int), 2.0**-53) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_tap_that_is_off_spoils_a_product(dtype: Any) -> None:
    k = outer(smooth(9, 9)).astype(dtype)
    unit = UNIT[k.dtype]
    for place in ((0, 0), (3, 4), (8, 2)):
        near = k.copy()
        near[place] *= 1 + 20 * unit
        assert near[place] != k[place]
        assert split(near, unit, 1) is None and split(near, unit) is None
        assert split(near, unit, 1, tolerance=16) is not None


def test_a_gaussian_by_one_exponential_needs_more_tolerance() -> None:
    x = np.arange(-15, 16.0)
    k = np.exp(-(x[:, None] ** 2 + x**2) / 50)
    assert split(k, 2.0**-53) is None
    found = split(k, 2.0**-53, tolerance=16)
    assert found is not None and 4 < found.error <= 16 and len(found.terms) == 1


@pytest.mark.parametrize("scale", [1e300, 1e-300, 2.0**-960])
def test_huge_and_small_taps(scale: float) -> None:
    k = outer([f / abs(f).max() for f in smooth(7, 6, 5)]) * scale
    assert np.isfinite(k).all()
    found = split(k, 2.0**-53)
    assert found is not None and found.error <= 8
    assert all(np.isfinite(factor).all() for term in found.terms for factor in term)
    np.testing.assert_allclose(total(found), k, rtol=2e-15)
    assert split(k / scale * 1.9 * 2.0**1022, 2.0**-53) is None  # its last factor would be infinite
    spread = np.outer([1.0, 1e-200, 1e3], [1.0, 1e-200, 1e3])  # one tap is too small for float64
    assert split(spread, 2.0**-53) is None


def test_all_factors_but_the_last_have_one_size() -> None:
    for k in (
        outer(smooth(5, 6)) * 1e9,
        outer(smooth(5, 4, 3)) * 1e-9,
        kernels.box(5).taps,
        np.zeros((3, 4)),
    ):
        found = split(k, 2.0**-53)
        assert found is not None
        for term in found.terms:
            for factor in term[:-1]:
                assert not k.any() or 0.25 < abs(factor).max() <= 0.5
        np.testing.assert_allclose(total(found), k, rtol=1e-14)
    floating = split(kernels.sobel(0).taps.astype(float), 2.0**-53)
    assert floating is not None and floating.error == 0 and floating.terms[0][0].tolist() == [0.5, 0, -0.5]


def test_one_axis_and_nothing() -> None:
    k = np.array([3.0, -1, 2])
    found = split(k, 2.0**-53)
    assert found is not None and found.terms[0][0].tolist() == [3, -1, 2] and found.error == 0
    empty = split(np.zeros((3, 4), int), 2.0**-53)
    assert empty is not None and empty.error == 0 and empty.growth == 1 and not total(empty).any()


@pytest.mark.parametrize(
    "k",
    [
        np.array([[1.0, inf], [2, 4]]),
        np.array([[np.nan, 1.0]]),
        np.ones((2, 2), complex),
        np.ones((2, 2), bool),
        np.ones((0, 3)),
        np.array(1.0),
        np.full((2, 3), 2**60),
    ],
    ids=["inf", "nan", "complex", "bool", "empty", "0-d", "2^60"],
)
def test_what_is_no_kernel_to_split(k: Array) -> None:
    assert split(k, 2.0**-53) is None


@pytest.mark.parametrize("shape", [(5, 5), (15, 15), (127, 127), (9, 9, 9), (5, 5, 5, 5)], ids=str)
def test_random_kernels_are_refused_at_once(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    for k in (rng.standard_normal(shape), rng.random(shape), rng.integers(-9, 10, shape)):
        assert split(k, 2.0**-53) is None


def test_never_more_terms_than_pay() -> None:
    assert split(kernels.laplacian().taps, 2.0**-53) is None  # 12 products in place of 9
    k = outer(smooth(5, 5, sign=False)) + outer(smooth(5, 5, sign=False, seed=4))
    check(k, split(k, 2.0**-53), 2, 2.0**-53)
    assert split(k[:4, :4], 2.0**-53) is None


@given(st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]), st.integers(1, 3))
def test_whatever_is_found_holds(seed: int, dtype: Any, rank: int) -> None:
    rng = np.random.default_rng(seed)
    shape = rng.integers(1, 12, rng.integers(2, 4))
    k = reduce(np.add, [outer([rng.standard_normal(n) for n in shape]) for _ in range(rank)]).astype(dtype)
    found = split(k, UNIT[k.dtype])
    if rank == 1:
        assert found is not None
    if found is not None:
        check(k, found, len(found.terms), UNIT[k.dtype])


def test_what_is_missed_is_measured_beyond_float64() -> None:
    u, v, w = (np.random.default_rng(n).standard_normal(4) for n in range(3))
    k = outer([u, v, w])
    missed = missing(k, [(u, v, w)], 2.0**-53)
    for index in np.ndindex(4, 4, 4):
        exact = Fraction(k[index]) - Fraction(u[index[0]]) * Fraction(v[index[1]]) * Fraction(w[index[2]])
        assert missed[index] == pytest.approx(float(exact), rel=1e-9, abs=1e-40)
    coarse = missing(k, [(u, v, w)], 2.0**-24)
    np.testing.assert_allclose(coarse, 0, atol=1e-15)
    assert relative_error(np.array([0.0, 2.0]), np.array([1e-9, 0.0])) == inf
    assert relative_error(np.array([0.0, -2.0]), np.array([0.0, 1e-9])) == 5e-10
    assert growth(np.array([[0.0]]), [(np.ones(1), np.ones(1)), (np.ones(1), -np.ones(1))]) == inf
    assert growth(np.array([[0.5]]), [(np.ones(1), np.ones(1)), (np.ones(1), np.full(1, -0.5))]) == 3


def test_exponents_of_scaled_factors_are_whole() -> None:
    k = outer(smooth(6, 7)) * 0.3
    found = split(k, 2.0**-53)
    assert found is not None
    unscaled = split(np.ldexp(k, 12), 2.0**-53)
    assert unscaled is not None
    np.testing.assert_array_equal(np.ldexp(found.terms[0][1], 12), unscaled.terms[0][1])
    assert frexp(abs(found.terms[0][0]).max())[1] == -1


# ---- separate


def test_separate_finds_what_convolve_uses() -> None:
    k = np.outer([1.0, 2, 3, 2, 1], [0.1, 0.5, 0.2, 0.7])
    found = kernels.separate(k)
    assert found.exact and found.rank == 1 and found.shape == (5, 4) and len(found.factors[0]) == 2
    np.testing.assert_allclose(np.asarray(found), k, rtol=1e-15)
    assert found.error.relative <= 4 * 2.0**-53 and found.error.absolute <= 4 * 2.0**-53 * k.max()
    assert kernels.Separable(*found.factors[0]).shape == k.shape
    with pytest.raises(ValueError, match="read-only"):
        found.factors[0][0][0] = 1


def test_separate_keeps_known_and_whole_factors() -> None:
    for k in (
        kernels.sobel(0),
        kernels.gaussian(2, ndim=3),
        kernels.box((3, 7)),
        kernels.Separable([1, 5, 2]),
    ):
        found = kernels.separate(k)
        assert found.exact and found.rank == 1
        assert k.factors is not None
        for one, other in zip(found.factors[0], k.factors, strict=True):
            assert one is other
    plus = np.zeros((9, 9), np.int64)
    plus[4], plus[:, 4] = 3, 2
    found = kernels.separate(plus)
    assert found.exact and found.rank == 2 and found.error == (0, 0)
    assert all(factor.dtype == np.int64 for term in found.factors for factor in term)
    np.testing.assert_array_equal(np.asarray(found), plus)
    assert np.asarray(found, dtype=np.float32).dtype == np.float32


def test_separate_knows_single_precision() -> None:
    k = kernels.gaussian(2).taps.astype(np.float32)
    assert kernels.separate(k).exact and kernels.separate(k).rank == 1
    assert 2.0**-30 < kernels.separate(k).error.relative < 4 * 2.0**-24
    wide = kernels.separate(k.astype(np.float64))  # the same numbers, now meant to the last digit of float64
    assert not wide.exact and wide.rank > 1


@pytest.mark.parametrize("limit", [1, 2, 5, 9, None])
def test_separate_is_the_best_in_two_axes(limit: int | None) -> None:
    k = np.random.default_rng(0).standard_normal((9, 12))
    found = kernels.separate(k, max_terms=limit)
    assert not found.exact and found.rank == min(limit or 9, 9)
    sizes = np.linalg.svd(k, compute_uv=False)
    misses = np.asarray(found) - k
    assert np.linalg.norm(misses) == pytest.approx(np.linalg.norm(sizes[found.rank :]), abs=1e-13)
    assert found.error.absolute == pytest.approx(abs(misses).max(), abs=1e-14)
    assert found.error.relative == pytest.approx(abs(misses / k).max(), rel=1e-6, abs=1e-12)


def test_separate_takes_fewer_terms_than_it_could() -> None:
    k = kernels.gaussian(1, truncate=8).taps + kernels.gaussian(2).taps
    exact, near = kernels.separate(k), kernels.separate(k, max_terms=1)
    assert exact.exact and exact.rank == 2 and exact.error.relative < 1e-15
    assert not near.exact and near.rank == 1 and 1e-3 < near.error.absolute < 0.1
    product = kernels.separate(np.outer([1.0, 2], [3, 4]), max_terms=5)
    assert product.exact and product.rank == 1


@pytest.mark.parametrize("terms", [1, 2, 3])
def test_separate_in_three_axes(terms: int) -> None:
    k = reduce(np.add, [outer(smooth(6, 7, 8, sign=False, seed=n)) for n in range(terms)])
    whole = kernels.separate(k)
    np.testing.assert_allclose(np.asarray(whole), k, rtol=0, atol=1e-13)
    few = kernels.separate(k, max_terms=terms)
    assert few.rank == terms and few.error.absolute < 1e-2 * k.max()
    assert few.exact == (terms == 1)
    noise = k + 0.01 * np.random.default_rng(1).standard_normal(k.shape)
    near = kernels.separate(noise, max_terms=terms)
    assert np.linalg.norm(np.asarray(near) - noise) < 0.011 * np.sqrt(k.size)


def test_separate_errors_tell_the_scale() -> None:
    k = np.random.default_rng(0).standard_normal((5, 6))
    for scale in (1e300, 1e-300):
        found = kernels.separate(k * scale, max_terms=2)
        assert found.error.absolute == pytest.approx(kernels.separate(k, max_terms=2).error.absolute * scale)
    missed = kernels.separate(kernels.laplacian(), max_terms=1)
    assert missed.error.relative == inf and not missed.exact
    assert kernels.separate(np.zeros((3, 4))).error == (0, 0)
    assert kernels.separate([3, -1, 2]).exact and kernels.separate([3, -1, 2]).rank == 1


def test_a_separation_convolves_as_its_kernel() -> None:
    k = kernels.log(2)
    found = kernels.separate(k)
    a = np.random.default_rng(0).standard_normal((40, 41))
    parts = [fl.convolve(a, kernels.Separable(*term), "same", boundary="wrap") for term in found.factors]
    np.testing.assert_allclose(
        reduce(np.add, parts), fl.convolve(a, k, "same", boundary="wrap"), rtol=0, atol=1e-13
    )


def test_a_separation_says_what_it_is() -> None:
    assert repr(kernels.separate(kernels.sobel(0))) == (
        "rank 1 of a 3x3 kernel: 6 instead of 9 products a sample, every tap to 0 of itself"
    )
    assert repr(kernels.separate(kernels.laplacian(), max_terms=1)).startswith(
        "rank 1 of a 3x3 kernel: 6 instead of 9 products a sample, no tap off by more than "
    )
    with pytest.raises(ValueError, match="`copy`"):
        np.asarray(kernels.separate(kernels.sobel(0)), copy=False)
    with pytest.raises(AttributeError):
        kernels.separate([1]).exact = False  # type: ignore[misc]

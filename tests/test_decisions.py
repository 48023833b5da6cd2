"""Choices of docs/decisions.md that no other test holds."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl

INF = np.inf


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128], ids=str)
def test_a_real_operand_multiplies_both_parts(dtype):
    real = np.array([2, -3], np.empty(0, dtype).real.dtype)
    special = np.array([complex(INF, 1), complex(5, -INF), complex(1, 1)], dtype)
    for a, k in [(special, real), (special, [2.0, -3.0]), (special, [2, -3])]:
        got = fl.convolve(a, k, "valid")
        assert got.real.tolist() == [-INF, -13] and got.imag.tolist() == [-INF, INF]
    got = fl.convolve(real, special)  # complex taps on real samples
    assert not np.isnan(got).any()
    assert got[1].real == -INF and got[2].imag == INF


def test_taps_that_float32_does_not_hold_are_summed_in_float64():
    for tap, sample in [(1e-40, 1e30), (3e-45, 1e38), (1e39, 1e-20), (2.5e38, 0.5)]:
        a = np.full(5, sample, np.float32)
        got = fl.convolve(a, [tap, tap], "valid")
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, 2 * tap * np.float64(a[0]), rtol=2.0**-24)


@pytest.mark.parametrize("dtype", [bool, np.bool_, "?"], ids=str)
def test_bool_is_no_type_of_a_result(dtype):
    with pytest.raises(fl.FaltungError, match=r"`dtype` \(=bool\) cannot hold sums"):
        fl.convolve([True, False], [True, True], dtype=dtype)
    assert fl.convolve(np.array([True, True]), np.array([True, True])).tolist() == [1, 2, 1]


def test_an_explanation_is_text_and_a_table():
    told = fl.plan_convolve((30, 40), np.ones((3, 3)), "same").explain()
    assert isinstance(told, str) and repr(told) == str(told)
    assert told.splitlines()[0] == told.heading
    page = told._repr_html_()
    assert page.count("<tr>") == 1 + len(told.candidates) and "<td>direct</td>" in page


def test_a_number_of_workers_may_exceed_the_processors():
    a = np.arange(2e5)
    assert np.array_equal(fl.convolve(a, [1.0, 2.0], workers=10**9), fl.convolve(a, [1.0, 2.0], workers=1))


def test_a_list_for_a_plan_keeps_its_values():
    plan = fl.plan_convolve((2,), [1, 1], dtype=np.uint8)
    assert plan([1, 2]).tolist() == [1, 3, 2]
    for wrong in ([0.5, 1.0], [300, 1], [-1, 1]):
        with pytest.raises(TypeError, match=r"`x` .*exactly the plan's data type, uint8"):
            plan(wrong)
    assert fl.plan_convolve((2,), [1.0], dtype=np.float32)([0.1, 2]).dtype == np.float32

"""Integers are exact: what fits comes out, what does not raises, wraps modulo 2^bits or saturates."""

from __future__ import annotations

import re

import numpy as np
import pytest

import faltung as fl
from checks import check, oracle
from grids import FLOATS, INTEGERS, OPS, cover, draw

NAMES = re.compile(r"\b(u?int(?:8|16|32|64)|float32|float64)\b")


@pytest.fixture
def rng():
    return np.random.default_rng(41)


def holds(name, value):
    """Whether a dtype holds an integer; past 64 bits float64 is the best there is."""
    dtype = np.dtype(name)
    if dtype.kind in "iu":
        return np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
    return int(dtype.type(value)) == value or not -(2**63) <= value < 2**64


# ---- raise


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("method", ["direct", "reference"])
def test_the_ends_of_the_range_fit_and_one_more_does_not(dtype, method):
    info = np.iinfo(dtype)
    one, low, high = (np.array(value, dtype) for value in (1, info.min, info.max))
    k = np.array([1, 1], dtype)
    assert fl.convolve(np.array([high - one, one]), k, "valid", method=method).tolist() == [info.max]
    with pytest.raises(OverflowError):
        fl.convolve(np.array([high, one]), k, "valid", method=method)
    if dtype.kind == "i":
        assert fl.convolve(np.array([low + one, -one]), k, "valid", method=method).tolist() == [info.min]
        with pytest.raises(OverflowError):
            fl.convolve(np.array([low, -one]), k, "valid", method=method)
        with pytest.raises(OverflowError):  # the one magnitude that has no positive twin
            fl.convolve(np.array([low]), np.array([-1], dtype), method=method)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_the_message_names_index_value_and_a_dtype_that_holds_it(dtype):
    info = np.iinfo(dtype)
    a = np.zeros((5, 7), dtype)
    a[2, 3:5] = info.max
    value = 2 * int(info.max)
    with pytest.raises(OverflowError) as caught:
        fl.correlate(a, np.array([[1, 1]], dtype), "valid")
    message = str(caught.value)
    assert isinstance(caught.value, fl.FaltungError)
    assert re.search(r"2, *3", message), message
    assert str(value) in message.replace(",", "").replace("_", ""), message
    assert "`dtype=" in message and "overflow" in message, message
    offered = set(NAMES.findall(message)) - {dtype.name}
    assert all(holds(name, value) for name in offered), message
    if dtype != np.uint64:
        assert any(np.dtype(name).kind in "iu" for name in offered), message
        name = next(name for name in sorted(offered) if np.dtype(name).kind in "iu")
        got = fl.correlate(a, np.array([[1, 1]], dtype), "valid", dtype=name)
        assert int(got[2, 3]) == value


def test_the_dtype_of_the_message_holds_the_whole_result():
    # 300 fits uint16 and so does not -300: one name that holds both, or the advice fails again.
    a, k = np.array([100, -100], np.int8), np.array([3], np.int8)
    with pytest.raises(OverflowError, match="int16"):
        fl.convolve(a, k)
    assert fl.convolve(a, k, dtype="int16").tolist() == [300, -300]


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_one_overflow_among_many_outputs_is_found_and_out_stays_untouched(dtype, place):
    info = np.iinfo(dtype)
    a = np.ones((70, 130), dtype)
    spot = {"first": (0, 0), "middle": (33, 77), "last": (69, 129)}[place]
    a[spot] = info.max
    k = np.zeros((3, 3), dtype)
    k[1, 1], k[0, 1], k[2, 1] = 1, 1, 1
    out = np.full(a.shape, 7, dtype)
    with pytest.raises(OverflowError):
        fl.convolve(a, k, "same", out=out)
    assert (out == 7).all()
    a[spot] = info.max - 2
    assert fl.convolve(a, k, "same", out=out) is out
    assert out[spot] in (info.max, info.max - 1)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_an_array_in_place_survives_a_raise(dtype):
    a = np.arange(50).astype(dtype)
    a[25] = np.iinfo(dtype).max
    before = a.copy()
    with pytest.raises(OverflowError):
        fl.convolve(a, np.array([1, 1], dtype), "same", out=a)
    assert np.array_equal(a, before)


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_partial_sums_may_leave_the_range(dtype):
    info = np.iinfo(dtype)
    if dtype.kind == "i":
        a = np.array([info.max, info.max, info.min, info.min, 5], dtype)
        assert fl.convolve(a, np.ones(5, dtype), "valid").tolist() == [3]
    # and so may terms that other terms cancel
    a = np.array([info.max, info.max], dtype)
    assert fl.convolve(a, [3, -3], "valid").tolist() == [0]
    assert fl.correlate(a, [2**62, 1 - 2**62], "valid").tolist() == [info.max]


def test_an_absent_check_is_a_proof():
    # Σ|k|·max|a| just fits, just does not: 255 = 51 · 5 and 256 > 255.
    a = np.full(100, 51, np.uint8)
    assert fl.convolve(a, np.ones(5, np.uint8), "valid").tolist() == [255] * 96
    with pytest.raises(OverflowError):
        fl.convolve(np.full(100, 128, np.uint8), np.ones(2, np.uint8))
    a = np.full(100, -1, np.int8)
    assert fl.convolve(a, np.ones(128, np.int8)).min() == -100
    assert fl.convolve(np.full(128, -1, np.int8), np.ones(128, np.int8)).min() == -128
    with pytest.raises(OverflowError):
        fl.convolve(np.full(129, -1, np.int8), np.ones(129, np.int8))
    with pytest.raises(OverflowError):  # the sample that the boundary makes counts as well
        fl.convolve(np.full(9, 1, np.uint8), np.ones(3, np.uint8), fill_value=128)


# ---- wrap and saturate


@cover(dtype=INTEGERS, op=OPS, overflow=("wrap", "saturate", "raise"), shape=((40,), (9, 30), (4, 5, 20)))
def test_full_range_integers(rng, dtype, op, overflow, shape):
    taps = tuple(min(3, n) for n in shape)
    check(op, draw(rng, shape, dtype, "wide"), draw(rng, taps, dtype, "wide"), "same", overflow=overflow)
    # Taps of one: results on both sides of the range's ends.
    check(op, draw(rng, shape, dtype, "wide"), np.ones(taps, dtype), boundary="wrap", overflow=overflow)
    check(op, draw(rng, shape, dtype, "wide"), [2], axes=0, overflow=overflow)


@cover(source=INTEGERS, target=INTEGERS, overflow=("wrap", "saturate"))
def test_full_range_integers_to_another_dtype(rng, source, target, overflow):
    a, k = draw(rng, (8, 33), source, "wide"), draw(rng, (2, 3), source, "wide")
    check("convolve", a, k, dtype=target, overflow=overflow)
    check("correlate", a, [[1, -1]], "same", dtype=target, overflow=overflow)


def test_uint8_200_plus_200():
    a, k = np.array([200, 200], np.uint8), np.array([1, 1], np.uint8)
    with pytest.raises(OverflowError, match="400"):
        fl.convolve(a, k)
    assert fl.convolve(a, k, overflow="wrap").tolist() == [200, 144, 200]
    assert fl.convolve(a, k, overflow="saturate").tolist() == [200, 255, 200]
    assert fl.convolve(a, k, dtype=np.uint16).tolist() == [200, 400, 200]
    assert fl.correlate(a, [-1, 1], overflow="saturate").tolist() == [200, 0, 0]


# ---- 64 bits


def test_int64_above_2_to_the_53():
    a = np.array([2**53, 2**53 + 1, 2**62 + 1, -(2**63), 2**63 - 1])
    assert fl.convolve(a, np.array([1])).tolist() == a.tolist()
    assert fl.correlate(a, np.array([1, 0, 0]), "same").tolist() == [0, *a[:-1].tolist()]
    assert fl.convolve(np.array([2**32 + 1]), np.array([2**30 + 1])).tolist() == [(2**32 + 1) * (2**30 + 1)]
    u = np.array([2**64 - 1, 2**63 + 1], np.uint64)
    assert fl.convolve(u, np.array([1], np.uint64)).tolist() == u.tolist()


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 100, 300, 1000])
def test_sums_wider_than_128_bits(count):
    # Every product of two -2^63 is 2^126: two of them pass 2^127, four 2^128.
    low = -(2**63)
    a = np.full(count, low)
    with pytest.raises(OverflowError, match=str(count * 2**126)):
        fl.correlate(a, a, "valid")
    assert fl.correlate(a, a, "valid", overflow="saturate").tolist() == [2**63 - 1]
    assert fl.correlate(a, a, "valid", overflow="wrap").tolist() == [0]
    # The same sum, and twice as many halves against it: 5 remains.
    a = np.array([low] * (3 * count) + [5])
    k = np.array([low] * count + [2**62] * (2 * count) + [1])
    for order in (slice(None), slice(None, None, -1)):
        assert fl.correlate(a[order], k[order], "valid").tolist() == [5]


@pytest.mark.parametrize("taps", [1, 2, 3, 40, 700])
def test_the_largest_uint64_sums(taps):
    top = 2**64 - 1
    a, k = np.full(taps, top, np.uint64), np.full(taps, top, np.uint64)
    exact = taps * top * top
    assert fl.convolve(a, k, "valid", overflow="wrap").tolist() == [exact % 2**64]
    assert fl.convolve(a, k, "valid", overflow="saturate").tolist() == [top]
    if taps > 1:
        signs = [(-1) ** i for i in range(taps)]
        expected = top if taps % 2 else 0
        assert fl.convolve(a, signs, "valid").tolist() == [expected]


@pytest.mark.parametrize("power", [24, 31, 32, 53, 62, 63, 64, 65])
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_sums_on_both_sides_of_what_a_faster_type_could_hold(dtype, power):
    # 2^24 ends float32, 2^53 float64, 2^63 int64, 2^64 uint64.
    info = np.iinfo(dtype)
    for count in (1, 2, 7, 64, 300):
        for tap in {2**power // (info.max * count) + d for d in (-1, 0, 1)}:
            if not 1 < tap < 2**63:
                continue
            a, taps = np.full(count + 5, info.max, dtype), [tap] * (count - 1) + [tap - 1]
            a[1::3] -= 1
            for target in ("int64", "uint64", "float64"):
                check("correlate", a, taps, "valid", dtype=target, overflow="wrap")
            low = np.full(count + 2, info.min, dtype)
            check("correlate", low, [-tap for tap in taps], "valid", dtype="int64", overflow="saturate")


@pytest.mark.parametrize("method", ["direct", "reference"])
@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
def test_random_64_bit_sums_that_just_fit(rng, dtype, method):
    # Random halves, and a last tap that brings the exact sum near one end of the range.
    info = np.iinfo(dtype)
    for _ in range(20):
        a = rng.integers(0 if dtype == np.uint64 else -(2**31), 2**31, 9).astype(dtype)
        k = rng.integers(0 if dtype == np.uint64 else -(2**28), 2**28, 9).astype(dtype)
        a[4] = 1
        k[4] = 0
        rest = oracle("correlate", a, k, "valid").real[0]
        for target, fits in [
            (info.max, True),
            (info.min, True),
            (info.max + 1, False),
            (info.min - 1, False),
        ]:
            if info.min <= target - rest <= info.max:
                k[4] = target - rest
                if fits:
                    assert fl.correlate(a, k, "valid", method=method).tolist() == [target]
                else:
                    with pytest.raises(OverflowError, match=str(target)):
                        fl.correlate(a, k, "valid", method=method)


# ---- floats to integers


@pytest.mark.parametrize("source", FLOATS, ids=str)
def test_a_float_that_rounds_past_the_end(source):
    near = np.array([254.5, 255], source) if source.itemsize > 2 else np.array([254, 255], source)
    assert fl.convolve(near, [1], dtype=np.uint8).tolist()[1] == 255
    for value, wrapped, cut in [(256, 0, 255), (-1, 255, 0), (1000, 232, 255)]:
        a = np.array([1, value], source)
        with pytest.raises(OverflowError):
            fl.convolve(a, [1], dtype=np.uint8)
        assert fl.convolve(a, [1], dtype=np.uint8, overflow="wrap").tolist() == [1, wrapped]
        assert fl.convolve(a, [1], dtype=np.uint8, overflow="saturate").tolist() == [1, cut]
    if source.itemsize > 2:
        assert fl.convolve(np.array([-0.5, 255.25], source), [1], dtype=np.uint8).tolist() == [0, 255]
        with pytest.raises(OverflowError):
            fl.convolve(np.array([255.5], source), [1], dtype=np.uint8)


@pytest.mark.parametrize("target", INTEGERS, ids=str)
@pytest.mark.parametrize("source", FLOATS[2:], ids=str)
def test_floats_at_the_ends_of_the_range(target, source):
    info, one = np.iinfo(target), np.ones(1, source)
    past = source.type(2.0) ** (info.bits - (target.kind == "i"))  # one too many
    with pytest.raises(OverflowError):
        fl.convolve(np.array([past]), one, dtype=target)
    below = np.floor(np.nextafter(past, source.type(0))) if info.bits > 24 else past - 1
    assert fl.convolve(np.array([below], source), one, dtype=target).tolist() == [int(below)]
    assert fl.convolve(np.array([info.min], source), one, dtype=target).tolist() == [info.min]
    got = fl.convolve(np.array([1e30, -1e30], source), one, dtype=target, overflow="saturate")
    assert got.tolist() == [info.max, info.min]


@pytest.mark.parametrize("target", INTEGERS, ids=str)
@pytest.mark.parametrize("source", FLOATS, ids=str)
def test_nan_and_infinity_to_integers(source, target):
    info = np.iinfo(target)
    out = np.full(3, 9, target)
    for overflow in ("raise", "wrap", "saturate"):
        with pytest.raises(ValueError, match="NaN"):
            fl.convolve(np.array([1, np.nan, 2], source), [1], dtype=target, overflow=overflow, out=out)
    ends = np.array([1, np.inf, -np.inf], source)
    with pytest.raises((OverflowError, ValueError), match="inf"):
        fl.convolve(ends, [1], dtype=target, out=out)
    assert (out == 9).all()
    assert fl.convolve(ends, [1], dtype=target, overflow="saturate").tolist() == [1, info.max, info.min]

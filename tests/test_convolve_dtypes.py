"""Which dtype comes out, with the definition's values: mixed, weak, half, byte-swapped, by ``dtype=``."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import faltung as fl
from checks import check, expected_dtype
from grids import BFLOAT16, COMPLEX, DTYPES, FLOATS, HALVES, INTEGERS, MODES, OPS, cover, draw

FLOAT16 = np.dtype(np.float16)


@pytest.fixture
def rng():
    return np.random.default_rng(31)


def has_no_common_dtype(one, other):
    """Pairs whose promotion would lose digits silently."""
    pair = {one, other}
    signed = any(dtype.kind == "i" for dtype in pair)
    wide = any(dtype.kind in "iu" and dtype.itemsize > 1 for dtype in pair)
    return (np.dtype(np.uint64) in pair and signed) or (BFLOAT16 in pair and (wide or FLOAT16 in pair))


@pytest.mark.parametrize("one", DTYPES, ids=str)
def test_every_pair_of_dtypes(rng, one):
    for other in DTYPES:
        a, k = draw(rng, (5, 22), one), draw(rng, (2, 3), other)
        if has_no_common_dtype(one, other):
            with pytest.raises(TypeError, match="`dtype"):
                fl.convolve(a, k)
            continue
        got = check("correlate", a, k, "same")
        both_bool = one.kind == other.kind == "b"
        assert got.dtype == (np.int64 if both_bool else np.result_type(one, other))


@pytest.mark.parametrize(
    ("one", "other"), [("uint64", "int8"), ("int64", "uint64"), (BFLOAT16, "float16"), ("int32", BFLOAT16)]
)
@pytest.mark.parametrize("dtype", ["float64", "int64", "complex128"])
def test_dtype_settles_pairs_without_a_common_one(one, other, dtype):
    check("convolve", np.array([1, 2, 3], one), np.array([3, 0, 1], other), dtype=dtype)


# ---- weak operands


WEAK = {
    "bools": [True, False, True],
    "integers": [-1, 2, -1],
    "floats": [0.25, 0.5, 0.25],
    "tenths": [0.1, 0.7, -0.3],
    "complex": [1j, 2, -0.5],
    "tuple": (1, 2, 1),
    "a mixed list": [1, 2.5, True],
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kernel", WEAK)
def test_only_the_kind_of_a_list_counts(rng, dtype, kernel):
    a = draw(rng, (33,), dtype)
    k = WEAK[kernel]
    if dtype.kind == "u" and kernel == "integers":
        a = np.arange(33).astype(dtype) ** 2 % 50  # convex and concave: some results are negative
    for op in OPS:
        check(op, a, k, "same", boundary="edge", overflow="wrap")
        check(op, k, a, overflow="wrap")


@pytest.mark.parametrize(
    ("dtype", "k", "expected"),
    [
        (np.uint8, [-1, 2, -1], np.uint8),
        (np.uint8, [0.25, 0.5, 0.25], np.float64),
        (np.float32, [0.25, 0.5, 0.25], np.float32),
        (np.float16, [1, 2], np.float16),
        (BFLOAT16, [0.5, 0.5], BFLOAT16),
        (np.float32, [1j], np.complex64),
        (np.float64, [1j], np.complex128),
        (np.int8, [1j], np.complex128),
        (bool, [True, True], np.int64),
        (bool, [1, 1], np.int64),
        (bool, [0.5], np.float64),
        (np.uint64, [1, 2], np.uint64),
    ],
)
def test_the_dtypes_that_lists_give(dtype, k, expected):
    assert fl.convolve(np.zeros(4, dtype), k).dtype == expected == expected_dtype(np.zeros(4, dtype), k)


def test_two_lists_give_the_widest_of_their_kind():
    assert fl.convolve([1, 2], [3]).dtype == np.int64
    assert fl.convolve([True], [False, True]).dtype == np.int64
    assert fl.convolve([1, 2], [0.5]).dtype == np.float64
    assert fl.convolve([[1.0], [2.0]], [[1j]]).dtype == np.complex128
    assert fl.convolve([1.0], [np.float16(2)]).dtype == np.float64
    assert fl.convolve(3, 4.5) == 13.5


def test_taps_of_a_list_are_used_exactly(rng):
    image = rng.integers(0, 256, (6, 9), np.uint8)
    # Taps that uint8 does not hold, and results that it or int32 does.
    assert fl.correlate(np.array([1, 2, 4], np.uint8), [-1, 1], "valid").tolist() == [1, 2]
    assert fl.convolve(np.array([3, 0], np.uint8), [-1, 1000], dtype=np.int32).tolist() == [-3, 3000, 0]
    # 0.1 is the float64 0.1, also on integers.
    assert np.array_equal(fl.convolve(image, [[0.1]]), image * 0.1)
    assert fl.convolve(np.array([1], np.uint64), [2**63]).tolist() == [2**63]


def test_a_numpy_scalar_is_an_array_not_weak():
    assert fl.convolve(np.array(2, np.float32), np.float64(3)).dtype == np.float64
    assert fl.convolve(np.array(2, np.int8), np.int64(3)).dtype == np.int64
    assert fl.convolve(np.array(2, np.float32), 3.0).dtype == np.float32


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_kernels_are_weak(rng, dtype):
    image = draw(rng, (9, 21), dtype)
    sobel, box = fl.kernels.sobel(axis=1), fl.kernels.box(3)
    check("convolve", image, sobel, "same", boundary="edge", overflow="wrap")
    smooth = check("convolve", image, box, "same", boundary="reflect")
    assert smooth.dtype == (dtype if dtype.kind in "fcV" else np.float64)
    assert np.array_equal(fl.convolve(image, np.asarray(box).tolist(), "same", boundary="reflect"), smooth)


# ---- half types sum in float32


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_half_types_accumulate_in_float32(dtype):
    # A chain in float16 stops at 2048, one in bfloat16 at 256.
    for shape in (4096,), (64, 64), (8, 16, 32):
        ones = np.ones(shape, dtype)
        assert fl.convolve(ones, ones, "valid").astype(float).ravel().tolist() == [4096]


@cover(dtype=HALVES, op=OPS, mode=MODES, spread=("small", "wide"))
def test_half_types_on_images(rng, dtype, op, mode, spread):
    a, k = draw(rng, (17, 45), dtype, spread), draw(rng, (5, 7), dtype, spread)
    check(op, a, k, mode, boundary="symmetric")


def test_half_types_overflow_to_infinity_only_past_the_largest():
    a = np.array([60000, 5000, 100], np.float16)
    assert fl.convolve(a, np.array([1, 1, 1], np.float16), "valid").tolist() == [65088]
    assert fl.convolve(a, np.array([2], np.float16)).tolist() == [np.inf, 10000, 200]
    large = ml_dtypes.finfo(ml_dtypes.bfloat16).max
    got = fl.convolve(np.array([large, large]), np.ones(2, BFLOAT16))
    assert got.astype(np.float32).tolist() == [float(large), np.inf, float(large)]


# ---- bytes


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d.itemsize > 1 and d != BFLOAT16], ids=str)
def test_byte_swapped_input_gives_a_native_result(rng, dtype):
    a, k = draw(rng, (7, 30), dtype), draw(rng, (3, 3), dtype)
    swapped = [x.astype(dtype.newbyteorder("S")) for x in (a, k)]
    expected = fl.convolve(a, k)
    for one, other in [(a, swapped[1]), (swapped[0], k), swapped]:
        got = check("convolve", one, other)
        assert got.dtype.isnative and got.tobytes() == expected.tobytes()


# ---- dtype=


@cover(source=DTYPES, target=DTYPES[1:], op=OPS, spelling=("dtype", "name", "type"))
def test_any_input_to_any_dtype(rng, source, target, op, spelling):
    if source.kind == "c" and target.kind != "c":
        return
    a, k = draw(rng, (4, 25), source), draw(rng, (3, 2), source)
    spelled = {"dtype": target, "name": target.name, "type": target.type}[spelling]
    check(op, a, k, dtype=spelled, overflow="saturate")


def test_dtype_sets_the_precision_of_the_sum():
    a = np.array([1e8, 1, -1e8], np.float32)
    assert fl.convolve(a, np.ones(3, np.float32), "valid", dtype=np.float64).tolist() == [1]
    a = np.array([200, 200], np.uint8)
    assert fl.convolve(a, np.array([1, 1], np.uint8), dtype="uint16").tolist() == [200, 400, 200]
    assert fl.convolve(a, a, dtype=np.int64).tolist() == [40000, 80000, 40000]


@pytest.mark.parametrize("target", INTEGERS, ids=str)
@pytest.mark.parametrize("source", FLOATS, ids=str)
def test_floats_round_to_integers_half_to_even(target, source):
    halves = np.array([0.5, 1.5, 2.5, 3.5, 4.25, 4.75, 100.5], source)
    assert fl.convolve(halves, [1], dtype=target).tolist() == [0, 2, 2, 4, 4, 5, 100]
    assert fl.convolve(np.array([1, 3, 5], source), [0.5], dtype=target).tolist() == [0, 2, 2]
    if target.kind == "i":
        assert fl.convolve(-halves, [1], dtype=target).tolist() == [0, -2, -2, -4, -4, -5, -100]


@cover(
    source=("uint8", "int16", "float32"),
    kernel=("weak", "float32", "float64"),
    target=("uint8", "int16", "int32"),
)
def test_a_smoothed_image_keeps_its_dtype_by_dtype(rng, source, kernel, target):
    image = rng.integers(0, 256, (30, 47)).astype(source)
    weights = np.asarray(fl.kernels.gaussian(1.0))
    k = weights.tolist() if kernel == "weak" else weights.astype(kernel)
    check("convolve", image, k, "same", boundary="reflect", dtype=target, overflow="saturate")
    white = np.full((20, 20), 255, source)
    assert (fl.convolve(white, k, "same", boundary="edge", dtype=target, overflow="saturate") == 255).all()


@pytest.mark.parametrize(
    ("a", "k"), [(np.float32, COMPLEX[0]), (np.float32, COMPLEX[1]), (np.int16, COMPLEX[0])]
)
def test_real_and_complex_mix(rng, a, k):
    check("correlate", draw(rng, (30,), a), draw(rng, (4,), k), "same")
    check("correlate", draw(rng, (30,), k), draw(rng, (4,), a), "same")


@pytest.mark.parametrize("op", [fl.convolve, fl.correlate])
def test_python_integers_of_2_to_the_63_stay_integers(op):
    large = [2**63, 1]
    assert op(large, [1]).dtype == np.uint64 and op(large, [1]).tolist() == large
    assert op(np.ones(2, np.float32), large).dtype == np.float32
    assert op(np.ones(1, np.uint64), large).dtype == np.uint64
    with pytest.raises(TypeError, match=r"`a` has integers that no 64-bit type holds"):
        op([2**64], [1])
    with pytest.raises(OverflowError, match=r"-9223372036854775808, beyond uint64"):
        op(large, [-1])

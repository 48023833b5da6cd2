"""Memory: ``out=`` of any strides and overlap, inputs of any layout; nothing else is ever written."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import faltung as fl
from checks import check
from grids import BOUNDARIES, DTYPES, INTEGERS, MODES, OPS, cover, draw

LAYOUTS = {
    "contiguous": lambda a: a,
    "fortran": lambda a: np.asfortranarray(a),
    "reversed": lambda a: np.ascontiguousarray(a[(slice(None, None, -1),) * a.ndim])[
        (slice(None, None, -1),) * a.ndim
    ],
    "every third": lambda a: within(a, 3),
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "misaligned": lambda a: misaligned(a),
    "read-only": lambda a: read_only(a),
}
SOME = tuple(
    np.dtype(name)
    for name in ("bool", "uint8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64")
)


def within(a, step):
    """The values of ``a`` in every ``step``-th element of a larger array."""
    large = np.zeros([n * step for n in a.shape], a.dtype)
    view = large[(slice(1, None, step),) * a.ndim]
    view[...] = a
    return view


def misaligned(a):
    """The values of ``a`` one byte past any alignment."""
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


@pytest.fixture
def rng():
    return np.random.default_rng(51)


# ---- inputs


@cover(dtype=DTYPES, array=LAYOUTS, kernel=LAYOUTS, shape=((37,), (8, 21), (3, 5, 18)))
def test_inputs_of_any_layout(rng, dtype, array, kernel, shape):
    a, k = draw(rng, shape, dtype), draw(rng, (3, 2, 3)[: len(shape)], dtype)
    x, w = LAYOUTS[array](a), LAYOUTS[kernel](k)
    check("convolve", x, w, "same", boundary="edge")
    assert x.tobytes() == a.tobytes() and w.tobytes() == k.tobytes()


@cover(
    dtype=[d for d in SOME if d.kind != "b"],
    layout=LAYOUTS,
    mode=MODES,
    boundary=BOUNDARIES,
    stride=(1, 2, 3),
    dilation=(1, 2, 5),
)
def test_inputs_of_any_layout_with_steps_and_boundaries(rng, dtype, layout, mode, boundary, stride, dilation):
    options = {"boundary": boundary, "stride": stride, "dilation": dilation}
    for shape, taps in [((16,), (3,)), ((60,), (4,)), ((11, 12), (2, 3)), ((6, 6, 19), (2, 1, 3))]:
        a, k = LAYOUTS[layout](draw(rng, shape, dtype)), draw(rng, taps, dtype)
        check("convolve", a, k, mode, **options)
        check("correlate", a, k, mode, **options)


@pytest.mark.parametrize("dtype", SOME, ids=str)
def test_axes_in_any_memory_order(rng, dtype):
    a, k = draw(rng, (4, 5, 19), dtype), draw(rng, (2, 3), dtype)
    for order in itertools.permutations(range(3)):
        x = np.ascontiguousarray(a.transpose(order)).transpose(np.argsort(order))
        for axes in [(0, 1), (1, 2), (2, 0)]:
            check("convolve", x, k, axes=axes)


def test_broadcast_views_as_input(rng):
    row = draw(rng, (1, 40), np.float32)
    a, k = np.broadcast_to(row, (6, 40)), np.broadcast_to(np.float32(0.5), (3, 3))
    check("convolve", a, k, "same", boundary="wrap")


@pytest.mark.parametrize("dtype", SOME, ids=str)
def test_the_result_is_c_contiguous_and_new(rng, dtype):
    a = np.asfortranarray(draw(rng, (9, 12), dtype))
    for k in (np.ones((1, 1), dtype), draw(rng, (3, 3), dtype)):
        got = fl.convolve(a, k, "same")
        assert got.flags.c_contiguous and got.flags.writeable and not np.shares_memory(got, a)


# ---- out


@cover(dtype=SOME, layout=[name for name in LAYOUTS if name != "read-only"], mode=MODES)
def test_out_of_any_strides(rng, dtype, layout, mode):
    for shape, taps in [((45,), (4,)), ((7, 22), (3, 4)), ((3, 4, 21), (2, 2, 3))]:
        a, k = draw(rng, shape, dtype), draw(rng, taps, dtype)
        plain = fl.convolve(a, k, mode)
        out = LAYOUTS[layout](np.zeros_like(plain))
        frame = out.base.copy() if out.base is not None else None
        assert check("convolve", a, k, mode, out=out) is out
        if layout == "every third":  # what lies between the elements is somebody else's
            out[...] = 0
            assert np.array_equal(out.base, frame)


@pytest.mark.parametrize("dtype", SOME, ids=str)
@pytest.mark.parametrize("op", OPS)
def test_in_place(rng, dtype, op):
    if dtype.kind == "b":
        return  # two bools count in int64: out is another dtype
    for shape, taps in [((1000,), (9,)), ((40, 57), (5, 4)), ((6, 7, 33), (3, 2, 3))]:
        for boundary in ("constant", "wrap"):
            a, k = draw(rng, shape, dtype), draw(rng, taps, dtype)
            expected = getattr(fl, op)(a, k, "same", boundary=boundary)
            assert getattr(fl, op)(a, k, "same", boundary=boundary, out=a) is a
            assert np.array_equal(a, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("shift", [(0, 1), (0, -1), (1, 0), (-1, 0), (2, 3), (-3, -2), (2, -3), (-1, 7)])
def test_out_that_overlaps_the_array_in_every_direction(rng, dtype, shift):
    memory = draw(rng, (40, 60), dtype)
    rows, columns = slice(5, 30), slice(10, 48)
    a = memory[rows, columns]
    out = memory[5 + shift[0] : 30 + shift[0], 10 + shift[1] : 48 + shift[1]]
    k = draw(rng, (3, 3), dtype)
    expected, around = fl.convolve(a, k, "same", boundary="edge"), memory.copy()
    around[5 + shift[0] : 30 + shift[0], 10 + shift[1] : 48 + shift[1]] = expected
    fl.convolve(a, k, "same", boundary="edge", out=out)
    assert np.array_equal(memory, around)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.complex128])
def test_out_that_overlaps_backwards_interleaved_or_the_kernel(rng, dtype):
    memory = draw(rng, (400,), dtype)
    k = draw(rng, (5,), dtype)
    for a_of, out_of in [
        (np.s_[:200], np.s_[199::-1]),
        (np.s_[::2], np.s_[1::2]),
        (np.s_[0:200], np.s_[0:400:2]),
        (np.s_[300:100:-1], np.s_[100:300]),
    ]:
        trial = memory.copy()
        expected = fl.convolve(trial[a_of].copy(), k, "same")
        fl.convolve(trial[a_of], k, "same", out=trial[out_of])
        assert np.array_equal(trial[out_of], expected)
    trial = memory.copy()
    expected = fl.convolve(memory[100:300], memory[90:110], "same")
    fl.convolve(trial[100:300], trial[90:110], "same", out=trial[0:200])
    assert np.array_equal(trial[:200], expected)
    trial = memory.copy()
    fl.convolve(trial[100:300], trial[90:110], "same", out=trial[95:295])  # over both
    assert np.array_equal(trial[95:295], expected)


def test_a_transposed_view_as_out_of_itself(rng):
    for dtype in (np.float32, np.int16):
        a, k = draw(rng, (33, 33), dtype), draw(rng, (3, 3), dtype)
        expected = fl.convolve(a, k, "same")
        assert np.array_equal(fl.convolve(a, k, "same", out=a.T), expected)
        assert np.array_equal(a.T, expected)


@pytest.mark.parametrize("overflow", ["wrap", "saturate", "raise"])
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_out_with_every_overflow_policy_and_another_dtype(rng, dtype, overflow):
    a, k = draw(rng, (12, 31), dtype), draw(rng, (3, 3), dtype)
    out = within(np.zeros((12, 31), np.int64), 2)
    assert fl.convolve(a, k, "same", dtype=np.int64, overflow=overflow, out=out) is out
    assert np.array_equal(out, fl.convolve(a, k, "same", dtype=np.int64))


def test_out_of_size_zero_and_of_no_axes():
    out = np.empty((0, 6))
    assert fl.convolve(np.ones((0, 5)), [1.0, 2.0], axes=1, out=out) is out
    scalar = np.empty((), np.float32)
    assert fl.convolve(np.float32(3), np.float32(4), out=scalar) is scalar and scalar == 12


def test_out_with_axes_stride_and_broadcast(rng):
    a, k = draw(rng, (1, 40, 3), np.float32), draw(rng, (5, 3, 1), np.float32)
    expected = fl.convolve(a, k, "same", axes=1, stride=3, boundary="wrap")
    out = np.asfortranarray(np.empty_like(expected))
    fl.convolve(a, k, "same", axes=1, stride=3, boundary="wrap", out=out)
    assert expected.shape == (5, 14, 3) and np.array_equal(out, expected)


# ---- errors


@pytest.mark.parametrize(
    ("out", "kind", "words"),
    [
        (np.zeros(5), ValueError, ["`out`", "(5,)", "(6,)"]),
        (np.zeros((6, 1)), ValueError, ["`out`", "(6, 1)", "(6,)"]),
        (np.zeros(6, np.float32), TypeError, ["`out`", "float32", "float64"]),
        (np.zeros(6, ">f8"), TypeError, ["`out`", ">f8"]),
        (read_only(np.zeros(6)), ValueError, ["`out`", "read-only"]),
        ([0.0] * 6, TypeError, ["`out`", "list"]),
        ("out", TypeError, ["`out`", "str"]),
        (np.ma.zeros(6), TypeError, ["`out`"]),
    ],
    ids=["short", "axes", "dtype", "byte order", "read-only", "list", "text", "masked"],
)
def test_a_wrong_out_is_refused_and_not_written(out, kind, words):
    before = np.array(out) if isinstance(out, np.ndarray) else None
    with pytest.raises(kind) as caught:
        fl.convolve(np.ones(5), np.ones(2), out=out)
    assert isinstance(caught.value, fl.FaltungError)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    if before is not None:
        assert np.array_equal(out, before)


def test_nothing_is_written_when_another_argument_is_wrong():
    out = np.full(6, 7.0)
    for name, value in {"mode": "some", "boundary": "mirror", "stride": 0, "nan_policy": "raise"}.items():
        with pytest.raises(fl.FaltungError):
            fl.convolve(np.array([1, 2, np.nan, 4, 5]), np.ones(2), out=out, **{name: value})
        assert (out == 7).all()

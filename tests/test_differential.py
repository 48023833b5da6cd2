"""Beside other libraries: the same numbers where they are right, the definition's where they are not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import faltung as fl
from checks import check, compare, oracle
from conftest import peer
from grids import MODES, OPS, cover, draw

INEXACT = tuple(np.dtype(name) for name in ("float32", "float64", "complex64", "complex128"))
EXACT = (np.dtype(np.int32), np.dtype(np.int64))


@pytest.fixture
def rng():
    return np.random.default_rng(91)


def agree(ours, theirs):
    """Equal integers; floats as near as two roundings of the same sum."""
    assert ours.shape == theirs.shape
    if ours.dtype.kind in "iu":
        assert np.array_equal(ours, theirs)
    else:
        near = 200 * np.finfo(ours.dtype).eps * abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=near)


# ---- NumPy


@cover(op=OPS, dtype=EXACT + INEXACT, mode=MODES, sizes=((30, 5), (64, 64), (17, 4), (9, 1)))
def test_numpy(rng, op, dtype, mode, sizes):
    a, k = (draw(rng, (n,), dtype) for n in sizes)
    if sizes[1] % 2 == 0 and op == "correlate" and mode == "same":
        return  # numpy.correlate centres even kernels elsewhere; see below
    agree(getattr(fl, op)(a, k, mode), getattr(np, op)(a, k, mode))


def test_numpy_lets_same_follow_the_longer_input():
    a, k = [1, 2], [1, 2, 3, 4]
    assert np.convolve(a, k, "same").shape == (4,)
    assert fl.convolve(a, k, "same").shape == (2,)


# ---- scipy.signal


@cover(op=OPS, dtype=EXACT + INEXACT, mode=MODES, ndim=(1, 2, 3), even=(False, True))
def test_scipy_signal(rng, op, dtype, mode, ndim, even):
    signal = peer("scipy.signal")
    a, k = draw(rng, (12, 11, 9)[:ndim], dtype), draw(rng, (4 if even else 3, 5, 2)[:ndim], dtype)
    agree(getattr(fl, op)(a, k, mode), getattr(signal, op)(a, k, mode, method="direct"))


@cover(
    op=OPS,
    mode=MODES,
    boundary=(("constant", "fill"), ("wrap", "wrap"), ("symmetric", "symm")),
    fill=(0, 3),
    taps=((3, 3), (4, 2), (1, 6)),
)
def test_scipy_convolve2d(rng, op, mode, boundary, fill, taps):
    signal = peer("scipy.signal")
    if op == "correlate" and mode == "same" and taps != (3, 3):
        return  # correlate2d and correlate disagree on even kernels since 2011
    a, k = rng.integers(-50, 50, (11, 13)), rng.integers(-9, 10, taps)
    theirs = getattr(signal, op + "2d")(a, k, mode, boundary=boundary[1], fillvalue=fill)
    agree(getattr(fl, op)(a, k, mode, boundary=boundary[0], fill_value=fill), theirs)


def test_scipy_fft_convolution_is_near(rng):
    signal = peer("scipy.signal")
    a, k = rng.standard_normal((100, 90)), rng.standard_normal((31, 30))
    agree(fl.convolve(a, k, "same"), signal.fftconvolve(a, k, "same"))


def test_scipy_upfirdn_is_a_strided_convolution(rng):
    signal = peer("scipy.signal")
    a, k = rng.standard_normal(101), rng.standard_normal(9)
    agree(fl.convolve(a, k, stride=4), signal.upfirdn(k, a, down=4))


# ---- scipy.ndimage

NDIMAGE = {
    "constant": "constant",
    "edge": "nearest",
    "reflect": "mirror",
    "symmetric": "reflect",
    "wrap": "wrap",
}
OPENCV = {"constant": "CONSTANT", "edge": "REPLICATE", "reflect": "REFLECT_101", "symmetric": "REFLECT"}


@cover(
    op=OPS,
    boundary=NDIMAGE,
    dtype=(EXACT[0], INEXACT[1], INEXACT[3]),
    taps=((3, 3), (4, 3), (5, 2), (9, 8)),
)
def test_scipy_ndimage(rng, op, boundary, dtype, taps):
    ndimage = peer("scipy.ndimage")
    a, k = draw(rng, (14, 17), dtype), draw(rng, taps, dtype)
    theirs = getattr(ndimage, op)(a, k, mode=NDIMAGE[boundary], cval=2)
    # ndimage puts tap K//2 on the output, under convolution too.
    centre = tuple(n // 2 for n in taps)
    agree(getattr(fl, op)(a, k, "same", boundary=boundary, fill_value=2, anchor=centre), theirs)


@pytest.mark.parametrize("taps", [3, 4, 7])
def test_the_origin_of_ndimage_is_our_anchor(rng, taps):
    ndimage = peer("scipy.ndimage")
    a, k = rng.integers(-9, 10, 20), rng.integers(-9, 10, taps)
    for origin in range(-(taps // 2), (taps - 1) // 2 + 1):
        theirs = ndimage.correlate(a, k, mode="nearest", origin=origin)
        assert np.array_equal(fl.correlate(a, k, "same", boundary="edge", anchor=taps // 2 + origin), theirs)
    for origin in range(-((taps - 1) // 2), (taps - 1) // 2 + 1):
        theirs = ndimage.convolve(a, k, mode="wrap", origin=origin)
        assert np.array_equal(fl.convolve(a, k, "same", boundary="wrap", anchor=taps // 2 + origin), theirs)


def test_gaussian_and_sobel_of_ndimage(rng):
    ndimage = peer("scipy.ndimage")
    a, options = rng.standard_normal((40, 50)), {"mode": "same", "boundary": "symmetric"}
    agree(fl.convolve(a, fl.kernels.gaussian(1.5), **options), ndimage.gaussian_filter(a, 1.5))
    agree(fl.convolve(a, fl.kernels.sobel(axis=1), **options), ndimage.sobel(a, axis=1))


# ---- OpenCV


@cover(
    dtype=(np.float32, np.float64),
    boundary=OPENCV,
    taps=((3, 3), (5, 4), (2, 7), (13, 13)),
    channels=(1, 3),
    anchor=(None, (1, 0)),
)
def test_opencv(rng, dtype, boundary, taps, channels, anchor):
    cv2 = peer("cv2")
    a, k = draw(rng, (40, 50, channels), dtype), draw(rng, taps, dtype)
    border = getattr(cv2, "BORDER_" + OPENCV[boundary])
    x_first = (-1, -1) if anchor is None else anchor[::-1]
    theirs = cv2.filter2D(a, -1, k, anchor=x_first, borderType=border).reshape(a.shape)
    agree(fl.correlate(a, k, "same", boundary=boundary, axes=(0, 1), anchor=anchor), theirs)


def test_opencv_rounds_and_saturates_as_we_do(rng):
    cv2 = peer("cv2")
    a = rng.integers(0, 256, (30, 31), np.uint8)
    k = np.array([[-1, -1, -1], [-1, 9, -1], [-1, -1, -1]], np.float32)
    theirs = cv2.filter2D(a, -1, k, borderType=cv2.BORDER_REPLICATE)
    options = {"boundary": "edge", "overflow": "saturate"}
    assert np.array_equal(fl.correlate(a, k.astype(int).tolist(), "same", **options), theirs)
    assert np.array_equal(fl.correlate(a, k, "same", dtype=np.uint8, **options), theirs)


# ---- PyTorch


@cover(
    ndim=(1, 2, 3),
    dtype=("float32", "float64", "int64"),
    stride=(1, 2, 3),
    dilation=(1, 2),
    mode=("valid", "full"),
)
def test_torch(rng, ndim, dtype, stride, dilation, mode):
    torch = peer("torch")
    a, k = draw(rng, (3, *(13, 12, 11)[:ndim]), dtype), draw(rng, (4, 3, 2)[:ndim], dtype)
    conv = getattr(torch.nn.functional, f"conv{ndim}d")
    padding = [dilation * (n - 1) for n in k.shape] if mode == "full" else 0
    x, w = torch.from_numpy(a)[:, None], torch.from_numpy(k)[None, None]
    theirs = conv(x, w, stride=stride, padding=padding, dilation=dilation)[:, 0].numpy()
    axes = tuple(range(1, ndim + 1))
    agree(fl.correlate(a, k, mode, axes=axes, stride=stride, dilation=dilation), theirs)


@pytest.mark.parametrize(
    ("theirs", "ours"), [("circular", "wrap"), ("reflect", "reflect"), ("replicate", "edge")]
)
def test_torch_padding_modes(rng, theirs, ours):
    torch = peer("torch")
    a, k = draw(rng, (12, 15), "float64"), draw(rng, (5, 3), "float64")
    padded = torch.nn.functional.pad(torch.from_numpy(a)[None, None], (1, 1, 2, 2), mode=theirs)
    expected = torch.nn.functional.conv2d(padded, torch.from_numpy(k)[None, None])[0, 0].numpy()
    agree(fl.correlate(a, k, "same", boundary=ours), expected)


# ---- where they are wrong, each with what the definition says


def test_int64_above_2_to_the_53():
    ndimage, signal = peer("scipy.ndimage"), peer("scipy.signal")
    a, one = np.array([2**62 + 1, 2**53 + 1, 3]), np.array([1])
    assert not np.array_equal(ndimage.convolve(a, one), a)  # weights go through float64
    assert np.array_equal(fl.convolve(a, one, "same"), a)
    assert signal.correlate([2], [2**62], method="direct") == -(2**63)
    with pytest.raises(OverflowError, match=str(2**63)):
        fl.correlate([2], [2**62])


def test_uint8_200_plus_200():
    signal = peer("scipy.signal")
    a, k = np.array([200, 200], np.uint8), np.ones(2, np.uint8)
    assert signal.convolve(a, k, method="direct").tolist() == [200, 144, 200]
    assert fl.convolve(a, k, dtype=np.uint16).tolist() == [200, 400, 200]
    with pytest.raises(OverflowError, match="400"):
        fl.convolve(a, k)


def test_integers_with_nan_as_fill():
    ndimage = peer("scipy.ndimage")
    theirs = ndimage.convolve(np.array([1, 2, 3, 2, 1]), [1, 1, 1], mode="constant", cval=np.nan)
    assert theirs[0] == -(2**63)
    with pytest.raises(ValueError, match="fill_value"):
        fl.convolve([1, 2, 3, 2, 1], [1, 1, 1], "same", fill_value=np.nan)


def test_float_weights_on_integers_do_not_truncate():
    ndimage = peer("scipy.ndimage")
    assert ndimage.convolve(np.array([1, 2, 3]), [0.5]).tolist() == [0, 1, 1]
    assert fl.convolve(np.array([1, 2, 3]), [0.5], "same").tolist() == [0.5, 1, 1.5]


def test_a_batch_with_same():
    signal = peer("scipy.signal")
    a, k = np.ones((1, 100)), np.ones((7, 10))
    assert signal.oaconvolve(a, k, "same", axes=1).shape == (1, 100)
    assert fl.convolve(a, k, "same", axes=1).shape == (7, 100)


def test_even_kernels_in_same():
    ndimage, signal = peer("scipy.ndimage"), peer("scipy.signal")
    delta, k = np.array([0, 0, 1, 0, 0, 0]), np.array([1, 2, 3, 4])
    assert ndimage.convolve(delta, k, mode="constant").tolist() == [1, 2, 3, 4, 0, 0]
    assert signal.convolve(delta, k, "same").tolist() == [0, 1, 2, 3, 4, 0]
    assert fl.convolve(delta, k, "same").tolist() == [0, 1, 2, 3, 4, 0]
    assert fl.convolve(delta, k, "same", anchor=2).tolist() == [1, 2, 3, 4, 0, 0]
    four = np.ones((4, 4))
    theirs = signal.correlate(four, four, "same")
    assert not np.array_equal(theirs, signal.correlate2d(four, four, "same"))
    assert np.array_equal(theirs, fl.correlate(four, four, "same"))


def test_one_boundary_per_axis(rng):
    ndimage = peer("scipy.ndimage")
    a, k = rng.integers(0, 9, (7, 8)), rng.integers(0, 9, (3, 3))
    with pytest.raises(RuntimeError, match="sequence of modes"):
        ndimage.convolve(a, k, mode=["wrap", "reflect"])
    padded = np.pad(np.pad(a, [(1, 1), (0, 0)], "wrap"), [(0, 0), (1, 1)], "symmetric")
    ours = fl.convolve(a, k, "same", boundary=("wrap", "symmetric"))
    assert np.array_equal(ours, fl.convolve(padded, k, "valid"))


def test_float16(rng):
    ndimage, cv2 = peer("scipy.ndimage"), peer("cv2")
    a, k = draw(rng, (9, 12), np.float16), draw(rng, (3, 3), np.float16)
    with pytest.raises(RuntimeError, match="array type"):
        ndimage.convolve(a, k)
    with pytest.raises(cv2.error):
        cv2.filter2D(a, -1, k.astype(np.float32))
    assert check("convolve", a, k, "same", boundary="reflect").dtype == np.float16


def test_one_infinity_stays_where_it_is(rng):
    signal = peer("scipy.signal")
    a, k = rng.standard_normal(3000), rng.standard_normal(2500)
    a[7] = np.inf
    with pytest.warns(RuntimeWarning, match="fft"), np.errstate(all="ignore"):
        assert np.isnan(signal.convolve(a, k, "same")).all()
    got = fl.convolve(a, k, "same")
    assert np.count_nonzero(~np.isfinite(got)) == 1258  # outputs 0 to 7 + 1250


def test_one_nan_marks_one_window(rng):
    cv2 = peer("cv2")
    a = rng.standard_normal((64, 64)).astype(np.float32)
    a[30, 30] = np.nan
    for taps, theirs in [(5, 25), (15, 4096)]:
        k = rng.standard_normal((taps, taps)).astype(np.float32)
        assert np.isnan(cv2.filter2D(a, -1, k)).sum() == theirs
        assert np.isnan(fl.correlate(a, k, "same", boundary="reflect")).sum() == taps**2


def test_a_spike_elsewhere_spoils_nothing(rng):
    signal = peer("scipy.signal")
    a, k = rng.standard_normal(3000).astype(np.float32), rng.standard_normal(300).astype(np.float32)
    a[0] = 1e8
    want = oracle("convolve", a, k, "full")
    tail = slice(1000, 3000)
    assert abs(signal.fftconvolve(a, k)[tail] - want.real[tail]).max() > 1
    compare(fl.convolve(a, k), want, np.dtype(np.float32), np.dtype(np.float32))


def test_opencv_has_no_wrap_and_few_dtypes(rng):
    cv2 = peer("cv2")
    image = np.ones((8, 8), np.float32)
    with pytest.raises(cv2.error):
        cv2.filter2D(image, -1, np.ones((3, 3)), borderType=cv2.BORDER_WRAP)
    assert (fl.correlate(image, np.ones((3, 3), np.float32), "same", boundary="wrap") == 9).all()
    for dtype, boundary in itertools.product(["int32", "int64", "uint32", "complex64"], ["wrap", "reflect"]):
        check("correlate", draw(rng, (8, 8), dtype), draw(rng, (3, 3), dtype), "same", boundary=boundary)

"""`fl.kernels`: the taps against SciPy and closed forms, the kinds, every error by its text."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from conftest import peer
from faltung._errors import FaltungTypeError, FaltungValueError
from faltung.kernels import (
    Kernel,
    Separable,
    box,
    disk,
    emboss,
    flip,
    gabor,
    gaussian,
    laplacian,
    log,
    motion,
    normalize,
    prewitt,
    roberts,
    scharr,
    separate,
    sharpen,
    sobel,
    unsharp,
)

EVERY = [
    gaussian(1.3),
    gaussian(1, order=(1, 0)),
    box(3),
    disk(2.2),
    motion(4.5, 0.7),
    sobel(0),
    scharr(1),
    prewitt(1),
    roberts(0),
    laplacian(),
    log(1.1),
    sharpen(),
    unsharp(0.8, 0.6),
    emboss(),
    emboss(0.5),
    gabor(5, 0.4),
    Separable([1, 2], [0.5, 0.25, 1]),
    flip(sobel(0)),
    normalize(scharr(1), "abs"),
]


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(("sigma", "truncate"), [(0.4, 4.0), (1.0, 4.0), (2.7, 3.0), (10.0, 2.5)])
def test_gaussian_is_ndimages(order: int, sigma: float, truncate: float) -> None:
    ndimage = peer("scipy.ndimage")
    kernel = gaussian(sigma, ndim=1, order=order, truncate=truncate)
    radius = int(truncate * sigma + 0.5)
    impulse = np.zeros(2 * radius + 1)
    impulse[radius] = 1
    answer = ndimage.gaussian_filter1d(impulse, sigma, order=order, truncate=truncate, mode="constant")
    np.testing.assert_allclose(kernel.taps, answer, rtol=1e-13, atol=1e-14 * abs(answer).max())


def test_gaussian_formula_and_axes() -> None:
    kernel = gaussian((0.8, 2.0, 0.0))
    assert kernel.shape == (7, 17, 1) and kernel.dtype == np.float64
    x = np.arange(-3, 4)
    bell = np.exp(-(x**2) / (2 * 0.8**2))
    assert kernel.factors is not None
    np.testing.assert_allclose(kernel.factors[0], bell / bell.sum(), rtol=1e-14)
    assert kernel.factors[2].tolist() == [1.0]
    assert kernel.taps.sum() == pytest.approx(1, abs=1e-15)
    assert gaussian(1).ndim == 2 and gaussian(1, ndim=4).ndim == 4
    assert gaussian(1, order=(0, 1, 0)).ndim == 3
    assert gaussian(1e-200, ndim=1).taps.tolist() == [1.0]


@given(st.floats(1, 6), st.integers(1, 3))
def test_gaussian_derivatives_answer_like_derivatives(sigma: float, order: int) -> None:
    x = np.arange(-60.0, 61.0)
    kernel = gaussian(sigma, ndim=1, order=order, truncate=8)
    answer = np.convolve(x**order, kernel.taps, "same")[60]
    factorial = {1: 1, 2: 2, 3: 6}[order]
    assert answer == pytest.approx(factorial, rel=1e-3)


@pytest.mark.parametrize("size", [(0.8, 3), ((0.5, 2.0), (2, 5)), (3.0, 0)])
@pytest.mark.parametrize("order", [0, 1])
def test_gaussian_of_a_radius_is_ndimages(size: Any, order: int) -> None:
    ndimage = peer("scipy.ndimage")
    sigma, radius = size
    impulse = np.zeros((21, 21))
    impulse[10, 10] = 1
    if radius == 0 and order:
        return
    kernel = gaussian(sigma, radius=radius, order=order)
    answer = ndimage.gaussian_filter(impulse, sigma, radius=radius, order=order, mode="constant")
    inside = tuple(slice(10 - n // 2, 11 + n // 2) for n in kernel.shape)
    np.testing.assert_allclose(kernel.taps, answer[inside], rtol=1e-13, atol=1e-16)
    assert np.count_nonzero(answer) == np.count_nonzero(answer[inside])
    assert gaussian((0, 1), radius=2).shape == (1, 5) and gaussian(1, radius=(1, 2, 3)).shape == (3, 5, 7)


RISES = [
    sobel,
    scharr,
    prewitt,
    lambda axis, ndim: gaussian(1, ndim=ndim, order=np.eye(ndim, dtype=int)[axis]),
]


@pytest.mark.parametrize("make", RISES, ids=["sobel", "scharr", "prewitt", "gaussian"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_derivative_kernels_answer_positively_to_a_rise(make: Any, ndim: int) -> None:
    for axis in range(ndim):
        kernel = make(axis, ndim=ndim)
        ramp = np.indices((11,) * ndim)[axis]
        assert (fl.convolve(ramp, kernel, "valid") > 0).all()
        assert (fl.correlate(ramp, kernel, "valid") < 0).all()
        across = np.indices((11,) * ndim).sum(axis=0) - ramp
        np.testing.assert_allclose(fl.convolve(across, kernel, "valid"), 0, atol=1e-12)


def test_box() -> None:
    assert box((2, 5)).shape == (2, 5) and (box((2, 5)).taps == 0.1).all()
    assert box(3, ndim=3).shape == (3, 3, 3) and (box(3, ndim=3).taps == 1 / 27).all()
    assert box(1).taps.tolist() == [[1.0]]


def test_whole_kernels() -> None:
    assert sobel(0).taps.tolist() == [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]
    assert sobel(1).taps.tolist() == sobel(-1).taps.tolist() == sobel(0).taps.T.tolist()
    assert (
        sobel(2, ndim=3).taps.tolist()
        == np.multiply.outer([[1, 2, 1], [2, 4, 2], [1, 2, 1]], [1, 0, -1]).tolist()
    )
    assert laplacian(1).taps.tolist() == [1, -2, 1]
    assert laplacian().taps.tolist() == [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    assert laplacian(3).taps[1, 1].tolist() == [1, -6, 1] and laplacian(3).taps.sum() == 0
    assert sharpen().taps.tolist() == [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
    assert sharpen(2, ndim=1).taps.tolist() == [-2, 5, -2]
    assert emboss().taps.tolist() == [[2, 1, 0], [1, 1, -1], [0, -1, -2]]
    for kernel in (
        sobel(0),
        laplacian(),
        sharpen(),
        sharpen(2.0),
        emboss(3),
        scharr(0),
        prewitt(0),
        roberts(1),
    ):
        assert kernel.dtype == np.int64
    for kernel in (gaussian(1), box(3), sharpen(0.5), emboss(0.5), sharpen(1e300)):
        assert kernel.dtype == np.float64
    assert sharpen(0.5).taps.tolist() == [[0, -0.5, 0], [-0.5, 3, -0.5], [0, -0.5, 0]]


def test_laplacian_is_ndimages() -> None:
    ndimage = peer("scipy.ndimage")
    a = np.random.default_rng(0).integers(0, 255, (6, 7, 8))
    inside = (slice(1, -1),) * 3
    np.testing.assert_array_equal(fl.convolve(a, laplacian(3), "valid"), ndimage.laplace(a)[inside])


@pytest.mark.parametrize("kernel", EVERY, ids=repr)
def test_factors_multiply_to_the_taps(kernel: Kernel) -> None:
    if kernel.factors is None:
        named = (gaussian(1.3), gaussian(1, order=(1, 0)), box(3), sobel(0), scharr(1), prewitt(1))
        assert kernel not in (*named, flip(sobel(0)), normalize(scharr(1), "abs"))
        return
    product = kernel.factors[0]
    for factor in kernel.factors[1:]:
        product = np.multiply.outer(product, factor)
    np.testing.assert_allclose(product, kernel.taps, rtol=1e-15)
    assert kernel.shape == kernel.taps.shape and kernel.dtype == kernel.taps.dtype


@pytest.mark.parametrize("kernel", EVERY, ids=repr)
def test_a_kernel_is_an_array_to_numpy(kernel: Kernel) -> None:
    assert np.asarray(kernel).dtype == np.float64
    np.testing.assert_array_equal(np.asarray(kernel), kernel.taps)
    assert np.asarray(kernel, dtype=np.float32).dtype == np.float32
    assert np.array(kernel).flags.writeable
    if kernel.dtype == np.float64:
        assert np.asarray(kernel, copy=False) is kernel.taps
    else:
        with pytest.raises(ValueError, match="copy"):
            np.asarray(kernel, copy=False)


@pytest.mark.parametrize("kernel", EVERY, ids=repr)
def test_a_kernel_is_frozen_and_compares_by_its_taps(kernel: Kernel) -> None:
    with pytest.raises(ValueError, match="read-only"):
        kernel.taps[0, 0] = 7
    with pytest.raises(AttributeError):
        kernel.taps = np.ones(3)  # type: ignore[misc]
    for other in (pickle.loads(pickle.dumps(kernel)), copy.deepcopy(kernel), Kernel(kernel.taps)):
        assert other == kernel and hash(other) == hash(kernel) and not other.taps.flags.writeable
    again = pickle.loads(pickle.dumps(kernel))
    assert type(again) is type(kernel) and (again.factors is None) == (kernel.factors is None)
    assert kernel != kernel.taps.tolist() and kernel != box(7)
    assert Kernel(np.asarray(sobel(0))) != sobel(0)


def test_a_kernel_copies_what_it_is_given() -> None:
    taps = np.ones((2, 2), np.int8)
    kernel = Kernel(taps)
    taps[:] = 5
    assert kernel.taps.tolist() == [[1, 1], [1, 1]] and kernel.dtype == np.int64 and kernel.factors is None
    assert Kernel(np.ones(3, np.float32)).dtype == np.float64
    assert Kernel(np.array([2**63 - 1], np.uint64)).taps.tolist() == [2**63 - 1]


def test_repr() -> None:
    assert repr(laplacian(1)) == "Kernel([ 1, -2,  1])"
    assert repr(box(2)) == "Kernel([[0.25, 0.25],\n        [0.25, 0.25]], separable)"
    assert "..." in repr(gaussian(20)) and len(repr(gaussian(20))) < 700


def test_a_separable_kernel_is_the_outer_product_of_its_factors() -> None:
    ky, kx = [1, 2, 1], np.array([3, 0, -3], np.int8)
    kernel = Separable(ky, kx)
    assert (
        isinstance(kernel, Kernel)
        and kernel.dtype == np.int64
        and kernel.shape == (3, 3)
        and kernel.ndim == 2
    )
    np.testing.assert_array_equal(np.asarray(kernel), np.outer(ky, kx))
    assert kernel == Kernel(np.outer(ky, kx)) and hash(kernel) == hash(Kernel(np.outer(ky, kx)))
    kx[:] = 0
    assert kernel.factors is not None and kernel.factors[1].tolist() == [3, 0, -3]
    with pytest.raises(ValueError, match="read-only"):
        kernel.factors[0][0] = 7
    mixed = Separable([1, 2], [0.5], [3, 4])
    assert mixed.dtype == np.float64 and mixed.taps.tolist() == [[[1.5, 2]], [[3, 4]]]
    line = Separable([1, 2.5])
    assert line.shape == (2,) and line.taps.tolist() == [1, 2.5] and line == Kernel([1, 2.5])
    a = np.arange(30).reshape(5, 6)
    np.testing.assert_array_equal(fl.convolve(a, kernel), fl.convolve(a, kernel.taps))


def test_large_separable_kernels_are_not_multiplied_out() -> None:
    kernel = gaussian(60, ndim=3)
    assert kernel.shape == (481,) * 3 and kernel.dtype == np.float64 and kernel.ndim == 3
    assert flip(kernel).shape == normalize(kernel).shape == kernel.shape  # a full copy would take 900 MB


def area_by_quadrature(i: int, j: int, radius: float) -> float:
    from scipy.integrate import quad

    def height(x: float) -> float:
        top = np.sqrt(max(radius**2 - x * x, 0))
        return max(0.0, min(j + 0.5, top) - max(j - 0.5, -top))

    turns = [np.sqrt(max(radius**2 - (j + e) ** 2, 0)) for e in (-0.5, 0.5)]
    breaks = [s * x for x in [*turns, radius] for s in (-1, 1) if i - 0.5 < s * x < i + 0.5]
    return float(quad(height, i - 0.5, i + 0.5, points=breaks or None, epsabs=1e-12, limit=200)[0])


@pytest.mark.parametrize("radius", [0.6, 1.0, 1.5, 2.0, 3.7])
def test_disk_is_exact_area(radius: float) -> None:
    peer("scipy.integrate")
    kernel = disk(radius)
    reach = kernel.shape[0] // 2
    assert kernel.shape == (2 * reach + 1,) * 2 and reach - 0.5 < radius <= reach + 0.5
    expected = [
        [area_by_quadrature(i, j, radius) for j in range(-reach, reach + 1)] for i in range(-reach, reach + 1)
    ]
    np.testing.assert_allclose(kernel.taps * np.pi * radius**2, expected, rtol=0, atol=1e-9)
    assert kernel.taps.sum() == pytest.approx(1, abs=1e-15) and (kernel.taps >= 0).all()
    for turned in (kernel.taps.T, kernel.taps[::-1], kernel.taps[:, ::-1]):
        np.testing.assert_array_equal(turned, kernel.taps)


def test_disk_of_one_tap_and_of_many() -> None:
    assert disk(0).taps.tolist() == disk(0.5).taps.tolist() == [[1.0]]
    np.testing.assert_allclose(disk(1).taps[0], [0.0251, 0.1453, 0.0251], atol=5e-5)  # MATLAB's fspecial
    wide = disk(40)
    assert wide.shape == (81, 81) and len(set(wide.taps[30:50, 30:50].ravel().tolist())) == 1
    i, j = np.indices(wide.shape) - 40
    assert ((i**2 + j**2) * wide.taps).sum() == pytest.approx(40**2 / 2 + 1 / 6, rel=1e-4)


def test_motion_along_the_axes() -> None:
    assert motion(5).taps.tolist() == [[0.2] * 5]
    np.testing.assert_allclose(motion(4).taps, [[0.125, 0.25, 0.25, 0.25, 0.125]], rtol=1e-15)
    np.testing.assert_array_equal(motion(4.4, np.pi / 2).taps, motion(4.4).taps.T)
    np.testing.assert_array_equal(motion(4.4, np.pi).taps, motion(4.4).taps)
    for still in (motion(0), motion(1), motion(0.3, 1.0), motion(1, np.pi / 4)):
        assert still.taps.tolist() == [[1.0]]
    np.testing.assert_allclose(motion(3 * 2**0.5, np.pi / 4).taps, np.eye(3) / 3, atol=1e-12)
    assert motion(9, 0.5).taps[0, 0] > 0 == motion(9, 0.5).taps[0, -1]  # down to the right


@given(st.floats(1.5, 30), st.floats(-4, 4))
def test_motion_is_the_length_in_every_pixel(length: float, angle: float) -> None:
    kernel = motion(length, angle)
    t = (np.arange(20000) + 0.5) / 20000 * length - length / 2
    middle = [n // 2 for n in kernel.shape]
    counted = np.zeros((67, 67))
    np.add.at(
        counted, (np.rint(t * np.sin(angle)).astype(int) + 33, np.rint(t * np.cos(angle)).astype(int) + 33), 1
    )
    inside = tuple(slice(33 - m, 34 + m) for m in middle)
    np.testing.assert_allclose(kernel.taps, counted[inside] / 20000, rtol=0, atol=2e-4)
    assert kernel.taps.sum() == pytest.approx(1, abs=1e-14)
    np.testing.assert_array_equal(kernel.taps, kernel.taps[::-1, ::-1])


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("make", "name"), [(sobel, "sobel"), (prewitt, "prewitt")])
def test_slopes_are_ndimages(make: Any, name: str, axis: int) -> None:
    ndimage = peer("scipy.ndimage")
    a = np.random.default_rng(0).integers(0, 255, (6, 7, 8))
    expected = getattr(ndimage, name)(a, axis)[1:-1, 1:-1, 1:-1]
    np.testing.assert_array_equal(fl.convolve(a, make(axis, ndim=3), "valid"), expected)


def test_scharr_is_opencvs_and_turns_better_than_sobel() -> None:
    cv2 = peer("cv2")
    a = np.random.default_rng(0).integers(0, 255, (12, 13)).astype(np.float64)
    for axis, (dx, dy) in enumerate([(0, 1), (1, 0)]):
        expected = cv2.Scharr(a, cv2.CV_64F, dx, dy)[1:-1, 1:-1]
        np.testing.assert_array_equal(fl.convolve(a, scharr(axis), "valid"), expected)
    down, right = np.mgrid[:32, :32]
    wave = np.sin(0.6 * (down * np.sin(0.4) + right * np.cos(0.4)))
    off = []
    for make in (sobel, scharr):
        g0, g1 = (fl.convolve(wave, make(axis), "valid") for axis in (0, 1))
        strong = np.hypot(g0, g1) > 0.5 * np.hypot(g0, g1).max()
        off.append(abs(np.arctan(g0 / g1)[strong] - 0.4).max())
    assert off[1] < off[0] / 4


def test_roberts_is_skimages() -> None:
    skimage = peer("skimage.filters")
    a = np.random.default_rng(0).random((9, 8))
    for kernel, name in ((roberts(0), "roberts_pos_diag"), (roberts(1), "roberts_neg_diag")):
        expected = getattr(skimage, name)(a)
        np.testing.assert_allclose(abs(fl.convolve(a, kernel, "valid")), abs(expected[:-1, :-1]), rtol=1e-12)
    down, right = np.mgrid[:5, :5]
    assert (fl.convolve(down + right, roberts(0), "valid") == 2).all()
    assert (fl.convolve(down - right, roberts(1), "valid") == 2).all()


@pytest.mark.parametrize("sigma", [1.0, 2.5, (0.7, 1.5), (1.0, 0.8, 1.2)])
def test_log_is_ndimages(sigma: Any) -> None:
    ndimage = peer("scipy.ndimage")
    kernel = log(sigma)
    impulse = np.zeros([n + 2 for n in kernel.shape])
    impulse[tuple(n // 2 for n in impulse.shape)] = 1
    answer = ndimage.gaussian_laplace(impulse, sigma, mode="constant")
    np.testing.assert_allclose(np.pad(kernel.taps, 1), answer, rtol=1e-13, atol=1e-15)
    assert kernel.taps[tuple(n // 2 for n in kernel.shape)] == kernel.taps.min() < 0
    assert abs(kernel.taps.sum()) < 0.01 * abs(kernel.taps).sum()


def test_log_and_unsharp_take_a_radius() -> None:
    assert log(1, radius=2).shape == unsharp(1, radius=2).shape == (5, 5)
    assert log(1, ndim=1, truncate=2).shape == (5,)
    np.testing.assert_array_equal(log(1, radius=4).taps, log(1).taps)


@pytest.mark.parametrize("amount", [0, 0.5, 2, -1])
def test_unsharp_is_skimages(amount: float) -> None:
    skimage = peer("skimage.filters")
    a = np.random.default_rng(0).random((21, 22))
    expected = skimage.unsharp_mask(a, radius=1.3, amount=amount, preserve_range=True)
    found = fl.convolve(a, unsharp(1.3, amount), "same", boundary="symmetric")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert unsharp(1.3, amount).taps.sum() == pytest.approx(1, abs=1e-14)
    assert unsharp(0, amount).taps.tolist() == [[1.0]]


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.0, np.pi / 2])
@pytest.mark.parametrize("phase", [0.0, 0.9])
def test_gabor_is_opencvs_flipped(angle: float, phase: float) -> None:
    """OpenCV correlates: the same response needs the flip of its kernel."""
    cv2 = peer("cv2")
    kernel = gabor(7.5, angle, sigma=2.3, aspect=0.7, phase=phase)
    rows, columns = kernel.shape
    expected = cv2.getGaborKernel((columns, rows), 2.3, angle, 7.5, 0.7, phase, cv2.CV_64F)
    np.testing.assert_allclose(kernel.taps, expected[::-1, ::-1], rtol=0, atol=1e-14)
    assert (kernel.factors is not None) == (angle in (0, np.pi / 2))
    own = cv2.getGaborKernel((0, 0), 2.3, angle, 7.5, 0.7, phase, cv2.CV_64F)
    assert own.shape == kernel.shape


def test_gabor_is_skimages_up_to_its_scale() -> None:
    skimage = peer("skimage.filters")
    theirs = skimage.gabor_kernel(1 / 6, theta=0.3, sigma_x=2, sigma_y=4, offset=0.2)
    ours = gabor(6, 0.3, sigma=2, aspect=0.5, phase=0.2)
    assert all(a <= b for a, b in zip(ours.shape, theirs.shape, strict=True))
    rim = tuple(slice((b - a) // 2, (b + a) // 2) for a, b in zip(ours.shape, theirs.shape, strict=True))
    np.testing.assert_allclose(ours.taps, theirs.real[rim] * 2 * np.pi * 2 * 4, rtol=0, atol=1e-12)


def test_gabor_answers_to_its_direction_and_phase() -> None:
    down, right = np.mgrid[:60, :60]
    waves = [np.cos(2 * np.pi / 6 * (right * np.cos(t) + down * np.sin(t))) for t in (0.5, 0.5 + np.pi / 2)]
    along, across = (abs(fl.convolve(wave, gabor(6, 0.5), "valid")).max() for wave in waves)
    assert along > 100 * across
    rise = (right > 30).astype(float)
    assert fl.convolve(rise, gabor(8, phase=np.pi / 2), "same", boundary="edge")[30, 30] > 1
    assert gabor(6).shape == gabor(6, sigma=0.56 * 6).shape


@pytest.mark.parametrize("how", ["sum", "abs", "energy", "peak"])
@pytest.mark.parametrize(
    "k", [gaussian(1), box(3), Separable([1, 2], [3, -1]), [[1, 2], [3, 5]], disk(2)], ids=repr
)
def test_normalize(how: str, k: Any) -> None:
    found = normalize(k, how)
    taps = np.asarray(k, dtype=float)
    measure = {
        "sum": taps.sum(),
        "abs": abs(taps).sum(),
        "energy": np.sqrt((taps**2).sum()),
        "peak": abs(taps).max(),
    }[how]
    np.testing.assert_allclose(found.taps, taps / measure, rtol=1e-14)
    assert (found.factors is None) == (getattr(k, "factors", None) is None) and found.dtype == np.float64


def test_normalize_at_the_ends_of_the_range() -> None:
    for scale in (1e300, 1e-300):
        np.testing.assert_allclose(normalize([scale, scale], "energy").taps, [0.5**0.5] * 2, rtol=1e-15)
    assert normalize([5, 0, -5], "abs").taps.tolist() == [0.5, 0, -0.5]


def test_flip() -> None:
    assert flip([1, 2, 3]).taps.tolist() == [3, 2, 1]
    k = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(flip(k).taps, k[::-1, ::-1, ::-1])
    np.testing.assert_array_equal(flip(k, 1).taps, k[:, ::-1])
    np.testing.assert_array_equal(flip(k, (0, -1)).taps, k[::-1, :, ::-1])
    one = flip(Separable([1, 2], [3, 4, 5]), 1)
    assert one.factors is not None and [f.tolist() for f in one.factors] == [[1, 2], [5, 4, 3]]
    a = np.random.default_rng(0).random((12, 11))
    for kernel in (sobel(0), gaussian(1, order=1), emboss()):
        np.testing.assert_allclose(
            fl.convolve(a, flip(kernel), "valid"), fl.correlate(a, kernel, "valid"), rtol=1e-12, atol=1e-12
        )


PER_AXIS = "pass an int or one int an axis."
VALUE_ERRORS: list[tuple[Any, str]] = [
    (lambda: gaussian(-1), "`sigma` (=-1) must be finite and at least 0."),
    (lambda: gaussian(float("nan")), "`sigma` (=nan) must be finite and at least 0."),
    (lambda: gaussian((1, float("inf"))), "`sigma` (=(1, inf)) must be finite and at least 0."),
    (
        lambda: gaussian((1, 2), ndim=3),
        "`sigma` (=(1, 2)) has 2 entries for 3 axes; pass a number or one an axis.",
    ),
    (lambda: gaussian(()), "`sigma` (=()) must name at least one axis."),
    (lambda: gaussian(1, ndim=0), "`ndim` (=0) must be at least 1."),
    (lambda: gaussian(1, order=-1), f"`order` (=-1) must be at least 0; {PER_AXIS}"),
    (lambda: gaussian(1, truncate=-1), "`truncate` (=-1) must be finite and at least 0."),
    (
        lambda: gaussian(0.1, order=1),
        "`sigma` (=0.1) leaves one tap, but a derivative of order 1 needs more; use a larger sigma or "
        "radius.",
    ),
    (lambda: box(0), f"`size` (=0) must be at least 1; {PER_AXIS}"),
    (lambda: box((3, 3), ndim=3), f"`size` (=(3, 3)) has 2 entries for 3 axes; {PER_AXIS}"),
    (lambda: sobel(2), "`axis` (=2) must be less than `ndim` (=2)."),
    (lambda: sobel(-3), "`axis` (=-3) must be at least -2."),
    (lambda: laplacian(0), "`ndim` (=0) must be at least 1."),
    (lambda: sharpen(float("inf")), "`amount` (=inf) must be finite."),
    (lambda: emboss(float("nan")), "`amount` (=nan) must be finite."),
    (
        lambda: log((1, 0)),
        "`sigma` (=0) leaves one tap, but a derivative of order 2 needs more; use a larger sigma or radius.",
    ),
    (lambda: gaussian(1, radius=-1), f"`radius` (=-1) must be at least 0; {PER_AXIS}"),
    (
        lambda: gaussian(1e-200, radius=2, order=2),
        "`sigma` (=1e-200) is too small for a derivative of order 2 over 2 samples.",
    ),
    (lambda: scharr(2), "`axis` (=2) must be less than `ndim` (=2)."),
    (lambda: prewitt(0, ndim=0), "`ndim` (=0) must be at least 1."),
    (lambda: roberts(2), "`diagonal` (=2) must be 0 (lower right) or 1 (lower left)."),
    (lambda: disk(-1), "`radius` (=-1) must be finite and at least 0."),
    (lambda: motion(-1), "`length` (=-1) must be finite and at least 0."),
    (lambda: motion(3, float("nan")), "`angle` (=nan) must be finite."),
    (lambda: unsharp(1, float("inf")), "`amount` (=inf) must be finite."),
    (lambda: gabor(0), "`wavelength` (=0) must be above 0."),
    (lambda: gabor(3, sigma=0), "`sigma` (=0) must be above 0."),
    (lambda: gabor(3, aspect=0), "`aspect` (=0) must be above 0."),
    (lambda: gabor(-3), "`wavelength` (=-3) must be finite and at least 0."),
    (lambda: gabor(3, phase=float("inf")), "`phase` (=inf) must be finite."),
    (lambda: normalize([1], "l2"), "`how` (='l2') must be one of 'sum', 'abs', 'energy', 'peak'."),
    (
        lambda: normalize(sobel(0)),
        "`k` cannot be normalized by `how` (='sum'), which is 0 for these taps; use 'abs' for a kernel that "
        "answers to changes only.",
    ),
    (
        lambda: normalize([0, 0], "abs"),
        "`k` cannot be normalized by `how` (='abs'), which is 0 for these taps.",
    ),
    (lambda: normalize([1, float("nan")]), "`k` must have finite taps to be normalized."),
    (lambda: flip([1, 2], 1), "`axes` (=1) must be less than the 1 axes of `k`."),
    (lambda: flip([1, 2], -2), f"`axes` (=-2) must be at least -1; {PER_AXIS}"),
    (lambda: separate([1, float("nan")]), "`k` must have finite taps to be separated."),
    (lambda: separate([1], max_terms=0), "`max_terms` (=0) must be at least 1."),
    (
        lambda: Separable(),
        "`factors` (of shapes []) must be one 1-D array an axis, each with a tap at least.",
    ),
    (
        lambda: Separable([1], []),
        "`factors` (of shapes [(1,), (0,)]) must be one 1-D array an axis, each with a tap at least.",
    ),
    (
        lambda: Separable([[1]]),
        "`factors` (of shapes [(1, 1)]) must be one 1-D array an axis, each with a tap at least.",
    ),
    (
        lambda: Separable([2**40], [1, -(2**40)]),
        "`factors` (of shapes [(1,), (2,)]) multiply to 1.21e+24, more than int64 holds; scale them down.",
    ),
    (
        lambda: Separable([1e200], [1e200]),
        "`factors` (of shapes [(1,), (1,)]) multiply to inf, more than float64 holds; scale them down.",
    ),
    (lambda: Kernel(3), "`taps` (of shape ()) must have at least one axis and one tap."),
    (lambda: Kernel([]), "`taps` (of shape (0,)) must have at least one axis and one tap."),
    (
        lambda: Kernel([[1, 2], [2, 4]], ([1, 2], [1, 3])),
        "`factors` (of shapes [(2,), (2,)]) must multiply to `taps` (of shape (2, 2)); "
        "pass one 1-D factor an axis, or none.",
    ),
    (
        lambda: Kernel([[1, 2], [2, 4]], ([1, 2],)),
        "`factors` (of shapes [(2,)]) must multiply to `taps` (of shape (2, 2)); "
        "pass one 1-D factor an axis, or none.",
    ),
]
REAL = "must be real numbers that int64 or float64 holds; convert them first."
LOOSE: Any = fl.kernels  # wrong types on purpose
TYPE_ERRORS: list[tuple[Any, str]] = [
    (lambda: LOOSE.gaussian("2"), "`sigma` (='2') must be a real number or one an axis (2 axes)."),
    (lambda: LOOSE.gaussian(True), "`sigma` (=True) must be a real number or one an axis (2 axes)."),
    (lambda: LOOSE.gaussian(1j), "`sigma` (=1j) must be a real number or one an axis (2 axes)."),
    (lambda: LOOSE.gaussian(1, order=0.5), "`order` (=0.5) must be an int or one int an axis (2 axes)."),
    (lambda: LOOSE.gaussian(1, ndim=1.5), "`ndim` (=1.5) must be an int."),
    (lambda: LOOSE.box(2.5), "`size` (=2.5) must be an int or one int an axis (2 axes)."),
    (lambda: LOOSE.sobel("x"), "`axis` (='x') must be an int."),
    (lambda: LOOSE.sharpen("1"), "`amount` (='1') must be a real number or one an axis (1 axis)."),
    (lambda: LOOSE.Kernel([1j]), f"`taps` (of dtype complex128) {REAL}"),
    (lambda: LOOSE.Kernel([True]), f"`taps` (of dtype bool) {REAL}"),
    (lambda: LOOSE.Kernel(np.array([2**63], np.uint64)), f"`taps` (of dtype uint64) {REAL}"),
    (lambda: LOOSE.Kernel(["a"]), f"`taps` (of dtype <U1) {REAL}"),
    (lambda: LOOSE.Separable([1], [1j]), f"`factors` (of dtype complex128) {REAL}"),
    (lambda: LOOSE.separate([1j]), f"`taps` (of dtype complex128) {REAL}"),
    (lambda: LOOSE.disk("1"), "`radius` (='1') must be a real number or one an axis (1 axis)."),
    (lambda: LOOSE.roberts(0.5), "`diagonal` (=0.5) must be an int."),
]


@pytest.mark.parametrize(("call", "message"), VALUE_ERRORS, ids=range(len(VALUE_ERRORS)))
def test_value_errors_by_their_text(call: Any, message: str) -> None:
    with pytest.raises(FaltungValueError) as caught:
        call()
    assert str(caught.value) == message


@pytest.mark.parametrize(("call", "message"), TYPE_ERRORS, ids=range(len(TYPE_ERRORS)))
def test_type_errors_by_their_text(call: Any, message: str) -> None:
    with pytest.raises(FaltungTypeError) as caught:
        call()
    assert str(caught.value) == message

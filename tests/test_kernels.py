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
from faltung.kernels import Kernel, box, emboss, gaussian, laplacian, sharpen, sobel

EVERY = [
    gaussian(1.3),
    gaussian(1, order=(1, 0)),
    box(3),
    sobel(0),
    laplacian(),
    sharpen(),
    emboss(),
    emboss(0.5),
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


@pytest.mark.parametrize("kernel", [sobel(0, ndim=1), sobel(-1, ndim=1), gaussian(1, ndim=1, order=1)])
def test_derivative_kernels_answer_positively_to_a_rise(kernel: Kernel) -> None:
    ramp = np.arange(20)
    assert (fl.convolve(ramp, kernel, "valid") > 0).all()
    assert (fl.correlate(ramp, kernel, "valid") < 0).all()


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
    for kernel in (sobel(0), laplacian(), sharpen(), sharpen(2.0), emboss(3)):
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
        assert kernel in (laplacian(), sharpen(), emboss(), emboss(0.5))
        return
    product = kernel.factors[0]
    for factor in kernel.factors[1:]:
        product = np.multiply.outer(product, factor)
    np.testing.assert_allclose(product, kernel.taps, rtol=1e-15)


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
    assert pickle.loads(pickle.dumps(kernel)).factors is None or kernel.factors is not None
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
        "`order` (=1) needs more than the one tap that `sigma` (=0.1) and `truncate` (=4) leave; "
        "use a larger sigma.",
    ),
    (lambda: box(0), f"`size` (=0) must be at least 1; {PER_AXIS}"),
    (lambda: box((3, 3), ndim=3), f"`size` (=(3, 3)) has 2 entries for 3 axes; {PER_AXIS}"),
    (lambda: sobel(2), "`axis` (=2) must be less than `ndim` (=2)."),
    (lambda: sobel(-3), "`axis` (=-3) must be at least -2."),
    (lambda: laplacian(0), "`ndim` (=0) must be at least 1."),
    (lambda: sharpen(float("inf")), "`amount` (=inf) must be finite."),
    (lambda: emboss(float("nan")), "`amount` (=nan) must be finite."),
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

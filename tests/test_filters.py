"""`fl.filters` against scipy.ndimage and their own definitions; every error by its text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import faltung as fl
from conftest import peer
from faltung import filters
from faltung._errors import FaltungTypeError, FaltungValueError

NDIMAGE_WORDS = {
    "symmetric": "reflect",
    "reflect": "mirror",
    "edge": "nearest",
    "wrap": "wrap",
    "constant": "constant",
}


def noise(*shape: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(7).standard_normal(shape)


def picture(*shape: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("boundary", NDIMAGE_WORDS)
@pytest.mark.parametrize("order", [0, 1, (0, 2), (2, 1)])
@pytest.mark.parametrize("sigma", [1.0, (0.6, 2.3)])
def test_gaussian_is_ndimages(boundary: str, order: Any, sigma: Any) -> None:
    ndimage = peer("scipy.ndimage")
    img = noise(19, 23)
    found = filters.gaussian(img, sigma, order=order, boundary=boundary)
    expected = ndimage.gaussian_filter(img, sigma, order=order, mode=NDIMAGE_WORDS[boundary])
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * abs(img).max())


def test_gaussian_default_boundary_and_truncate_are_ndimages() -> None:
    ndimage = peer("scipy.ndimage")
    for shape in ((40,), (6, 7, 8), (4, 5, 3, 6)):
        img = noise(*shape)
        np.testing.assert_allclose(
            filters.gaussian(img, 1.5), ndimage.gaussian_filter(img, 1.5), rtol=0, atol=1e-12
        )
    np.testing.assert_allclose(
        filters.gaussian(noise(30), 2, truncate=2.2),
        ndimage.gaussian_filter(noise(30), 2, truncate=2.2),
        rtol=0,
        atol=1e-12,
    )


@pytest.mark.parametrize("order", [0, 1, (2, 0), (0, 1)])
@pytest.mark.parametrize(("boundary", "fill"), [("symmetric", 0), ("constant", 3.0), ("wrap", 0)])
def test_gaussian_is_the_convolution_with_its_kernel(order: Any, boundary: str, fill: float) -> None:
    img = noise(13, 11)
    kernel = fl.kernels.gaussian((0.7, 1.2), order=order)
    expected = fl.convolve(img, kernel, "same", boundary=boundary, fill_value=fill)
    found = filters.gaussian(img, (0.7, 1.2), order=order, boundary=boundary, fill_value=fill)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * max(abs(img).max(), fill) * 10)


def test_gaussian_takes_a_word_for_each_axis() -> None:
    img = noise(12, 9)
    found = filters.gaussian(img, 1, boundary=("wrap", "edge"))
    down = filters.gaussian(img, (1, 0), boundary="wrap")
    np.testing.assert_allclose(found, filters.gaussian(down, (0, 1), boundary="edge"), rtol=0, atol=1e-15)


def test_gaussian_rounds_once_at_the_end() -> None:
    img = picture(21, 17)
    exact = filters.gaussian(img, 1.1)
    assert exact.dtype == np.float64
    np.testing.assert_allclose(exact, filters.gaussian(img.astype(float), 1.1), rtol=0, atol=1e-12)
    found = filters.gaussian(img, 1.1, dtype=np.uint8)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.rint(exact))
    halves = np.array([1, 2, 2, 3, 3], np.uint8)
    identity = filters.gaussian(halves / 2, 0, dtype=np.uint8)
    assert identity.tolist() == [0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        ("uint8", "float64"),
        ("int64", "float64"),
        ("bool", "float64"),
        ("float16", "float16"),
        ("float32", "float32"),
        (">f4", "float32"),
        ("float64", "float64"),
        ("complex64", "complex64"),
    ],
)
def test_gaussian_dtypes(dtype: str, result: str) -> None:
    img = (picture(9, 8) > 99).astype(dtype)
    found = filters.gaussian(img, 1)
    assert found.dtype == result
    exact = filters.gaussian(img.astype(complex if result == "complex64" else float), 1)
    tolerance = {"float16": 1e-3, "float32": 1e-6, "complex64": 1e-6}.get(result, 1e-14)
    np.testing.assert_allclose(found, exact, rtol=tolerance, atol=0)
    assert filters.gaussian(img.real, 1, dtype=np.float32).dtype == np.float32


def test_gaussian_keeps_float32_between_the_passes_of_half_precision() -> None:
    img = noise(16, 16).astype(np.float16)
    exact = filters.gaussian(img.astype(np.float64), 1)
    np.testing.assert_array_equal(filters.gaussian(img, 1), exact.astype(np.float16))


def test_gaussian_overflow_of_derivatives() -> None:
    step = np.zeros((1, 8), np.uint8)
    step[:, :4] = 255
    with pytest.raises(OverflowError):
        filters.gaussian(step, (0, 0.7), order=(0, 1), dtype=np.uint8)
    found = filters.gaussian(step, (0, 0.7), order=(0, 1), dtype=np.uint8, overflow="saturate")
    assert found.max() == 0


def test_gaussian_leaves_the_array_alone() -> None:
    img = noise(9, 8)
    before = img.copy()
    for sigma in (0, 1):
        found = filters.gaussian(img, sigma)
        assert not np.shares_memory(found, img)
        np.testing.assert_array_equal(img, before)
    np.testing.assert_array_equal(filters.gaussian(img, 0), img)
    read_only = img[::-1, ::-2]
    read_only.setflags(write=False)
    np.testing.assert_allclose(
        filters.gaussian(read_only, 1), filters.gaussian(read_only.copy(), 1), rtol=1e-14
    )


@pytest.mark.parametrize("channel", [-1, 0, 1])
@pytest.mark.parametrize(
    "apply",
    [
        lambda img, **options: filters.gaussian(img, 1.2, **options),
        lambda img, **options: filters.gaussian(img, (0.5, 1.2), order=(1, 0), **options),
        lambda img, **options: filters.edges(img, **options).magnitude,
        lambda img, **options: filters.edges(img, **options).direction,
        lambda img, **options: filters.sharpen(img, **options),
    ],
    ids=["gaussian", "derivative", "magnitude", "direction", "sharpen"],
)
def test_channels_are_filtered_by_themselves(apply: Any, channel: int) -> None:
    img = np.moveaxis(picture(12, 10, 3), -1, channel)
    found = apply(img, channel_axis=channel)
    assert found.shape == img.shape
    planes = [apply(np.ascontiguousarray(img.take(c, channel))) for c in range(3)]
    np.testing.assert_allclose(found, np.stack(planes, channel), rtol=1e-13, atol=1e-13)


def test_a_volume_whose_last_axis_looks_like_colour() -> None:
    volume = noise(8, 7, 3)
    expected = filters.gaussian(np.moveaxis(volume, -1, 0), 1)
    np.testing.assert_allclose(
        filters.gaussian(volume, (1, 1, 1)), np.moveaxis(expected, 0, -1), rtol=0, atol=1e-14
    )


def test_edges_are_ndimages_sobel() -> None:
    ndimage = peer("scipy.ndimage")
    img = picture(14, 15)
    down, right = (ndimage.sobel(img.astype(float), axis) for axis in (0, 1))
    found = filters.edges(img)
    assert isinstance(found, filters.Edges)
    np.testing.assert_allclose(found.magnitude, np.hypot(down, right), rtol=1e-14)
    np.testing.assert_allclose(found.direction, np.arctan2(down, right), rtol=1e-14)


@pytest.mark.parametrize("angle", np.linspace(-3, 3, 9))
def test_direction_points_to_where_it_gets_brighter(angle: float) -> None:
    down, right = np.mgrid[:9, :9]
    plane = np.sin(angle) * down + np.cos(angle) * right
    magnitude, direction = filters.edges(plane)
    inside = (slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(magnitude[inside], 8, rtol=1e-12)
    np.testing.assert_allclose(direction[inside], angle, rtol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "result"),
    [("uint8", "float64"), ("bool", "float64"), ("float32", "float32"), ("float16", "float32")],
)
def test_edges_dtypes(dtype: str, result: str) -> None:
    magnitude, direction = filters.edges((picture(9, 8) > 99).astype(dtype))
    assert magnitude.dtype == direction.dtype == result


def test_edges_pass_boundary_and_fill_on() -> None:
    img = np.full((4, 4), 5.0)
    assert (filters.edges(img).magnitude == 0).all()
    assert (filters.edges(img, boundary="constant", fill_value=5).magnitude == 0).all()
    assert filters.edges(img, boundary="constant").magnitude[0, 0] > 0


def test_sharpen_keeps_the_dtype_and_saturates() -> None:
    img = picture(12, 13)
    wide = img.astype(np.int64)
    padded = np.pad(wide, 1, mode="symmetric")
    neighbours = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    whole = filters.sharpen(img)
    assert whole.dtype == np.uint8
    np.testing.assert_array_equal(whole, np.clip(5 * wide - neighbours, 0, 255))
    half = filters.sharpen(img, 0.5)
    assert half.dtype == np.uint8
    np.testing.assert_array_equal(half, np.clip(np.rint(3 * wide - 0.5 * neighbours), 0, 255))
    np.testing.assert_array_equal(filters.sharpen(img, 0), img)
    np.testing.assert_array_equal(filters.sharpen(img, dtype=np.int64), 5 * wide - neighbours)
    assert filters.sharpen(img / 255.0).dtype == np.float64
    assert filters.sharpen(img.astype(np.float32), 0.3).dtype == np.float32
    with pytest.raises(OverflowError):
        filters.sharpen(img, overflow="raise")


def test_lists_are_images() -> None:
    assert filters.gaussian([[1, 2], [3, 4]], 1).shape == (2, 2)
    assert filters.edges([[1, 2, 3]] * 3).magnitude[1, 1] == 8
    assert filters.sharpen([[1, 2, 3]] * 3).tolist() == [[0, 2, 4]] * 3


COLOUR = "pass `channel_axis=-1` to filter the planes along that axis one by one."
ERRORS: list[tuple[type[Exception], Any, str]] = [
    (
        FaltungValueError,
        lambda: filters.gaussian(picture(5, 4, 3), 1),
        "`img` (of shape (5, 4, 3)) looks like a colour image; pass `channel_axis=-1` to filter each colour "
        "by itself, or one `sigma` an axis to filter a volume.",
    ),
    (
        FaltungValueError,
        lambda: filters.edges(picture(5, 4, 3)),
        f"`img` (of shape (5, 4, 3)) must have two axes beside the channels; {COLOUR}",
    ),
    (
        FaltungValueError,
        lambda: filters.sharpen(picture(3, 5, 6)),
        "`img` (of shape (3, 5, 6)) must have two axes beside the channels; pass `channel_axis=0` to filter "
        "the planes along that axis one by one.",
    ),
    (
        FaltungValueError,
        lambda: filters.edges(picture(2, 5, 6, 3), channel_axis=-1),
        "`img` (of shape (2, 5, 6, 3)) must have two axes beside the channels; "
        "filter one image after the other.",
    ),
    (
        FaltungValueError,
        lambda: filters.sharpen(picture(5), channel_axis=None),
        "`img` (of shape (5,)) must have two axes beside the channels; filter one image after the other.",
    ),
    (
        FaltungValueError,
        lambda: filters.gaussian(picture(5), 1, channel_axis=0),
        "`img` (of shape (5,)) must have an axis to filter beside the channels; pass an image.",
    ),
    (
        FaltungValueError,
        lambda: filters.gaussian(1.0, 1),
        "`img` (of shape ()) must have an axis to filter beside the channels; pass an image.",
    ),
    (
        FaltungValueError,
        lambda: filters.edges(picture(5, 4), channel_axis=2),
        "`channel_axis` (=2) must be less than the 2 axes of `img` (of shape (5, 4)); use -1 for the last.",
    ),
    (
        FaltungValueError,
        lambda: filters.edges(picture(5, 4), channel_axis=-3),
        "`channel_axis` (=-3) must be at least -2.",
    ),
    (
        FaltungValueError,
        lambda: filters.gaussian(picture(5, 4), (1, 2, 3)),
        "`sigma` (=(1, 2, 3)) has 3 entries for 2 axes; pass a number or one an axis.",
    ),
    (
        FaltungValueError,
        lambda: filters.gaussian(picture(5, 4), 1, boundary=("wrap",)),
        "`boundary` (=('wrap',)) has 1 entries for 2 filtered axes; pass one word or one an axis.",
    ),
    (
        FaltungTypeError,
        lambda: filters.edges(np.ones((3, 3), complex)),
        "`img` (of dtype complex128) must be real; take its absolute value before.",
    ),
    (
        FaltungTypeError,
        lambda: filters.sharpen(np.ones((3, 3), bool)),
        "`img` (of dtype bool) has no values between its own; convert it to uint8 before.",
    ),
    (
        FaltungTypeError,
        lambda: filters.gaussian(np.array([["a"]]), 1),
        "`img` (of dtype <U1) must be numbers; convert it before.",
    ),
    (
        FaltungTypeError,
        lambda: filters.edges(np.ones((3, 3), object)),
        "`img` (of dtype object) must be numbers; convert it before.",
    ),
]


@pytest.mark.parametrize(("error", "call", "message"), ERRORS, ids=range(len(ERRORS)))
def test_errors_by_their_text(error: type[Exception], call: Any, message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message

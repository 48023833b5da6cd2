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


def check_rounded(found: Any, exact: Any) -> None:
    """Whole numbers nearest to `exact`; within the error of float32 of a half either neighbour will do."""
    ends = np.iinfo(found.dtype)
    assert abs(found - np.clip(exact, ends.min, ends.max)).max() <= 0.5 + 1e-3


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
    check_rounded(found, exact)
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


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
@pytest.mark.parametrize("boundary", NDIMAGE_WORDS)
@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_gaussian_of_every_dtype_and_order_is_ndimages(dtype: str, boundary: str, order: int) -> None:
    ndimage = peer("scipy.ndimage")
    img = picture(21, 18).astype(dtype)
    mode = NDIMAGE_WORDS[boundary]
    for options in ({}, {"truncate": 2.7}, {"radius": 5}, {"radius": (2, 6)}):
        found = filters.gaussian(img, (1.3, 0.8), order=order, boundary=boundary, **options)
        exact = ndimage.gaussian_filter(img.astype(float), (1.3, 0.8), order=order, mode=mode, **options)
        tolerance = 255 * 20 * 2**-24 if dtype == "float32" else 1e-11
        np.testing.assert_allclose(found, exact, rtol=0, atol=tolerance)
        assert found.dtype == (np.float32 if dtype == "float32" else np.float64)


def test_gaussian_of_bytes_rounds_where_opencv_does() -> None:
    cv2 = peer("cv2")
    img = picture(40, 50, 3)
    ours = filters.gaussian(img, 1.4, radius=4, boundary="reflect", channel_axis=-1, dtype=np.uint8)
    theirs = cv2.GaussianBlur(img, (9, 9), 1.4)
    assert abs(ours.astype(int) - theirs).max() <= 1
    exact = cv2.GaussianBlur(img.astype(np.float64), (9, 9), 1.4)
    check_rounded(ours, exact)


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
@pytest.mark.parametrize("boundary", NDIMAGE_WORDS)
@pytest.mark.parametrize("size", [3, 4, (2, 5), (1, 7)])
def test_box_is_ndimages(dtype: str, boundary: str, size: Any) -> None:
    ndimage = peer("scipy.ndimage")
    img = picture(12, 15).astype(dtype)
    found = filters.box(img, size, boundary=boundary)
    expected = ndimage.uniform_filter(img.astype(float), size, mode=NDIMAGE_WORDS[boundary])
    np.testing.assert_allclose(found, expected, rtol=3e-7 if dtype == "float32" else 1e-14, atol=1e-4)
    assert found.dtype == (np.float32 if dtype == "float32" else np.float64)


def test_box_of_volumes_and_bytes() -> None:
    ndimage = peer("scipy.ndimage")
    volume = noise(7, 8, 9)
    np.testing.assert_allclose(filters.box(volume, 3), ndimage.uniform_filter(volume, 3), atol=1e-14)
    cv2 = peer("cv2")
    img = picture(20, 30)
    found = filters.box(img, (5, 3), boundary="reflect", dtype=np.uint8)
    np.testing.assert_array_equal(found, cv2.blur(img, (3, 5)))
    fill = filters.box(img, 3, boundary="constant", fill_value=9)
    expected = ndimage.uniform_filter(img.astype(float), 3, mode="constant", cval=9)
    np.testing.assert_allclose(fill, expected, rtol=1e-14)


def test_motion_is_the_convolution_with_its_kernel() -> None:
    img = noise(14, 15)
    kernel = fl.kernels.motion(6, 0.6)
    for boundary in ("wrap", ("edge", "reflect")):
        found = filters.motion(img, 6, 0.6, boundary=boundary)
        np.testing.assert_allclose(found, fl.convolve(img, kernel, "same", boundary=boundary), atol=1e-14)
    np.testing.assert_array_equal(filters.motion(img, 1), img)
    along = filters.motion(img, 5, np.pi / 2)
    np.testing.assert_allclose(along, filters.box(img, (5, 1)), atol=1e-14)
    assert filters.motion(picture(5, 6), 3).dtype == np.float64
    assert filters.motion(picture(5, 6), 3, dtype=np.uint8).dtype == np.uint8


@pytest.mark.parametrize("kernel", ["gaussian", "box", "disk", [[1, 2, 1], [2, 4, 2], [1, 2, 1]]], ids=str)
def test_denoise_keeps_brightness_and_averages_noise(kernel: Any) -> None:
    flat = np.full((9, 9), 200, np.uint8)
    np.testing.assert_array_equal(filters.denoise(flat, kernel), flat)
    noisy = 100 + 10 * noise(200, 200)
    taps = {
        "gaussian": fl.kernels.gaussian(0.75, radius=1),
        "box": fl.kernels.box(3),
        "disk": fl.kernels.disk(1),
    }
    used = fl.kernels.normalize(taps[kernel] if isinstance(kernel, str) else kernel)
    found = filters.denoise(noisy, kernel)
    np.testing.assert_allclose(found, fl.convolve(noisy, used, "same", boundary="symmetric"), rtol=1e-13)
    assert found.std() == pytest.approx(10 * np.sqrt((used.taps**2).sum()), rel=0.02)
    if isinstance(kernel, str):
        np.testing.assert_array_equal(filters.denoise(noisy, kernel, radius=0), noisy)


def test_denoise_of_volumes_colour_and_other_kernels() -> None:
    volume = noise(6, 7, 8)
    np.testing.assert_allclose(filters.denoise(volume, "box"), filters.box(volume, 3), atol=1e-14)
    colour = picture(9, 10, 3)
    found = filters.denoise(colour, "disk", radius=2, channel_axis=-1)
    assert found.shape == colour.shape and found.dtype == np.uint8
    plane = filters.denoise(colour[..., 1], "disk", radius=2)
    np.testing.assert_array_equal(found[..., 1], plane)
    motion = fl.kernels.motion(5)
    img = picture(9, 10)
    np.testing.assert_array_equal(filters.denoise(img, motion), filters.motion(img, 5, dtype=np.uint8))


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
@pytest.mark.parametrize(("operator", "name"), [("sobel", "sobel"), ("prewitt", "prewitt")])
@pytest.mark.parametrize("shape", [(11,), (9, 12), (5, 6, 7)], ids=str)
def test_gradient_is_ndimages(shape: Any, operator: str, name: str, dtype: str) -> None:
    ndimage = peer("scipy.ndimage")
    img = picture(*shape).astype(dtype)
    for boundary in ("symmetric", "wrap", "constant"):
        found = filters.gradient(img, operator=operator, boundary=boundary)
        assert len(found) == len(shape)
        for axis, slope in enumerate(found):
            expected = getattr(ndimage, name)(img.astype(float), axis, mode=NDIMAGE_WORDS[boundary])
            np.testing.assert_array_equal(slope, expected)
            assert slope.dtype == (np.float32 if dtype == "float32" else np.float64)


def test_gradient_is_opencvs_and_numpys() -> None:
    cv2 = peer("cv2")
    img = picture(13, 14)
    down, right = filters.gradient(img, operator="scharr", boundary="reflect", dtype=np.int16)
    np.testing.assert_array_equal(down, cv2.Scharr(img, cv2.CV_16S, 0, 1))
    np.testing.assert_array_equal(right, cv2.Scharr(img, cv2.CV_16S, 1, 0))
    central = filters.gradient(img, operator="central")
    for found, expected in zip(central, np.gradient(img.astype(float)), strict=True):
        np.testing.assert_array_equal(found[1:-1, 1:-1] / 2, expected[1:-1, 1:-1])
    large = np.array([2**62, 0, 2**62 + 1], np.int64)
    assert filters.gradient(large, operator="central", dtype=np.int64)[0].tolist()[1] == 1
    with pytest.raises(OverflowError):
        filters.gradient(img, dtype=np.int8)


@pytest.mark.parametrize("operator", ["sobel", "scharr", "prewitt", "central"])
def test_edges_by_every_operator(operator: str) -> None:
    img = noise(9, 11)
    down, right = filters.gradient(img, operator=operator)
    found = filters.edges(img, operator=operator)
    np.testing.assert_allclose(found.magnitude, np.hypot(down, right), rtol=1e-14)
    np.testing.assert_allclose(found.direction, np.arctan2(down, right), rtol=1e-14)


@pytest.mark.parametrize("operator", ["sobel", "scharr", "prewitt"])
def test_edges_are_skimages_up_to_their_scale(operator: str) -> None:
    skimage = peer("skimage.filters")
    img = noise(12, 13)
    scale = {"sobel": 8, "scharr": 32, "prewitt": 6}[operator]
    expected = getattr(skimage, operator)(img, mode="reflect") * 2**0.5
    found = filters.edges(img, operator=operator).magnitude / scale * 2
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
@pytest.mark.parametrize("boundary", NDIMAGE_WORDS)
def test_laplacian_is_ndimages(dtype: str, boundary: str) -> None:
    ndimage = peer("scipy.ndimage")
    for shape in ((9,), (9, 8), (5, 6, 7)):
        img = picture(*shape).astype(dtype)
        found = filters.laplacian(img, boundary=boundary)
        expected = ndimage.laplace(img.astype(float), mode=NDIMAGE_WORDS[boundary])
        np.testing.assert_array_equal(found, expected)
    img = picture(12, 9)
    whole = filters.laplacian(img, dtype=np.int16, boundary="reflect")
    cv2 = peer("cv2")
    np.testing.assert_array_equal(whole, cv2.Laplacian(img, cv2.CV_16S, ksize=1))


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
@pytest.mark.parametrize("sigma", [1.0, (0.8, 2.1)])
@pytest.mark.parametrize("boundary", ["symmetric", "wrap", "constant"])
def test_log_is_ndimages(dtype: str, sigma: Any, boundary: str) -> None:
    ndimage = peer("scipy.ndimage")
    img = picture(17, 19).astype(dtype)
    mode = NDIMAGE_WORDS[boundary]
    for options in ({}, {"truncate": 3.0}):
        found = filters.log(img, sigma, boundary=boundary, **options)
        expected = ndimage.gaussian_laplace(img.astype(float), sigma, mode=mode, **options)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 if dtype == "float32" else 1e-11)
        assert found.dtype == (np.float32 if dtype == "float32" else np.float64)
    exact = fl.convolve(img, fl.kernels.log(sigma), "same", boundary=boundary, dtype=np.float64)
    np.testing.assert_allclose(filters.log(img, sigma, boundary=boundary), exact, atol=1e-4)


def test_log_of_volumes_radius_and_whole_results() -> None:
    ndimage = peer("scipy.ndimage")
    volume = noise(8, 9, 10)
    np.testing.assert_allclose(filters.log(volume, 1), ndimage.gaussian_laplace(volume, 1), atol=1e-12)
    img = picture(15, 16)
    near = filters.log(img, 1, radius=3)
    np.testing.assert_allclose(near, ndimage.gaussian_laplace(img.astype(float), 1, radius=3), atol=1e-11)
    check_rounded(filters.log(img, 1, radius=3, dtype=np.int16), near)
    with pytest.raises(OverflowError):
        filters.log(img, 1, dtype=np.uint8)
    assert filters.log(img, 1, dtype=np.uint8, overflow="saturate").dtype == np.uint8
    half = filters.log(noise(9, 9).astype(np.float16), 1)
    assert half.dtype == np.float16


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("low", "high"), [(1.0, None), (0.7, 2.5), ((0, 1.2), (1.0, 1.2))])
def test_difference_of_gaussians_is_skimages(dtype: str, low: Any, high: Any) -> None:
    skimage = peer("skimage.filters")
    img = noise(23, 24).astype(dtype)
    found = filters.difference_of_gaussians(img, low, high)
    wide = high or 1.6 * low
    expected = skimage.difference_of_gaussians(img.astype(float), low, wide, mode="reflect")
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 if dtype == "float32" else 1e-12)
    assert found.dtype == dtype


def test_difference_of_gaussians_rounds_once() -> None:
    img = picture(16, 17)
    exact = filters.difference_of_gaussians(img, 1)
    assert exact.dtype == np.float64
    check_rounded(filters.difference_of_gaussians(img, 1, dtype=np.int16), exact)
    assert filters.difference_of_gaussians(img, 1, truncate=2).shape == img.shape


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("sigma", "amount"), [(1.0, 1), (2.3, 0.4), ((0.5, 3.0), 2)])
def test_unsharp_is_skimages(dtype: str, sigma: Any, amount: float) -> None:
    skimage = peer("skimage.filters")
    img = noise(21, 22).astype(dtype)
    found = filters.unsharp(img, sigma, amount)
    expected = skimage.unsharp_mask(img.astype(float), sigma, amount, preserve_range=True)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 if dtype == "float32" else 1e-12)
    assert found.dtype == dtype


def test_unsharp_of_pictures_and_volumes() -> None:
    img = picture(18, 19)
    exact = fl.convolve(img, fl.kernels.unsharp(1.2, 0.7), "same", boundary="symmetric")
    found = filters.unsharp(img, 1.2, 0.7)
    assert found.dtype == np.uint8
    check_rounded(found, exact)
    np.testing.assert_allclose(filters.unsharp(img, 1.2, 0.7, dtype=np.float64), exact, rtol=0, atol=1e-11)
    with pytest.raises(OverflowError):
        filters.unsharp(img, 1.2, 5, overflow="raise")
    np.testing.assert_array_equal(filters.unsharp(img, 1, 0), img)
    volume = noise(7, 8, 9)
    expected = fl.convolve(volume, fl.kernels.unsharp(0.6, ndim=3), "same", boundary="wrap")
    np.testing.assert_allclose(filters.unsharp(volume, 0.6, boundary="wrap"), expected, rtol=0, atol=1e-13)
    half = noise(9, 9).astype(np.float16)
    assert filters.unsharp(half).dtype == np.float16
    near = filters.unsharp(img, 1, radius=2, dtype=float)
    np.testing.assert_allclose(near, filters.unsharp(img, 1, truncate=2, dtype=float), atol=1e-12)


def test_emboss_is_the_convolution_with_its_kernel() -> None:
    img = picture(9, 11)
    for amount in (1, 0.3):
        exact = fl.convolve(img, fl.kernels.emboss(amount), "same", boundary="symmetric", dtype=np.float64)
        check_rounded(filters.emboss(img, amount), exact)
    np.testing.assert_array_equal(filters.emboss(img, 0), img)
    assert filters.emboss(img.astype(np.float32)).dtype == np.float32


FILTERS: dict[str, Any] = {
    "gaussian": lambda img, **how: filters.gaussian(img, 1.2, **how),
    "box": lambda img, **how: filters.box(img, 3, **how),
    "motion": lambda img, **how: filters.motion(img, 4, 0.5, **how),
    "denoise": lambda img, **how: filters.denoise(img, "disk", **how),
    "gradient": lambda img, **how: filters.gradient(img, **how)[1],
    "edges": lambda img, **how: filters.edges(img, **how).magnitude,
    "laplacian": filters.laplacian,
    "log": lambda img, **how: filters.log(img, 1.1, **how),
    "difference": lambda img, **how: filters.difference_of_gaussians(img, 0.8, **how),
    "sharpen": filters.sharpen,
    "unsharp": filters.unsharp,
    "emboss": filters.emboss,
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("channel", [-1, 0, 1])
def test_every_filter_takes_channels(name: str, channel: int) -> None:
    img = np.moveaxis(picture(12, 10, 3), -1, channel)
    found = FILTERS[name](img, channel_axis=channel)
    assert found.shape == img.shape
    planes = [FILTERS[name](np.ascontiguousarray(img.take(c, channel))) for c in range(3)]
    np.testing.assert_allclose(found, np.stack(planes, channel), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_asks_what_a_colour_image_is(name: str) -> None:
    with pytest.raises(FaltungValueError, match="pass `channel_axis=-1`"):
        FILTERS[name](picture(8, 9, 3))


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "float64", "complex64"])
def test_every_filter_takes_every_dtype_and_leaves_the_array(name: str, dtype: str) -> None:
    if (name, dtype) == ("edges", "complex64"):
        return
    img = (picture(11, 13) // 2).astype(dtype)
    before = img.copy()
    found = FILTERS[name](img)
    np.testing.assert_array_equal(img, before)
    assert found.shape == img.shape and not np.shares_memory(found, img)
    pictures = {"sharpen", "unsharp", "emboss", "denoise"}
    expected = np.dtype(dtype) if name in pictures or dtype[0] in "fc" else np.dtype(float)
    assert found.dtype == (np.float32 if (name, dtype) == ("edges", "float16") else expected)
    exact = FILTERS[name](img.astype(complex if dtype == "complex64" else float))
    if name in pictures and dtype in ("uint8", "int16"):
        check_rounded(found, exact)
        return
    tolerance = {"float16": 2e-3, "float32": 1e-6, "complex64": 1e-6}.get(dtype, 1e-13)
    np.testing.assert_allclose(found, exact, rtol=tolerance, atol=tolerance * 2000)


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_passes_boundary_fill_and_workers_on(name: str) -> None:
    flat = np.full((7, 8), 5.0)
    inside = FILTERS[name](flat, boundary="wrap")
    filled = FILTERS[name](flat, boundary="constant", fill_value=5.0, workers=1)
    np.testing.assert_allclose(filled, inside, rtol=0, atol=1e-12)
    assert abs(FILTERS[name](flat, boundary="constant") - inside).max() > 0.1
    by_axis = FILTERS[name](noise(7, 8), boundary=("edge", "wrap"))
    assert abs(by_axis - FILTERS[name](noise(7, 8), boundary="wrap")).max() > 1e-3


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_keeps_the_kind_of_array(name: str) -> None:
    torch = peer("torch")
    img = picture(9, 10)
    expected = FILTERS[name](img)
    found = FILTERS[name](torch.from_numpy(img.copy()))
    assert isinstance(found, torch.Tensor)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-13, atol=1e-13)
    assert FILTERS[name](img.tolist()).shape == img.shape


def test_every_filter_is_tested() -> None:
    words = {"difference": "difference_of_gaussians"}
    assert {words.get(name, name) for name in FILTERS} == set(filters.__all__) - {"Edges"}


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
        FaltungValueError,
        lambda: filters.laplacian(picture(5, 4, 3)),
        "`img` (of shape (5, 4, 3)) looks like a colour image; pass `channel_axis=-1` to filter each colour "
        "by itself, or `convolve` with the kernel to filter a volume.",
    ),
    (
        FaltungValueError,
        lambda: filters.gradient(picture(5, 4), operator="roberts"),
        "`operator` (='roberts') must be one of 'sobel', 'scharr', 'prewitt', 'central'.",
    ),
    (
        FaltungValueError,
        lambda: filters.denoise(picture(5, 4), "median"),
        "`kernel` (='median') must be 'gaussian', 'box', 'disk' or the taps of a kernel.",
    ),
    (
        FaltungValueError,
        lambda: filters.denoise(picture(5, 4), [1, 2, 1]),
        "`kernel` (of shape (3,)) must have one axis for each of the 2 filtered axes of `img` (of shape "
        "(5, 4)).",
    ),
    (
        FaltungValueError,
        lambda: filters.denoise(picture(5, 4), radius=-1),
        "`radius` (=-1) must be at least 0.",
    ),
    (
        FaltungValueError,
        lambda: filters.difference_of_gaussians(picture(5, 4), 2, 1),
        "`high_sigma` (=1) must be no less than `low_sigma` (=2); swap them and change the sign.",
    ),
    (
        FaltungValueError,
        lambda: filters.log(picture(5, 4), (1, 0)),
        "`sigma` (=0) leaves one tap, but a derivative of order 2 needs more; use a larger sigma or radius.",
    ),
    (
        FaltungValueError,
        lambda: filters.unsharp(picture(5, 4), 1, float("nan")),
        "`amount` (=nan) must be finite.",
    ),
    (
        FaltungTypeError,
        lambda: filters.unsharp(np.ones((3, 3), bool)),
        "`img` (of dtype bool) has no values between its own; convert it to uint8 before.",
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

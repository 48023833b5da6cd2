"""Where the kernel lies: anchors, strides, dilations, axes, batches, large kernels, empty arrays."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import faltung as fl
from checks import check, expected_dtype
from grids import BOUNDARIES, MODES, OPS, cover, draw

RNG_SEED = 11
DTYPE = (np.dtype(np.int32), np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.complex64))


@pytest.fixture
def rng():
    return np.random.default_rng(RNG_SEED)


@cover(op=OPS, boundary=BOUNDARIES, dtype=DTYPE, taps=(1, 2, 3, 4, 7))
def test_every_anchor(rng, op, boundary, dtype, taps):
    a, k = draw(rng, (40,), dtype), draw(rng, (taps,), dtype)
    default = getattr(fl, op)(a, k, "same", boundary=boundary)
    for anchor in range(taps):
        got = check(op, a, k, "same", boundary=boundary, anchor=anchor)
        if anchor == ((taps - 1) // 2 if op == "convolve" else taps // 2):
            assert np.array_equal(got, default)


@pytest.mark.parametrize("op", OPS)
def test_one_anchor_per_axis(rng, op):
    a, k = draw(rng, (12, 25), np.float32), draw(rng, (4, 3), np.float32)
    for anchor in itertools.product(range(4), range(3)):
        check(op, a, k, "same", anchor=anchor, boundary=("reflect", "wrap"))
    assert np.array_equal(fl.convolve(a, k, "same", anchor=2), fl.convolve(a, k, "same", anchor=(2, 2)))


def test_the_anchor_puts_its_tap_on_the_impulse():
    delta, k = np.array([0, 0, 0, 1, 0, 0, 0]), np.array([1, 2, 3, 4])
    for anchor in range(4):
        assert fl.convolve(delta, k, "same", anchor=anchor)[3] == k[anchor]
        assert fl.correlate(delta, k, "same", anchor=anchor)[3] == k[anchor]
    assert fl.convolve(delta, k, "same").tolist() == [0, 0, 1, 2, 3, 4, 0]


@cover(op=OPS, mode=MODES, boundary=BOUNDARIES, dtype=DTYPE, stride=(1, 2, 3, 7, 64), dilation=(1, 2, 3, 8))
def test_stride_and_dilation_of_signals(rng, op, mode, boundary, dtype, stride, dilation):
    for size in (29, 64, 131):
        a, k = draw(rng, (size,), dtype), draw(rng, (4,), dtype)
        check(op, a, k, mode, boundary=boundary, stride=stride, dilation=dilation)


@cover(
    op=OPS,
    mode=MODES,
    boundary=BOUNDARIES,
    stride=((1, 1), (2, 3), (1, 2), (4, 1)),
    dilation=((1, 2), (3, 1), (2, 2)),
)
def test_stride_and_dilation_of_images(rng, op, mode, boundary, stride, dilation):
    for dtype in DTYPE:
        a, k = draw(rng, (15, 41), dtype), draw(rng, (3, 4), dtype)
        check(op, a, k, mode, boundary=boundary, stride=stride, dilation=dilation)


def test_a_window_of_holes_only_is_an_empty_sum():
    assert fl.convolve([1, 2], [3, 4], dilation=5).tolist() == [3, 6, 0, 0, 0, 4, 8]
    assert fl.convolve([1.0], [np.inf, 1.0], dilation=3).tolist() == [np.inf, 0, 0, 1]


@cover(op=OPS, mode=("full", "same"), boundary=BOUNDARIES, dtype=DTYPE, size=(1, 2, 3, 10))
def test_kernels_larger_than_the_array(rng, op, mode, boundary, dtype, size):
    for taps in (size + 1, 2 * size + 3, 37):
        check(op, draw(rng, (size,), dtype), draw(rng, (taps,), dtype), mode, boundary=boundary)
    check(op, draw(rng, (size, 17), dtype), draw(rng, (11, 40), dtype), mode, boundary=boundary)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_same_has_the_size_of_the_array_also_under_a_larger_kernel(boundary):
    assert fl.convolve([1, 2], [1, 2, 3, 4], "same", boundary=boundary).shape == (2,)
    assert fl.correlate(np.ones((2, 5)), np.ones((4, 3)), "same", boundary=boundary).shape == (2, 5)


# ---- axes and batches


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    "axes", [0, 1, 2, -1, (0,), (0, 1), (1, 2), (0, 2), (2, 0), (-1, -3), (0, 1, 2), (2, 0, 1)], ids=str
)
@pytest.mark.parametrize("dtype", DTYPE[:3], ids=str)
def test_a_small_kernel_runs_along_axes(rng, op, axes, dtype):
    a = draw(rng, (5, 6, 20), dtype)
    k = draw(rng, (2, 3, 4)[: 1 if isinstance(axes, int) else len(axes)], dtype)
    for mode in MODES:
        check(op, a, k, mode, axes=axes, boundary="reflect")


def test_per_axis_options_follow_the_order_of_axes(rng):
    a, k = draw(rng, (9, 5, 30), np.float64), draw(rng, (2, 3), np.float64)
    options = {"boundary": ("wrap", "edge"), "anchor": (1, 0), "stride": (3, 2), "dilation": (2, 1)}
    turned = {name: value[::-1] for name, value in options.items()}
    one = check("convolve", a, k, "same", axes=(2, 0), **options)
    other = check("convolve", a, k.T, "same", axes=(0, 2), **turned)
    assert np.array_equal(one, other) and one.shape == (5, 5, 10)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    ("shape", "taps", "axes"),
    [
        ((1, 100), (7, 10), 1),
        ((7, 100), (1, 10), 1),
        ((7, 100), (7, 10), -1),
        ((33, 7), (3, 7), 0),
        ((3, 1, 20, 22), (1, 4, 3, 5), (2, 3)),
        ((1, 20, 3), (4, 5, 1), 1),
        ((20, 4, 6), (3, 1, 6), (0,)),
        ((4, 5, 2, 6), (3, 5, 1, 2), (3, 0)),
    ],
)
def test_aligned_kernels_broadcast_both_ways(rng, op, shape, taps, axes):
    for dtype, mode in itertools.product(DTYPE, MODES):
        got = check(op, draw(rng, shape, dtype), draw(rng, taps, dtype), mode, axes=axes)
        batch = [d for d in range(len(shape)) if d not in np.atleast_1d(np.array(axes) % len(shape))]
        assert [got.shape[d] for d in batch] == [max(shape[d], taps[d]) for d in batch]


def test_a_colour_image_is_filtered_without_its_channels(rng):
    image = rng.integers(0, 256, (20, 31, 3), np.uint8)
    k = [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    got = check("convolve", image, k, "same", axes=(0, 1), boundary="reflect", dtype=np.int32)
    for channel in range(3):
        one = fl.convolve(image[..., channel], k, "same", boundary="reflect", dtype=np.int32)
        assert np.array_equal(got[..., channel], one)
    for channels in (1, 2, 4, 5):
        a = draw(rng, (14, 19, channels), np.float32)
        check("convolve", a, draw(rng, (5, 3), np.float32), "same", axes=(0, 1), boundary="edge")


def test_long_thin_batches(rng):
    for shape, axes in [((1000, 6), 1), ((6, 1000), 0), ((300, 8, 8), (1, 2)), ((8, 8, 300), (0, 1))]:
        k = draw(rng, (3,) * np.size(axes), np.float32)
        check("convolve", draw(rng, shape, np.float32), k, "same", axes=axes, boundary="wrap")


# ---- the ends of the scale


@pytest.mark.parametrize("op", OPS)
def test_an_empty_batch_gives_an_empty_result(op):
    run = getattr(fl, op)
    assert run(np.ones((0, 5)), [1.0, 2.0], axes=1).shape == (0, 6)
    assert run(np.ones((4, 0, 5), np.float32), np.ones((2, 1, 2)), "valid", axes=(0, 2)).shape == (3, 0, 4)
    assert run(np.ones((1, 5)), np.ones((0, 3)), "same", axes=1).shape == (0, 5)
    assert run(np.ones((0, 5), np.int8), np.ones(2, np.int8), axes=1).dtype == np.int8


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("mode", MODES)
def test_two_arrays_of_no_axes_give_a_numpy_scalar(op, mode):
    run = getattr(fl, op)
    for a, k in itertools.product(
        [np.float32(3), np.array(3, np.float32), 3], [np.float32(4), np.array(4.0), 4]
    ):
        for _ in range(2):  # the second call finds the first one's decision
            got = run(a, k, mode)
            assert isinstance(got, np.generic) and got == 12 and got.dtype == expected_dtype(a, k)
    assert isinstance(run(np.array(7, np.uint8), np.array(6, np.uint8), mode), np.uint8)
    assert run(7, 6, mode).dtype == np.int64
    assert fl.correlate(2 + 1j, 1j, mode) == (2 + 1j) * -1j


@pytest.mark.parametrize("dtype", DTYPE, ids=str)
def test_one_sample_and_one_tap(rng, dtype):
    for boundary, mode in itertools.product(BOUNDARIES, MODES):
        check("convolve", draw(rng, (1,), dtype), draw(rng, (1,), dtype), mode, boundary=boundary)
        check("convolve", draw(rng, (1, 1), dtype), draw(rng, (1, 1), dtype), mode, boundary=boundary)
    for mode in ("full", "same"):
        for boundary in BOUNDARIES:  # one sample maps to itself under every map
            check("correlate", draw(rng, (1,), dtype), draw(rng, (9,), dtype), mode, boundary=boundary)


def test_many_axes(rng):
    a, k = draw(rng, (2, 3, 2, 2, 3, 4), np.float64), draw(rng, (1, 2, 1, 2, 2, 3), np.float64)
    check("convolve", a, k, "same", boundary="wrap")
    check("correlate", a, draw(rng, (2, 2, 2), np.float64), "full", axes=(5, 0, 3))

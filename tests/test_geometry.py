"""The arithmetic of one axis against enumeration, and boundary maps against `numpy.pad`."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faltung import _geometry as geometry

sizes = st.integers(1, 12)
taps_ = st.integers(1, 6)
strides = st.integers(1, 6)
dilations = st.integers(1, 5)
paddings = st.integers(0, 7)


def windows(size: int, taps: int, stride: int, lo: int, hi: int, dilation: int) -> list[list[int]]:
    """Every window that fits, as the input positions its taps touch."""
    found = []
    for start in range(-lo, size + hi, stride):
        window = [start + h * dilation for h in range(taps)]
        if window[-1] < size + hi:
            found.append(window)
    return found


def landings(size: int, taps: int, stride: int, lo: int, dilation: int) -> list[int]:
    """Where each product of a transposed convolution lands, before cropping."""
    return [i * stride + h * dilation - lo for i in range(size) for h in range(taps)]


@given(sizes, taps_, strides, paddings, paddings, dilations)
def test_output_size_counts_the_windows_that_fit(
    size: int, taps: int, stride: int, lo: int, hi: int, dilation: int
) -> None:
    expected = len(windows(size, taps, stride, lo, hi, dilation))
    assert geometry.output_size(size, taps, stride, lo, hi, dilation) == expected


@given(sizes, taps_, strides, paddings, paddings, dilations)
def test_the_transpose_returns_to_the_input_size(
    size: int, taps: int, stride: int, lo: int, hi: int, dilation: int
) -> None:
    out = geometry.output_size(size, taps, stride, lo, hi, dilation)
    if out == 0:
        return
    extra = geometry.adjoint_output_padding(size, taps, stride, lo, hi, dilation)
    assert 0 <= extra < stride
    assert geometry.transposed_output_size(out, taps, stride, lo, hi, dilation, extra) == size


@given(sizes, taps_, strides, dilations)
def test_transposed_size_without_padding_is_the_span_of_what_is_written(
    size: int, taps: int, stride: int, dilation: int
) -> None:
    span = max(landings(size, taps, stride, 0, dilation)) + 1
    assert geometry.transposed_output_size(size, taps, stride, 0, 0, dilation, 0) == span


@given(st.integers(1, 5), taps_, st.integers(1, 4), paddings, paddings, st.integers(1, 3), st.integers(0, 3))
def test_zero_insertion_is_the_transposed_convolution(
    size: int, taps: int, stride: int, lo: int, hi: int, dilation: int, extra: int
) -> None:
    out = geometry.transposed_output_size(size, taps, stride, lo, hi, dilation, extra)
    if out <= 0:
        return
    x, w = np.arange(1, size + 1) ** 2, 10 ** np.arange(taps)
    expected = np.zeros(out, dtype=np.int64)
    for i in range(size):
        for h in range(taps):
            position = i * stride + h * dilation - lo
            if 0 <= position < out:
                expected[position] += x[i] * w[h]
    inserted = np.zeros((size - 1) * stride + 1, dtype=np.int64)
    inserted[::stride] = x
    spread = np.zeros(geometry.effective_size(taps, dilation), dtype=np.int64)
    spread[::dilation] = w
    before, after = geometry.zero_insertion_padding(taps, lo, hi, dilation, extra)
    padded = np.pad(inserted, (max(before, 0), max(after, 0)))
    padded = padded[max(-before, 0) : len(padded) - max(-after, 0)]
    np.testing.assert_array_equal(np.convolve(padded, spread, "valid"), expected)


@given(sizes, taps_, dilations)
def test_mode_padding_gives_the_sizes_of_the_modes(size: int, taps: int, dilation: int) -> None:
    span = geometry.effective_size(taps, dilation)
    for flip in (False, True):
        for mode, expected in (("full", size + span - 1), ("same", size), ("valid", max(size - span + 1, 0))):
            lo, hi = geometry.mode_padding(mode, taps, dilation, None, flip)
            assert geometry.output_size(size, taps, 1, lo, hi, dilation) == expected


@given(taps_, dilations, st.data())
def test_anchor_puts_its_tap_on_the_output(taps: int, dilation: int, data: st.DataObject) -> None:
    anchor = data.draw(st.integers(0, taps - 1))
    lo, hi = geometry.mode_padding("same", taps, dilation, anchor, False)
    assert -lo + anchor * dilation == 0 and lo + hi == dilation * (taps - 1)
    lo, hi = geometry.mode_padding("same", taps, dilation, anchor, True)
    assert -lo + (taps - 1 - anchor) * dilation == 0 and lo + hi == dilation * (taps - 1)


@given(taps_, dilations)
def test_default_anchors(taps: int, dilation: int) -> None:
    for flip, anchor in ((True, (taps - 1) // 2), (False, taps // 2)):
        default = geometry.mode_padding("same", taps, dilation, None, flip)
        assert default == geometry.mode_padding("same", taps, dilation, anchor, flip)
        assert default[0] == taps // 2 * dilation


def test_same_is_numpys_and_scipys_centre() -> None:
    a = np.arange(1.0, 8.0)
    for taps in range(1, 7):
        k = 10.0 ** np.arange(taps)
        lo, hi = geometry.mode_padding("same", taps, 1, None, True)
        padded = np.pad(a, (lo, hi))
        np.testing.assert_array_equal(np.convolve(padded, k, "valid"), np.convolve(a, k, "same"))


@given(sizes, taps_, strides, dilations)
def test_words(size: int, taps: int, stride: int, dilation: int) -> None:
    reach = dilation * (taps - 1)
    assert geometry.word_padding("valid", size, taps, stride, dilation) == (0, 0)
    assert geometry.word_padding("full", size, taps, stride, dilation) == (reach, reach)
    assert geometry.word_padding("causal", size, taps, stride, dilation) == (reach, 0)
    upper = geometry.word_padding("same", size, taps, stride, dilation)
    lower = geometry.word_padding("same_lower", size, taps, stride, dilation)
    assert lower == upper[::-1] and upper[1] - upper[0] in (0, 1)
    assert geometry.output_size(size, taps, stride, *upper, dilation) == -(-size // stride)
    if sum(upper):
        assert (
            geometry.output_size(size, taps, stride, upper[0], upper[1] - 1, dilation)
            == -(-size // stride) - 1
        )


@given(sizes, taps_, strides, dilations)
def test_same_of_a_transposed_convolution_is_the_forward_same_of_its_output(
    size: int, taps: int, stride: int, dilation: int
) -> None:
    out = geometry.same_transposed_size(size, stride)
    lo, hi = geometry.word_padding("same", out, taps, stride, dilation)
    assert geometry.output_size(out, taps, stride, lo, hi, dilation) == size


BOUNDARIES: tuple[Literal["edge", "reflect", "symmetric", "wrap"], ...] = (
    "edge",
    "reflect",
    "symmetric",
    "wrap",
)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_boundary_index_is_numpys_map(
    boundary: Literal["edge", "reflect", "symmetric", "wrap"], size: int
) -> None:
    width = 5 * size + 3
    expected = np.pad(np.arange(size), width, mode=boundary)
    found = [geometry.boundary_index(i, size, boundary) for i in range(-width, size + width)]
    assert found == expected.tolist()


@given(st.integers(-(10**12), 10**12), st.integers(1, 50), st.sampled_from(BOUNDARIES))
def test_boundary_index_stays_inside_and_keeps_the_inside(i: int, size: int, boundary: str) -> None:
    found = geometry.boundary_index(i, size, boundary)
    assert found is not None and 0 <= found < size
    if 0 <= i < size or size == 1:
        assert found == (i if size > 1 else 0)


def test_boundary_constant_is_none_outside() -> None:
    assert [geometry.boundary_index(i, 2, "constant") for i in range(-2, 4)] == [None, None, 0, 1, None, None]


@given(st.integers(1, 8), taps_, strides, dilations)
def test_touched_size_counts_distinct_positions(size: int, taps: int, stride: int, dilation: int) -> None:
    expected = len(set(landings(size, taps, stride, 0, dilation)))
    assert geometry.touched_size(size, taps, stride, dilation) == expected


@given(taps_, strides, dilations)
def test_overlap_condition(taps: int, stride: int, dilation: int) -> None:
    enough = 2 * dilation + 1
    counted = Counter(landings(enough, taps, stride, 0, dilation))
    assert geometry.overlaps(taps, stride, dilation) == (max(counted.values()) > 1)


@given(taps_, strides, dilations)
def test_receptive_field_of_both_directions(taps: int, stride: int, dilation: int) -> None:
    window = windows(100, taps, stride, 0, 0, dilation)[0]
    extent = window[-1] - window[0] + 1
    assert geometry.receptive_field(taps, stride, dilation, False) == extent
    seen: dict[int, list[int]] = {}
    for i in range(6 * dilation + taps):
        for h in range(taps):
            seen.setdefault(i * stride + h * dilation, []).append(i)
    extent = max(max(inputs) - min(inputs) + 1 for inputs in seen.values())
    assert geometry.receptive_field(taps, stride, dilation, True) == extent


def test_unknown_words_are_programming_mistakes() -> None:
    with pytest.raises(ValueError, match="mode 'some' is none of"):
        geometry.mode_padding("some", 3, 1, None, True)
    with pytest.raises(ValueError, match="padding 'some' is none of"):
        geometry.word_padding("some", 5, 3, 1, 1)
    with pytest.raises(ValueError, match="boundary 'mirror' is none of"):
        geometry.boundary_index(-1, 5, "mirror")

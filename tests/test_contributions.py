"""How many contributions each output gets: against the pairs themselves, and against sums of ones."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from faltung import _geometry as geometry

DRAW = Path(__file__).resolve().parent.parent / "docs" / "checkerboard" / "draw.py"
drawn = pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="needs the extra [plot]")


@st.composite
def specs(draw: st.DrawFn) -> fl.ConvSpec:
    rank = draw(st.integers(1, 3))

    def numbers(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank)))

    stride, dilation, taps = numbers(1, 4), numbers(1, 3), numbers(1, 4)
    transposed = draw(st.booleans())
    span = [d * (k - 1) + 1 for k, d in zip(taps, dilation, strict=True)]
    padding = tuple(zip(numbers(0, 3), numbers(0, 3), strict=True))
    need = [
        1 - (n - lo - hi - 1) // s if transposed else n - lo - hi
        for n, (lo, hi), s in zip(span, padding, stride, strict=True)
    ]
    size = tuple(max(least, 1) + more for least, more in zip(need, numbers(0, 3), strict=True))
    return fl.ConvSpec(
        input_size=size,
        kernel_size=taps,
        stride=stride,
        dilation=dilation,
        padding=padding,
        transposed=transposed,
        output_padding=tuple(draw(st.integers(0, s - 1)) for s in stride) if transposed else 0,
    )


def pairs(spec: fl.ConvSpec) -> np.ndarray:
    """The definition: every sample with every tap."""
    counts = np.zeros(spec.output_size, np.int64)
    outer, inner = (
        (spec.input_size, spec.output_size) if spec.transposed else (spec.output_size, spec.input_size)
    )
    for i in np.ndindex(*outer):
        for h in np.ndindex(*spec.kernel_size):
            axes = zip(i, h, spec.stride, spec.dilation, spec.padding, strict=True)
            met = tuple(a * s + b * d - lo for a, b, s, d, (lo, _) in axes)
            if all(0 <= place < n for place, n in zip(met, inner, strict=True)):
                counts[met if spec.transposed else i] += 1
    return counts


@given(specs())
def test_counts_are_the_pairs_that_meet(spec):
    found, want = spec.contributions, pairs(spec)
    counts = found.counts()
    assert counts.dtype == np.int64 and np.array_equal(counts, want)
    assert tuple(map(len, found.along)) == spec.output_size
    assert (found.total, found.least, found.most) == (want.sum(), want.min(), want.max())


@given(specs())
def test_a_layer_of_ones_gives_the_counts(spec):
    run = fl.nn.conv_transpose if spec.transposed else fl.nn.conv
    extra = {"output_padding": spec.output_padding} if spec.transposed else {}
    ones = run(
        np.ones((1, *spec.input_size), np.int64), np.ones((1, 1, *spec.kernel_size), np.int64),
        stride=spec.stride, padding=spec.padding, dilation=spec.dilation, **extra,
    )  # fmt: skip
    assert np.array_equal(ones[0], spec.contributions.counts())


@pytest.mark.parametrize("dilation", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("taps", [1, 2, 3, 4, 5, 6, 8, 16])
def test_even_is_what_the_inner_outputs_say(taps, stride, dilation):
    spec = fl.ConvSpec(input_size=200, kernel_size=taps, stride=stride, dilation=dilation, transposed=True)
    reach = dilation * (taps - 1) + 1
    inner = spec.contributions.along[0][reach : 199 * stride + 1 - reach]
    assert len(inner) >= 2 * stride
    assert spec.contributions.even == (len(set(inner)) == 1) == geometry.even(taps, stride, dilation)


def test_even_needs_every_axis():
    mixed = fl.ConvSpec(input_size=(5, 5), kernel_size=(4, 3), stride=2, transposed=True)
    assert not mixed.contributions.even
    assert fl.ConvSpec(input_size=(5, 5), kernel_size=(4, 3), stride=2).contributions.even


def test_where_contributions_overlap_some_output_gets_two():
    for taps, stride, dilation in [(3, 2, 1), (2, 2, 1), (3, 4, 2), (2, 4, 2), (3, 3, 2), (5, 3, 2)]:
        spec = fl.ConvSpec(input_size=9, kernel_size=taps, stride=stride, dilation=dilation, transposed=True)
        assert spec.overlaps == (spec.contributions.most > 1)


def test_the_drawing_in_characters():
    plane = fl.ConvSpec(input_size=(2, 3), kernel_size=3, stride=2, transposed=True)
    rows = str(plane.contributions).splitlines()
    assert rows == [
        "1 1 2 1 2 1 1",
        "1 1 2 1 2 1 1",
        "2 2 4 2 4 2 2",
        "1 1 2 1 2 1 1",
        "1 1 2 1 2 1 1",
    ]
    volume = fl.ConvSpec(input_size=(2, 1, 2), kernel_size=(1, 2, 1), transposed=True)
    assert str(volume.contributions) == "1 1\n1 1\n\n1 1\n1 1"
    large = fl.ConvSpec(input_size=(40, 40), kernel_size=(12, 3), transposed=True)
    rows = str(large.contributions).splitlines()
    assert rows[20].startswith("c o + + ") and rows[0].startswith("1 2 3 3")
    assert str(fl.ConvSpec(input_size=4, kernel_size=2, transposed=True).contributions) == "1 2 2 2 1"


@drawn
def test_the_pictures(tmp_path):
    from faltung import plot

    line = fl.ConvSpec(input_size=5, kernel_size=3, stride=2, transposed=True)
    heights = [patch.get_height() for patch in plot.contributions(line).patches]
    assert tuple(heights) == line.contributions.along[0]
    plane = fl.ConvSpec(input_size=(3, 4), kernel_size=3, stride=2, transposed=True)
    axes = plot.contributions(plane)
    assert [int(text.get_text()) for text in axes.texts] == plane.contributions.counts().ravel().tolist()
    assert plot.contributions(plane, axes) is axes
    wide = fl.ConvSpec(input_size=(20, 20), kernel_size=2, transposed=True)
    assert not plot.contributions(wide).texts
    with pytest.raises(fl.FaltungError, match="`spec` has 3 axes but a convolution of 1 or 2 can be drawn"):
        plot.contributions(fl.ConvSpec(input_size=(2, 2, 2), kernel_size=1))
    run = [sys.executable, str(DRAW), str(tmp_path)]
    subprocess.run(run, check=True, capture_output=True, timeout=120)
    made, committed = (folder / "counts.png" for folder in (tmp_path, DRAW.parent))
    from matplotlib.image import imread

    assert imread(made).shape == imread(committed).shape
    assert abs(imread(made) - imread(committed)).mean() < 0.02  # fonts may be rendered otherwise


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")

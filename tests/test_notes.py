"""The notes on convolution that faltung grew from: their formulas, examples and errata, made to run."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import faltung as fl
from faltung import ConvSpec
from faltung import _geometry as geometry

Integers = NDArray[np.int64]


def whole(rng: np.random.Generator, *shape: int) -> Integers:
    return rng.integers(-9, 10, shape)


def spread(a: Integers, step: int) -> Integers:
    """`a` with step - 1 zeros between neighbours."""
    out = np.zeros([step * (n - 1) + 1 for n in a.shape], dtype=a.dtype)
    out[tuple(slice(None, None, step) for _ in a.shape)] = a
    return out


class TestConvolution:
    def test_the_sum_of_the_definition(self) -> None:
        rng = np.random.default_rng(1)
        f, g = whole(rng, 6, 5), whole(rng, 3, 4)
        expected = np.zeros((8, 8), dtype=np.int64)
        for (m, n), (i, j) in product(np.ndindex(6, 5), np.ndindex(8, 8)):
            if 0 <= i - m < 3 and 0 <= j - n < 4:
                expected[i, j] += f[m, n] * g[i - m, j - n]
        np.testing.assert_array_equal(fl.convolve(f, g), expected)

    def test_four_steps_flip_slide_multiply_sum(self) -> None:
        rng = np.random.default_rng(2)
        f, g = whole(rng, 9), whole(rng, 4)
        flipped = g[::-1]
        steps = [int((f[i : i + 4] * flipped).sum()) for i in range(6)]
        assert fl.convolve(f, g, "valid").tolist() == steps

    def test_the_worked_example_and_its_erratum(self) -> None:
        f, g = [1, 2, 3], [0, 1, 0.5]
        assert fl.correlate(f, g, "valid").tolist() == [3.5]
        assert fl.convolve(f, g, "valid").tolist() == [2.5]
        assert fl.convolve(f, g).tolist() == [0, 1, 2.5, 4, 1.5]

    def test_sobel_finds_the_edge(self) -> None:
        step = np.zeros((5, 6), dtype=np.int64)
        step[:, 3:] = 1
        answer = fl.convolve(step, fl.kernels.sobel(1), "valid")
        np.testing.assert_array_equal(answer, [[0, 4, 4, 0]] * 3)


class TestLayer:
    @pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (2, 3, 2), (3, 2, 2)])
    def test_the_layer_is_a_sum_of_correlations(self, stride: int, padding: int, dilation: int) -> None:
        rng = np.random.default_rng(3)
        x, w, b = whole(rng, 7, 8, 2), whole(rng, 3, 2, 2, 3), whole(rng, 3)
        spec = ConvSpec(
            input_size=(7, 8),
            in_channels=2,
            out_channels=3,
            kernel_size=(3, 2),
            stride=stride,
            padding=padding,
            dilation=dilation,
            bias=True,
        )
        assert spec.weight_shape_in("channels_last") == w.shape
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        expected = np.zeros((*spec.output_size, 3), dtype=np.int64)
        for i, j, n in np.ndindex(*expected.shape):
            for a, c in product(range(3), range(2)):
                for e in range(2):
                    expected[i, j, n] += (
                        padded[i * stride + a * dilation, j * stride + e * dilation, c] * w[a, e, c, n]
                    )
            expected[i, j, n] += b[n]
        for n in range(3):
            y = b[n] + sum(
                fl.correlate(padded[..., c], w[..., c, n], "valid", stride=stride, dilation=dilation)
                for c in range(2)
            )
            np.testing.assert_array_equal(y, expected[..., n])

    @given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 4), st.integers(1, 5))
    def test_output_size(self, h: int, k: int, p: int, s: int) -> None:
        if k <= h + 2 * p:
            spec = ConvSpec(input_size=(h, h), kernel_size=k, padding=p, stride=s)
            assert spec.output_size == ((h - k + 2 * p) // s + 1,) * 2

    @given(st.integers(1, 9), st.integers(1, 3))
    def test_padding_by_half_the_kernel_keeps_the_size_for_odd_kernels_only(self, k: int, d: int) -> None:
        spec = ConvSpec(input_size=30, kernel_size=k, padding=k // 2, dilation=d)
        assert (spec.output_size == (30,)) == (2 * (k // 2) == d * (k - 1))
        if d == 1:
            assert (spec.output_size == (30,)) == (k % 2 == 1)

    def test_the_example_of_64_kernels(self) -> None:
        spec = ConvSpec(input_size=(32, 32), in_channels=3, out_channels=64, kernel_size=3, padding=1)
        cost = spec.cost()
        assert spec.output_size == (32, 32) and cost.output_elements == 65_536
        assert cost.input_elements == 3_072 and cost.weight_elements == 1_728
        assert cost.memory == 3_072 + 1_728 + 65_536
        assert cost.multiplications == 1_769_472
        assert cost.additions == 1_703_936 and cost.operations == 3_473_408

    def test_the_erratum_of_3_4_million(self) -> None:
        spec = ConvSpec(
            input_size=(32, 32), in_channels=3, out_channels=64, kernel_size=3, padding=1, bias=True
        )
        cost = spec.cost()
        assert cost.operations == 3_538_944 == 2 * cost.multiplications
        assert round(cost.operations / 10**6, 1) == 3.5 and round(cost.operations / 2**20, 1) == 3.4
        assert cost.bias_elements == 64

    @given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))
    def test_counts(self, size: int, k: int, d_in: int, d_out: int) -> None:
        spec = ConvSpec(
            input_size=(size, size), in_channels=d_in, out_channels=d_out, kernel_size=k, padding=k // 2
        )
        outputs = prod(spec.output_size) * d_out
        assert spec.cost().multiplications == outputs * k * k * d_in
        assert spec.cost().additions == outputs * (k * k * d_in - 1)
        assert spec.cost().weight_elements == k * k * d_in * d_out

    def test_the_receptive_field_is_what_one_output_sees(self) -> None:
        spec = ConvSpec(input_size=20, kernel_size=3, dilation=4)
        impulses = np.eye(20, dtype=np.int64)
        kernel = np.array([1, 1, 1])
        answers = fl.correlate(impulses, kernel, "valid", axes=(1,), dilation=4)
        seen = np.flatnonzero(answers[:, 5])
        assert (seen[-1] - seen[0] + 1,) == spec.receptive_field == (9,)

    @given(st.integers(1, 9), st.integers(1, 9))
    def test_a_1x1_keeps_the_resolution(self, d_in: int, d_out: int) -> None:
        spec = ConvSpec(input_size=(14, 9), in_channels=d_in, out_channels=d_out, kernel_size=1)
        assert spec.output_size == (14, 9) and spec.weight_shape == (d_out, d_in, 1, 1)


class TestFlip:
    def test_convolution_commutes_and_associates_and_correlation_does_neither(self) -> None:
        rng = np.random.default_rng(4)
        f, g, h = whole(rng, 6, 5), whole(rng, 3, 4), whole(rng, 2, 3)
        np.testing.assert_array_equal(fl.convolve(f, g), fl.convolve(g, f))
        np.testing.assert_array_equal(fl.convolve(fl.convolve(f, g), h), fl.convolve(f, fl.convolve(g, h)))
        assert not np.array_equal(fl.correlate(f, g), fl.correlate(g, f))
        assert not np.array_equal(fl.correlate(fl.correlate(f, g), h), fl.correlate(f, fl.correlate(g, h)))

    def test_an_impulse_answers_with_the_kernel_itself(self) -> None:
        kernel = np.array([[1, 2, 3], [4, 5, 6]])
        impulse = np.zeros((4, 4), dtype=np.int64)
        impulse[1, 1] = 1
        np.testing.assert_array_equal(fl.convolve(impulse, kernel)[1:3, 1:4], kernel)
        np.testing.assert_array_equal(fl.correlate(impulse, kernel)[1:3, 1:4], kernel[::-1, ::-1])

    def test_the_two_differ_by_a_flip_of_every_axis(self) -> None:
        rng = np.random.default_rng(5)
        x, k = whole(rng, 5, 6, 4), whole(rng, 2, 3, 2)
        np.testing.assert_array_equal(fl.correlate(x, k), fl.convolve(x, np.flip(k)))

    def test_autocorrelation_is_another_thing(self) -> None:
        f = np.array([1, 2, 3])
        assert fl.correlate(f, f).tolist() == [3, 8, 14, 8, 3]
        assert fl.convolve(f, f).tolist() == [1, 4, 10, 12, 9]


BACKPROP = [
    (7, 3, 1, 0, 1),
    (8, 3, 2, 1, 1),
    (9, 2, 3, 0, 2),
    (10, 3, 3, 2, 2),
    (6, 1, 2, 0, 1),
    (11, 4, 3, 3, 1),
]


class TestBackprop:
    """y = x correlated with w, and L = sum(g y)."""

    @pytest.mark.parametrize(("h", "k", "s", "p", "d"), BACKPROP)
    def test_the_gradients(self, h: int, k: int, s: int, p: int, d: int) -> None:
        rng = np.random.default_rng(6)
        x, w = whole(rng, h, h), whole(rng, k, k)
        n = geometry.output_size(h, k, s, p, p, d)
        g = whole(rng, n, n)
        by_x, by_w = np.zeros((h + 2 * p,) * 2, dtype=np.int64), np.zeros((k, k), dtype=np.int64)
        padded = np.pad(x, p)
        for i, j, a, b in product(range(n), range(n), range(k), range(k)):
            by_x[i * s + a * d, j * s + b * d] += g[i, j] * w[a, b]
            by_w[a, b] += g[i, j] * padded[i * s + a * d, j * s + b * d]
        by_x = by_x[p : p + h, p : p + h]

        before = d * (k - 1) - p
        appended = (h + 2 * p - d * (k - 1) - 1) % s
        assert geometry.adjoint_output_padding(h, k, s, p, p, d) == appended
        assert geometry.zero_insertion_padding(k, p, p, d, appended) == (before, before + appended)
        inserted = np.pad(spread(g, s), (max(before, 0), max(before + appended, 0)))
        cropped = inserted[max(-before, 0) : len(inserted) - max(-before - appended, 0)]
        cropped = cropped[:, max(-before, 0) : len(inserted) - max(-before - appended, 0)]
        np.testing.assert_array_equal(fl.convolve(cropped, w, "valid", dilation=d), by_x)

        sampled = fl.correlate(padded, g, "valid", stride=d, dilation=s)
        np.testing.assert_array_equal(sampled[:k, :k], by_w)

    def test_the_gradient_of_the_bias_is_the_sum(self) -> None:
        rng = np.random.default_rng(7)
        x, w, g = whole(rng, 6), whole(rng, 3), whole(rng, 4)
        loss = [int((g * (fl.correlate(x, w, "valid") + b)).sum()) for b in (0, 1)]
        assert loss[1] - loss[0] == g.sum()


class TestTransposed:
    def test_the_example(self) -> None:
        spec = ConvSpec(input_size=16, kernel_size=3, stride=2, padding=1, output_padding=1, transposed=True)
        assert spec.output_size == (32,)

    @given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), st.integers(1, 3))
    def test_the_size(self, h: int, k: int, s: int, p: int, d: int) -> None:
        extra = s - 1
        size = (h - 1) * s - 2 * p + d * (k - 1) + extra + 1
        if size > 0:
            spec = ConvSpec(
                input_size=h,
                kernel_size=k,
                stride=s,
                padding=p,
                dilation=d,
                output_padding=extra,
                transposed=True,
            )
            assert spec.output_size == (size,)
            assert (size == s * h) == (2 * p == d * (k - 1) + 1 + extra - s)

    def test_it_inserts_zeros_and_convolves(self) -> None:
        x, w = np.array([1, 2, 3]), np.array([1, 10, 100])
        assert fl.convolve(spread(x, 2), w).tolist() == [1, 10, 102, 20, 203, 30, 300]

    def test_it_is_the_transpose_and_not_the_inverse(self) -> None:
        rng = np.random.default_rng(8)
        x, y, w = whole(rng, 9), whole(rng, 4), whole(rng, 3)
        forward = fl.correlate(x, w, "valid", stride=2)
        back = fl.convolve(spread(y, 2), w)
        assert forward @ y == x @ back
        again = fl.convolve(spread(forward, 2), w)
        assert again.shape == x.shape and not np.array_equal(again, x)

    @given(st.integers(1, 6), st.integers(1, 8), st.integers(1, 6))
    def test_overlap_and_its_erratum(self, k: int, s: int, d: int) -> None:
        ones = np.ones(2 * d + 1, dtype=np.int64)
        contributions = fl.convolve(spread(ones, s), np.ones(k, dtype=np.int64), dilation=d)
        spec = ConvSpec(input_size=2 * d + 1, kernel_size=k, stride=s, dilation=d, transposed=True)
        assert spec.overlaps == (contributions.max() > 1)
        if d == 1:
            assert spec.overlaps == (s < k)


class TestDepthwiseSeparable:
    @given(st.integers(1, 64), st.integers(1, 64), st.integers(1, 7), st.integers(1, 28))
    def test_cost(self, n: int, m: int, k: int, size: int) -> None:
        spec = ConvSpec(input_size=(size, size), in_channels=n, out_channels=m, kernel_size=k, padding="same")
        depthwise, pointwise = pair = spec.separable()
        d_f = size
        assert spec.cost().multiplications == d_f**2 * m * k**2 * n
        assert depthwise.cost().multiplications == d_f**2 * n * k**2
        assert pointwise.cost().multiplications == d_f**2 * m * n
        assert pair.cost_ratio == Fraction(1, m) + Fraction(1, k * k)

    def test_kernels(self) -> None:
        spec = ConvSpec(input_size=(8, 8), in_channels=5, out_channels=7, kernel_size=3)
        depthwise, pointwise = spec.separable()
        assert spec.weight_shape_in("channels_last") == (3, 3, 5, 7)
        assert depthwise.weight_shape_in("channels_last") == (3, 3, 1, 5)
        assert pointwise.weight_shape_in("channels_last") == (1, 1, 5, 7)


def chain(size: int, *layers: tuple[int, int, str]) -> tuple[int, int, int]:
    """Receptive field, effective stride and effective padding of a chain of (kernel, stride, word)."""
    field, jump, start = 1, 1, 0
    for kernel, stride, word in layers:
        spec = ConvSpec(input_size=size, kernel_size=kernel, stride=stride, padding=word)
        field += (spec.receptive_field[0] - 1) * jump
        start += spec.padding[0][0] * jump
        jump *= stride
        (size,) = spec.output_size
    return field, jump, start


class TestReceptiveFields:
    """The figures that google-research/receptive_field publishes for networks that are chains."""

    def test_mobilenet_v1(self) -> None:
        strides = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
        assert chain(224, *((3, stride, "same") for stride in strides)) == (315, 32, 126)

    def test_vgg_16(self) -> None:
        block = (3, 1, "same")
        pool = (2, 2, "valid")
        layers = [layer for depth in (2, 2, 3, 3, 3) for layer in (*[block] * depth, pool)]
        assert chain(224, *layers) == (212, 32, 90)

    def test_alexnet_v2(self) -> None:
        pool = (3, 2, "valid")
        same = (3, 1, "same")
        layers = [(11, 4, "valid"), pool, (5, 1, "same"), pool, same, same, same, pool]
        assert chain(224, *layers) == (195, 32, 64)

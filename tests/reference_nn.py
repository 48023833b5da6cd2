"""The definition of a layer in NumPy, one tap at a time: the oracle of its tests.

    y[n, o, i] = act(Σ x[n, c, i·S + h·D − lo] · w[o, c, h] + b[o] + r[n, o, i])

summed over the taps h and the channels c of o's group; ``flip`` takes w[o, c, K − 1 − h]. A sample outside
comes from inside by :func:`reference.boundary_index`, and the term is absent outside a constant boundary.
Integers are exact; floats of up to 32 bits are summed in float64, where a product of two float32 is exact,
and float64 in longdouble.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from reference import boundary_index, per_axis

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Sums:
    """The outputs of a layer before its activation, and what their error may be measured by.

    ``size`` is S, the same sums over absolute values; ``reach`` is Σ(|x| + |w| + 1) over the same terms, by
    which flushed subnormals are allowed for; ``terms`` is how many terms meet in one output at most.
    """

    value: np.ndarray
    size: np.ndarray
    reach: np.ndarray
    terms: int
    _activated: dict[Any, np.ndarray] = field(default_factory=dict, repr=False)

    def activated(self, activation: Any) -> np.ndarray:
        """The outputs after an activation."""
        if activation not in self._activated:
            self._activated[activation] = activate(self.value, activation)
        return self._activated[activation]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape


def conv(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    boundary: Any = "constant",
    layout: str = "channels_first",
    flip: bool = False,
    residual: np.ndarray | None = None,
    x_zero_point: int = 0,
    w_zero_point: Any = 0,
) -> Sums:
    """The sums of a layer by the definition, in the layout of its input."""
    work = working_dtype(x.dtype)
    last, batched = layout == "channels_last", x.ndim == w.ndim
    x, w = channels_first(x.astype(work), last, batched), weights_first(w.astype(work), last)
    x = x - work.type(x_zero_point) if x_zero_point else x
    w = w - np.asarray(w_zero_point).astype(work).reshape(-1, *[1] * (w.ndim - 1))
    if flip:
        w = w[(..., *[slice(None, None, -1)] * (w.ndim - 2))]
    sizes, taps = x.shape[2:], w.shape[2:]
    axes = axes_of(sizes, taps, stride, padding, dilation, boundary)
    outputs = tuple(axis.outputs for axis in axes)
    shape = (x.shape[0], w.shape[0], *outputs)
    value = np.zeros(shape, work)
    size, reach = abs(value), abs(value)
    grouped = lambda v: v.reshape(groups, v.shape[0] // groups, v.shape[1])  # noqa: E731
    with np.errstate(all="ignore"):
        for tap in itertools.product(*map(range, taps)):
            places, sources = zip(*(axis.meet(h) for axis, h in zip(axes, tap, strict=True)), strict=True)
            if not all(places):
                continue
            window = x[(slice(None), slice(None), *np.ix_(*sources))]
            samples = window.reshape(x.shape[0], groups, x.shape[1] // groups, math.prod(map(len, places)))
            weights = grouped(w[(..., *tap)])
            where = (slice(None), slice(None), *np.ix_(*places))
            held = (*shape[:2], *map(len, places))
            value[where] += meet(samples, weights).reshape(held)
            size[where] += meet(abs(samples), abs(weights)).reshape(held)
            more = (abs(samples) + 1).sum(axis=2, keepdims=True) + abs(weights).sum(axis=2)[..., None]
            reach[where] += more.reshape(held)
        for extra in (b, residual):
            if extra is None:
                continue
            if extra is b:
                extra = b.astype(work).reshape(-1, *[1] * len(sizes))
            else:
                extra = channels_first(extra.astype(work), last, batched)
            value, size, reach = value + extra, size + abs(extra), reach + abs(extra) + 1
    terms = math.prod(taps) * w.shape[1] + (b is not None) + (residual is not None)
    return Sums(*(laid_out(v, last, batched) for v in (value, size, reach)), terms)


def conv_transpose(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    output_size: Any = None,
    dilation: Any = 1,
    groups: int = 1,
    layout: str = "channels_first",
    flip: bool = False,
    residual: np.ndarray | None = None,
    x_zero_point: int = 0,
    w_zero_point: Any = 0,
) -> Sums:
    """The sums of a transposed layer by the definition: every sample goes where the taps take it.

    ``y[n, o, i·S + h·D − lo] += Σ x[n, c, i] · w[c, o, h]``, what falls outside is cropped.
    """
    work = working_dtype(x.dtype)
    last, batched = layout == "channels_last", x.ndim == w.ndim
    x, w = channels_first(x.astype(work), last, batched), weights_first(w.astype(work), last)
    each, rank = w.shape[1], w.ndim - 2
    zeros = np.broadcast_to(np.asarray(w_zero_point).astype(work), (groups * each,)).reshape(groups, each)
    x = x - work.type(x_zero_point) if x_zero_point else x
    w = w.reshape(groups, -1, *w.shape[1:]) - zeros.reshape(groups, 1, each, *[1] * rank)
    if flip:
        w = w[(..., *[slice(None, None, -1)] * rank)]
    strides, dilations = per_axis(stride, rank), per_axis(dilation, rank)
    sizes, taps = x.shape[2:], w.shape[3:]
    pairs, outputs = transposed_sizes(sizes, taps, strides, dilations, padding, output_padding, output_size)
    shape = (x.shape[0], groups * each, *outputs)
    value = np.zeros(shape, work)
    size, reach, count = abs(value), abs(value), np.zeros(outputs, int)
    samples = x.reshape(x.shape[0], groups, x.shape[1] // groups, *sizes)
    with np.errstate(all="ignore"):
        for tap in itertools.product(*map(range, taps)):
            axes = zip(sizes, tap, strides, dilations, pairs, outputs, strict=True)
            met = [landing(*axis) for axis in axes]
            if not all(places for places, _ in met):
                continue
            where, sources = np.ix_(*(m[0] for m in met)), np.ix_(*(m[1] for m in met))
            held = (*shape[:2], *(len(m[0]) for m in met))
            window = samples[(slice(None), slice(None), slice(None), *sources)]
            window = window.reshape(*window.shape[:3], math.prod(held[2:]))
            weights = np.swapaxes(w[(..., *tap)], 1, 2)
            at = (slice(None), slice(None), *where)
            value[at] += meet(window, weights).reshape(held)
            size[at] += meet(abs(window), abs(weights)).reshape(held)
            more = (abs(window) + 1).sum(axis=2, keepdims=True) + abs(weights).sum(axis=2)[..., None]
            reach[at] += more.reshape(held)
            count[where] += 1
        for extra in (b, residual):
            if extra is None:
                continue
            if extra is b:
                extra = b.astype(work).reshape(-1, *[1] * rank)
            else:
                extra = channels_first(extra.astype(work), last, batched)
            value, size, reach = value + extra, size + abs(extra), reach + abs(extra) + 1
    terms = int(count.max()) * samples.shape[2] + (b is not None) + (residual is not None)
    return Sums(*(laid_out(v, last, batched) for v in (value, size, reach)), max(terms, 1))


def transposed_sizes(
    sizes: Any, taps: Any, strides: Any, dilations: Any, padding: Any, extra: Any, wanted: Any
) -> tuple[Pairs, tuple[int, ...]]:
    """The padding of the forward layer, and the outputs: a word means the padding of that layer's input."""
    rank = len(sizes)
    spans = [
        (n - 1) * s + d * (k - 1) + 1 for n, k, s, d in zip(sizes, taps, strides, dilations, strict=True)
    ]
    if isinstance(padding, str) and padding.startswith("same") and wanted is None:
        wanted = [n * s for n, s in zip(sizes, strides, strict=True)]
    pairs = pairs_of(padding, tuple(per_axis(wanted or 0, rank)), taps, strides, dilations)
    if wanted is not None:
        return pairs, tuple(per_axis(wanted, rank))
    more = per_axis(extra, rank)
    return pairs, tuple(n - sum(pair) + p for n, pair, p in zip(spans, pairs, more, strict=True))


def landing(
    size: int, tap: int, stride: int, dilation: int, pair: tuple[int, int], outputs: int
) -> tuple[list[int], list[int]]:
    """The outputs where a tap takes samples to, and those samples."""
    found = [(i * stride + tap * dilation - pair[0], i) for i in range(size)]
    return [o for o, _ in found if 0 <= o < outputs], [i for o, i in found if 0 <= o < outputs]


def meet(samples: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n, group, c, position) with (group, o, c): summed over c, to (n, group, o, position).

    A matrix product of BLAS may leave out what is multiplied by 0, so it gets finite numbers only.
    """
    if samples.dtype == np.float64 and np.isfinite(samples).all() and np.isfinite(weights).all():
        return np.matmul(weights, samples)
    return np.einsum("ngcp,goc->ngop", samples, weights)


def working_dtype(dtype: np.dtype) -> np.dtype:
    """Wide enough that its rounding does not matter."""
    if dtype.kind in "iub":
        return np.dtype(object if dtype.itemsize > 2 else np.int64)
    if dtype.kind == "c":
        return np.dtype(np.complex128 if dtype.itemsize == 8 else np.clongdouble)
    return np.dtype(np.longdouble if dtype.itemsize >= 8 and dtype.kind == "f" else np.float64)


def channels_first(x: np.ndarray, last: bool, batched: bool) -> np.ndarray:
    """(N, C, *sizes) from either layout."""
    x = x if batched else x[None]
    return np.moveaxis(x, -1, 1) if last else x


def weights_first(w: np.ndarray, last: bool) -> np.ndarray:
    """(out, in, *taps) from either layout."""
    return np.moveaxis(w, (-1, -2), (0, 1)) if last else w


def laid_out(y: np.ndarray, last: bool, batched: bool) -> np.ndarray:
    """The layout of the input again."""
    y = np.moveaxis(y, 1, -1) if last else y
    return y if batched else y[0]


# ---- one axis


@dataclass(frozen=True)
class Axis:
    """One spatial axis: which sample meets which tap."""

    size: int
    taps: int
    stride: int
    dilation: int
    lo: int
    outputs: int
    boundary: str

    def source(self, output: int, tap: int) -> int | None:
        """Index of the sample that ``tap`` meets at ``output``; None where the term is absent."""
        return boundary_index(output * self.stride + tap * self.dilation - self.lo, self.size, self.boundary)

    def meet(self, tap: int) -> tuple[list[int], list[int]]:
        """The outputs where ``tap`` meets a sample, and those samples."""
        found = [(i, self.source(i, tap)) for i in range(self.outputs)]
        return [i for i, j in found if j is not None], [j for _, j in found if j is not None]


def axes_of(
    sizes: tuple[int, ...], taps: tuple[int, ...], stride: Any, padding: Any, dilation: Any, boundary: Any
) -> list[Axis]:
    """An :class:`Axis` for every spatial axis."""
    rank = len(taps)
    strides, dilations, words = (per_axis(v, rank) for v in (stride, dilation, boundary))
    pairs = pairs_of(padding, sizes, taps, strides, dilations)
    axes = []
    for n, k, s, d, (lo, hi), word in zip(sizes, taps, strides, dilations, pairs, words, strict=True):
        outputs = (n + lo + hi - d * (k - 1) - 1) // s + 1
        assert outputs > 0, "the kernel does not fit"
        axes.append(Axis(n, k, s, d, lo, outputs, word))
    return axes


def pairs_of(
    padding: Any, sizes: tuple[int, ...], taps: tuple[int, ...], strides: Any, dilations: Any
) -> Pairs:
    """(lo, hi) for every axis from a word, a number, one number or one pair an axis."""
    if isinstance(padding, str):
        axes = zip(sizes, taps, strides, dilations, strict=True)
        return tuple(word_pair(padding, n, d * (k - 1), s) for n, k, s, d in axes)
    given = per_axis(padding, len(taps))
    return tuple(tuple(pair) if isinstance(pair, (tuple, list)) else (pair, pair) for pair in given)


def word_pair(word: str, size: int, reach: int, stride: int) -> tuple[int, int]:
    """A word for padding: same keeps ceil(N/S) windows, its odd sample at the end, or at the start."""
    if word.startswith("same"):
        missing = max((math.ceil(size / stride) - 1) * stride + reach + 1 - size, 0)
        pair = missing // 2, missing - missing // 2
        return pair if word == "same" else pair[::-1]
    return {"valid": (0, 0), "full": (reach, reach), "causal": (reach, 0)}[word]


# ---- the map as a matrix, and columns


def connections(axes: list[Axis]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]:
    """Every (output, tap, sample) that meet."""
    for output in np.ndindex(*(axis.outputs for axis in axes)):
        for tap in np.ndindex(*(axis.taps for axis in axes)):
            sample = tuple(axis.source(i, h) for axis, i, h in zip(axes, output, tap, strict=True))
            if None not in sample:
                yield output, tap, sample


def matrix(channels: int, axes: list[Axis], w: np.ndarray, groups: int) -> np.ndarray:
    """A with A @ x.ravel() = conv(x, w).ravel() for one channels_first item."""
    sizes, outputs = [axis.size for axis in axes], [axis.outputs for axis in axes]
    a = np.zeros((w.shape[0], *outputs, channels, *sizes), w.dtype)
    inside, each = w.shape[1], w.shape[0] // groups
    for output, tap, sample in connections(axes):
        for o in range(w.shape[0]):
            first = o // each * inside
            for c in range(inside):
                a[(o, *output, first + c, *sample)] += w[(o, c, *tap)]
    return a.reshape(w.shape[0] * math.prod(outputs), -1)


def im2col(x: np.ndarray, axes: list[Axis]) -> np.ndarray:
    """(N, C, *sizes) to (N, C·taps, outputs), the samples under every window; absent ones are 0."""
    outputs, taps = [axis.outputs for axis in axes], [axis.taps for axis in axes]
    cols = np.zeros((*x.shape[:2], *taps, *outputs), x.dtype)
    for output, tap, sample in connections(axes):
        cols[(slice(None), slice(None), *tap, *output)] = x[(slice(None), slice(None), *sample)]
    return cols.reshape(x.shape[0], x.shape[1] * math.prod(taps), math.prod(outputs))


def col2im(cols: np.ndarray, axes: list[Axis]) -> np.ndarray:
    """The transpose of :func:`im2col`: every column entry is added to the sample that it came from."""
    outputs, taps = [axis.outputs for axis in axes], [axis.taps for axis in axes]
    channels = cols.shape[1] // math.prod(taps)
    cols = cols.reshape(cols.shape[0], channels, *taps, *outputs)
    x = np.zeros((cols.shape[0], channels, *(axis.size for axis in axes)), cols.dtype)
    for output, tap, sample in connections(axes):
        x[(slice(None), slice(None), *sample)] += cols[(slice(None), slice(None), *tap, *output)]
    return x


# ---- activations


def activate(y: np.ndarray, activation: Any) -> np.ndarray:
    """The activation of exact sums."""
    name, *numbers = activation if isinstance(activation, tuple) else (activation,)
    if activation is None:
        return y
    if name in ("relu", "relu6", "clip"):
        lo, hi = {"relu": (0, math.inf), "relu6": (0, 6)}.get(name, numbers)
        return np.where(y < lo, as_one(lo, y), np.where(y > hi, as_one(hi, y), y))  # NaN stays
    if name == "leaky_relu":
        return np.where(y < 0, y * y.dtype.type(numbers[0]), y)
    one = y.dtype.type(1)
    with np.errstate(all="ignore"):
        match name:
            case "hardsigmoid":
                return np.clip(y / 6 + one / 2, 0, 1)
            case "hardswish":
                return y * np.clip(y / 6 + one / 2, 0, 1)
            case "sigmoid":
                return one / (one + np.exp(-y))
            case "silu":
                return y / (one + np.exp(-y))
            case "tanh":
                return np.tanh(y)
            case "gelu":
                return gelu(y)
            case "gelu_tanh":
                pi = y.dtype.type("3.14159265358979323846264338")
                inner = np.sqrt(2 / pi) * (y + y.dtype.type("0.044715") * y**3)
                return y / (one + np.exp(-2 * inner))  # (1 + tanh z) / 2 = 1 / (1 + exp(-2z))
    raise AssertionError(f"unknown activation {activation!r}")


def as_one(bound: float, y: np.ndarray) -> Any:
    """A bound of a clip as one value of y's type; infinite bounds of integers are never taken."""
    return (int(bound) if math.isfinite(bound) else 0) if y.dtype.kind in "iO" else y.dtype.type(bound)


def gelu(y: np.ndarray) -> np.ndarray:
    """x (1 + erf(x / √2)) / 2 = x erfc(z) / 2 with z = -x / √2.

    SciPy's erfc takes float64: what z has beyond that goes in by its slope, -2/√π exp(-z²). A tail is then
    right to a few units of float64 of itself, beside an allowance of 22 units of x.
    """
    z = -y / np.sqrt(y.dtype.type(2))
    near = z.astype(np.float64)
    slope = np.where(abs(near) < 30, -2 / math.sqrt(math.pi) * np.exp(-np.square(near)), 0)
    rest = np.where(np.isfinite(z), z - near, 0)
    return y * (special.erfc(near) + slope * rest) / 2


# The largest slope of every activation.
STEEPEST = {
    None: 1.0, "relu": 1.0, "relu6": 1.0, "clip": 1.0, "hardsigmoid": 1 / 6, "hardswish": 1.5,
    "sigmoid": 0.25, "silu": 1.1, "tanh": 1.0, "gelu": 1.13, "gelu_tanh": 1.13,
}  # fmt: skip


def steepest(activation: Any) -> float:
    """The Lipschitz constant of an activation."""
    if isinstance(activation, tuple) and activation[0] == "leaky_relu":
        return max(1.0, abs(activation[1]))
    return STEEPEST[activation[0] if isinstance(activation, tuple) else activation]

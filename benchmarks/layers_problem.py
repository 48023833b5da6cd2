"""What is asked of a contestant: a layer with its numbers, in one of two layouts; and the right answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from .layers_shape import Shape
from .problem import Array
from .reference import EXTRA, Reference

LAYOUTS = ("channels_first", "channels_last")

SAMPLES = 64
"""Outputs that the reference itself is compared with, computed one by one."""

SMALLEST = 2.0**-123
"""Float32 layers may take subnormals for zero: the promise allows this times the sum of |x| + |w| + 1."""


def last(array: Array) -> Array:
    """(N, C, *spatial) as (N, *spatial, C), in memory too."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1))


def activate(y: Any, word: str | None) -> Any:
    """The activation between or behind the convolutions of a pair."""
    if word is None:
        return y
    return np.clip(y, 0, 6) if word == "relu6" else np.maximum(y, 0)


@dataclass(frozen=True, eq=False)
class Problem:
    """Numbers in PyTorch's and ONNX's shapes; `x_in` is the input in the layout that is asked for.

    ``weights`` and ``biases`` have one entry, or two for a separable pair.
    """

    shape: Shape
    x: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    layout: str = LAYOUTS[0]

    @property
    def channels_last(self) -> bool:
        """Whether input and output end with their channels."""
        return self.layout == LAYOUTS[1]

    @property
    def out_shape(self) -> tuple[int, ...]:
        """Shape of the answer in its layout."""
        n, size, channels = len(self.x), self.shape.out, self.shape.channels
        return (n, *size, channels) if self.channels_last else (n, channels, *size)

    @cached_property
    def x_in(self) -> Array:
        """The input in the layout that is asked for."""
        return last(self.x) if self.channels_last else self.x

    def first(self, y: Any) -> Array:
        """An answer in its layout as (N, C, *spatial), to be judged."""
        array = np.asarray(y)
        fits = array.shape == self.out_shape
        return np.moveaxis(array, -1, 1) if self.channels_last and fits else array

    def turned(self, layout: str) -> Problem:
        """The same numbers in another layout."""
        return replace(self, layout=layout)


def problem(shape: Shape, x_scale: float = 1.0, w_scale: float = 1.0) -> Problem:
    """Normal numbers, the weights such that results are of the inputs' size; the same in every run."""
    rng, s = np.random.default_rng(7), shape

    def normal(size: tuple[int, ...], scale: float) -> Array:
        return (scale * rng.standard_normal(size, np.float32)).astype(s.dtype)

    each = s.cin // s.groups
    spread = (each * np.prod(s.taps)) ** -0.5
    weights = [normal((s.cout, each, *s.taps), spread * w_scale)]
    biases = [normal((s.cout,), 0.1 * x_scale * w_scale)]
    if s.then:
        weights.append(normal((s.then, s.cout) + (1,) * s.rank, s.cout**-0.5))
        biases.append(normal((s.then,), 0.1))
    return Problem(s, normal((1, s.cin, *s.size), x_scale), tuple(weights), tuple(biases))


def convolve(x: Array, w: Array, b: Array, s: Shape, wide: type[Any]) -> tuple[Array, Array]:
    """The layer's sums and the sums over absolute values, a tap at a time, in wider numbers.

    ``x`` is (N, C, *spatial), ``w`` (Cout, Cin/groups, *taps).
    """
    n, groups, size = len(x), s.groups, s.out
    points = int(np.prod(size))
    padded = np.pad(x.astype(wide), [(0, 0), (0, 0), *((p, p) for p in s.padding)])
    taps = w.astype(wide).reshape(groups, s.cout // groups, s.cin // groups, *s.taps)
    y = np.empty((n, groups, s.cout // groups, points), wide)
    y[:] = b.astype(wide).reshape(groups, -1)[:, :, None]
    total = np.abs(y).astype(np.float64)
    alone = s.cin == groups
    for tap in np.ndindex(*s.taps):
        begin = [t * s.dilation for t in tap]
        window: tuple[Any, ...] = tuple(
            slice(at, at + (count - 1) * s.stride + 1, s.stride)
            for at, count in zip(begin, size, strict=True)
        )
        part = padded[(..., *window)].reshape(n, groups, -1, points)
        weight = np.ascontiguousarray(taps[(..., *tap)])
        magnitudes = np.abs(weight).astype(np.float64), np.abs(part).astype(np.float64)
        if alone:
            y += weight * part
            total += magnitudes[0] * magnitudes[1]
        else:
            y += weight @ part
            total += magnitudes[0] @ magnitudes[1]
    return y.reshape(n, s.cout, *size), total.reshape(n, s.cout, *size)


def reference(p: Problem) -> Reference:
    """The answer in float64, for float64 in longdouble, with S of the error promise, both (N, C, *spatial).

    For a pair, S is the second sum over the first one's S.
    """
    s = p.shape
    single = np.dtype(s.dtype).itemsize <= 4
    wide = np.float64 if single else np.longdouble
    exact, scale = convolve(p.x, p.weights[0], p.biases[0], s, wide)
    compare(p, exact, scale)
    if s.then:
        second = replace(s, cin=s.cout, cout=s.then, size=s.out, taps=(1,) * s.rank, stride=1, dilation=1,
                         groups=1, padding=(0,) * s.rank, then=0)  # fmt: skip
        middle = activate(exact, s.between)
        exact, _ = convolve(middle, p.weights[1], p.biases[1], second, wide)
        _, scale = convolve(np.maximum(scale, np.abs(middle)), p.weights[1], p.biases[1], second, np.float64)
        exact = activate(exact, s.after)
    floor = 0.0
    if single:
        peak, heavy = float(np.abs(p.x).max()), float(max(np.abs(w).max() for w in p.weights))
        floor = SMALLEST * s.terms * (peak + heavy + 1)
        if max(s.taps) >= 13:
            sums = np.abs(p.weights[0].astype(np.float64)).sum(axis=tuple(range(1, p.weights[0].ndim)))
            floor += EXTRA[s.precision or "highest"] * peak * float(sums.min())
    return Reference(exact, scale, 2.0 ** (-24 if single else -53), s.terms, False, None, floor)


def compare(p: Problem, exact: Array, scale: Array) -> None:
    """Hold some outputs of the first convolution, corners among them, against the formula term by term."""
    s, rng = p.shape, np.random.default_rng(11)
    corners = [np.array((0, c, *corner)) for c in (0, s.cout - 1)
               for corner in product(*((0, n - 1) for n in s.out))]  # fmt: skip
    inside = [rng.integers(0, exact.shape) for _ in range(SAMPLES)]
    for at in corners + inside:
        value, total = output_of(p, tuple(int(i) for i in at))
        found = exact[tuple(at)]
        if abs(found - value) > 1e-13 * total or abs(scale[tuple(at)] - total) > 1e-12 * total:
            raise ArithmeticError(f"the reference is {found} at {tuple(at)}, the definition {value}")


def output_of(p: Problem, at: tuple[int, ...]) -> tuple[Any, float]:
    """One output of the first convolution and its S: a window cut out, weighed and summed in longdouble."""
    s, (n, o, *place) = p.shape, at
    begin = [i * s.stride - pad for i, pad in zip(place, s.padding, strict=True)]
    spots = [[b + t * s.dilation for t in range(k)] for b, k in zip(begin, s.taps, strict=True)]
    valid = [[t for t, i in enumerate(line) if 0 <= i < size]
             for line, size in zip(spots, s.size, strict=True)]  # fmt: skip
    each = s.cin // s.groups
    first = o // (s.cout // s.groups) * each
    rows = [[line[t] for t in keep] for line, keep in zip(spots, valid, strict=True)]
    window = p.x[n, first : first + each][np.ix_(range(each), *rows)].astype(np.longdouble)
    weight = p.weights[0][o][np.ix_(range(each), *valid)].astype(np.longdouble)
    products = window * weight
    bias = np.longdouble(p.biases[0][o])
    return products.sum() + bias, float(np.abs(products).sum() + abs(bias))

"""What is asked of a contestant backwards: the numbers in one of two layouts; and the right answer.

With s the stride, d the dilation and p the padding of the layer, summed over what there is:

    input, transposed   r[n, c, j] = Σ g[n, o, i] · w[o, c, t]     where i·s + t·d − p = j   (+ bias)
    weight              r[o, c, t] = Σ g[n, o, i] · x[n, c, i·s + t·d − p]
    block               y = max(0, scale · (z − mean) / √(var + eps) + bias), z = x ∗ w; then from g, the
                        gradient of y, those of x, w, scale and bias
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any, cast

import numpy as np

from .backward_shape import Work
from .layers_problem import SAMPLES, SMALLEST, Problem, convolve, last
from .layers_shape import Shape
from .problem import Array
from .reference import EXTRA, Reference

EPS = 1e-5
"""What batch norm adds to the variance."""

NEAR = 1e-4
"""A block's gradient that comes in is zero where |y| before ReLU is below this: there rounding decides."""


@dataclass(frozen=True, eq=False)
class Task(Problem):
    """Numbers in PyTorch's and ONNX's shapes; ``x`` is what the weights meet: where they meet g, that is g.

    ``biases`` holds a transposed convolution's bias, or a block's scale and bias. ``g`` is the gradient that
    comes in, for weights and blocks.
    """

    g: Array = field(default_factory=lambda: np.zeros(0, np.float32))
    size: tuple[int, ...] = ()
    """Of the result, (N, C, *spatial) or (Cout, Cin/groups, *taps)."""
    peaks: tuple[float, ...] = ()
    """The largest value of each of a block's results."""

    @property
    def work(self) -> Work:
        """The shape as what it is."""
        return cast(Work, self.shape)

    @property
    def out_shape(self) -> tuple[int, ...]:
        """Shape of the answer in its layout; of a block that of y."""
        if not self.channels_last:
            return self.size
        if self.work.of == "weight":
            return (*self.size[2:], self.size[1], self.size[0])
        return (self.size[0], *self.size[2:], self.size[1])

    @cached_property
    def g_in(self) -> Array:
        """The gradient that comes in, in the layout that is asked for."""
        return last(self.g) if self.channels_last else self.g

    def first(self, y: Any) -> Array:
        """An answer in its layout in PyTorch's shape, to be judged."""
        array = np.asarray(y)
        if not self.channels_last or array.shape != self.out_shape:
            return array
        return np.moveaxis(array, (-1, -2), (0, 1)) if self.work.of == "weight" else np.moveaxis(array, -1, 1)


def problem(w: Shape, *, batch: int | None = None) -> Task:
    """Normal numbers, the same in every run; of a block, a gradient that no rounding turns into another."""
    s, rng = cast(Work, w), np.random.default_rng(7)
    n = s.batch if batch is None else batch
    small, large = (n, s.cout, *s.out), (n, s.cin, *s.size)
    wsize = (s.cout, s.cin // s.groups, *s.taps)

    def normal(size: tuple[int, ...], scale: float = 1.0) -> Array:
        return (scale * rng.standard_normal(size, np.float32)).astype(s.dtype)

    weights = (normal(wsize, float(np.prod(wsize[1:])) ** -0.5),)
    if s.of == "input":
        return Task(s, normal(small), weights, (), size=large)
    if s.of == "transposed":
        return Task(s, normal(small), weights, (normal((s.cin,), 0.1),), size=large)
    if s.of == "weight":
        return Task(s, normal(large), weights, (), g=normal(small), size=wsize)
    biases = (1 + normal((s.cout,), 0.2), normal((s.cout,), 0.2))
    p = Task(s, normal(large), weights, biases, size=small)
    training = Training(p)
    g = np.where(abs(training.before) < NEAR, 0, normal(small)).astype(s.dtype)
    values, _ = training.answers(g)
    return replace(p, g=g, peaks=tuple(float(abs(v).max()) for v in values))


def reference(given: Problem) -> Reference:
    """The answer in float64, for float64 in longdouble, with S of the error promise, in PyTorch's shapes."""
    p = cast(Task, given)
    s = p.work
    single = np.dtype(s.dtype).itemsize <= 4
    wide = np.float64 if single else np.longdouble
    floor = 0.0
    if s.of == "block":
        exact, scale = (joined(p, some) for some in Training(p).answers(p.g))
    else:
        find = correlate if s.of == "weight" else spread
        exact, scale = find(p.x, p.g if s.of == "weight" else p.weights[0], s, wide)
        compare(p, exact, scale)
        if p.biases:
            bias = p.biases[0].astype(wide).reshape(-1, *(1,) * s.rank)
            exact, scale = exact + bias, scale + abs(bias).astype(np.float64)
        if single:
            peak, heavy = (float(abs(a).max()) for a in (p.x, p.g if s.of == "weight" else p.weights[0]))
            floor = SMALLEST * s.terms * (peak + heavy + 1)
            if max(s.taps) >= 13:
                heavy = float(abs(p.weights[0]).sum(axis=tuple(range(2, 2 + s.rank))).min())
                floor += EXTRA[s.precision or "highest"] * peak * heavy
    return Reference(exact, scale, 2.0 ** (-24 if single else -53), s.terms, False, None, floor)


# ---- the two gradients, a tap at a time


def windows(s: Work) -> Iterator[tuple[Any, Any]]:
    """Every tap as an index, and the samples of the padded input that it meets at the outputs."""
    for tap in np.ndindex(*s.taps):
        begin = [t * s.dilation for t in tap]
        slices = (slice(at, at + (count - 1) * s.stride + 1, s.stride)
                  for at, count in zip(begin, s.out, strict=True))  # fmt: skip
        yield (..., *tap), (..., *slices)


def inner(s: Work) -> Any:
    """The input inside the padded one."""
    return (..., *(slice(p, p + n) for p, n in zip(s.padding, s.size, strict=True)))


def padded_size(s: Work) -> list[int]:
    """Samples along every axis with the padding."""
    return [n + 2 * p for n, p in zip(s.size, s.padding, strict=True)]


def spread(g: Array, w: Array, s: Work, wide: Any) -> tuple[Array, Array]:
    """The gradient of the input from sums, and S of every one of them."""
    n, groups, points = len(g), s.groups, int(np.prod(s.out))
    outputs = np.reshape(g.astype(wide), (n, groups, -1, points))
    weights = np.reshape(w.astype(wide), (groups, s.cout // groups, -1, *s.taps))
    found = np.zeros((n, groups, s.cin // groups, *padded_size(s)), wide)
    total = np.zeros(found.shape)
    sizes = abs(outputs).astype(np.float64)
    for tap, window in windows(s):
        weight = np.ascontiguousarray(np.swapaxes(weights[tap], 1, 2))
        target = (n, groups, s.cin // groups, *s.out)
        found[window] += np.reshape(weight @ outputs, target)
        total[window] += np.reshape(abs(weight).astype(np.float64) @ sizes, target)
    return tuple(np.reshape(a[inner(s)], (n, s.cin, *s.size)) for a in (found, total))  # type: ignore[return-value]


def correlate(x: Array, g: Array, s: Work, wide: Any) -> tuple[Array, Array]:
    """The gradient of the weights from sums, and S of every one of them."""
    n, groups, points = len(g), s.groups, int(np.prod(s.out))
    padded = np.pad(x.astype(wide), [(0, 0), (0, 0), *((p, p) for p in s.padding)])
    padded = np.reshape(padded, (n, groups, s.cin // groups, *padded_size(s)))
    outputs = np.reshape(g.astype(wide), (n, groups, -1, points))
    found = np.zeros((groups, s.cout // groups, s.cin // groups, *s.taps), wide)
    total = np.zeros(found.shape)
    sizes = abs(outputs).astype(np.float64)
    for tap, window in windows(s):
        part = np.swapaxes(np.reshape(padded[window], (n, groups, -1, points)), -1, -2)
        found[tap] = (outputs @ part).sum(axis=0)
        total[tap] = (sizes @ abs(part).astype(np.float64)).sum(axis=0)
    size = (s.cout, s.cin // groups, *s.taps)
    return np.reshape(found, size), np.reshape(total, size)


def compare(p: Task, exact: Array, scale: Array) -> None:
    """Hold some results, corners among them, against the formula term by term."""
    find = weight_terms if p.work.of == "weight" else input_terms
    rng = np.random.default_rng(11)
    corners = [np.array(at) for at in product(*((0, n - 1) for n in exact.shape[1:]))]
    places = [np.array((0, *at)) for at in corners] + [rng.integers(0, exact.shape) for _ in range(SAMPLES)]
    for at in places:
        terms = find(p, tuple(int(i) for i in at))
        value, total = terms.sum(), float(abs(terms).sum())
        where: Any = tuple(at)
        found = exact[where]
        if abs(found - value) > 1e-13 * total or abs(scale[where] - total) > 1e-12 * total:
            raise ArithmeticError(f"the reference is {found} at {where}, the definition {value}")


def input_terms(p: Task, at: tuple[int, ...]) -> Array:
    """The terms of one gradient of the input: every tap that leads from an output to this sample."""
    s, (n, c, *place) = p.work, at
    met = [[((j + pad - t * s.dilation) // s.stride, t) for t in range(k)
            if (j + pad - t * s.dilation) % s.stride == 0
            and 0 <= (j + pad - t * s.dilation) // s.stride < count]
           for j, pad, k, count in zip(place, s.padding, s.taps, s.out, strict=True)]  # fmt: skip
    group = c // (s.cin // s.groups)
    each = s.cout // s.groups
    channels = range(group * each, (group + 1) * each)
    outputs = p.x[n][np.ix_(channels, *([i for i, _ in line] for line in met))]
    weights = p.weights[0][:, c % (s.cin // s.groups)][
        np.ix_(channels, *([t for _, t in line] for line in met))
    ]
    return np.asarray(outputs.astype(np.longdouble) * weights)


def weight_terms(p: Task, at: tuple[int, ...]) -> Array:
    """The terms of one gradient of a weight: every output whose window's tap lies inside."""
    s, (o, c, *tap) = p.work, at
    met = [[(i, i * s.stride + t * s.dilation - pad) for i in range(count)
            if 0 <= i * s.stride + t * s.dilation - pad < size]
           for t, pad, count, size in zip(tap, s.padding, s.out, s.size, strict=True)]  # fmt: skip
    channel = o // (s.cout // s.groups) * (s.cin // s.groups) + c
    every = range(len(p.x))
    outputs = p.g[:, o][np.ix_(every, *([i for i, _ in line] for line in met))]
    samples = p.x[:, channel][np.ix_(every, *([j for _, j in line] for line in met))]
    return np.asarray(outputs.astype(np.longdouble) * samples)


# ---- the block


class Training:
    """A block's step in float64; beside every value S, by which float32 sums may be off in units of u."""

    def __init__(self, p: Task) -> None:
        self.p, self.s = p, p.work
        self.axes = (0, *range(2, 2 + self.s.rank))
        zero = np.zeros(self.s.cout)
        z, self.z_scale = convolve(p.x, p.weights[0], zero, self.s, np.float64)
        self.scale, self.bias = (self.channels(b) for b in p.biases)
        deviation = np.sqrt(z.var(self.axes, keepdims=True) + EPS)
        self.normal = (z - z.mean(self.axes, keepdims=True)) / deviation
        self.slope, self.deviation = self.scale / deviation, deviation
        self.before = self.scale * self.normal + self.bias

    def channels(self, values: Array) -> Array:
        """One value a channel, to meet (N, C, *spatial)."""
        return np.reshape(values.astype(np.float64), (-1, *(1,) * self.s.rank))

    def mean(self, values: Array) -> Array:
        """Over everything but the channels."""
        return np.asarray(values.mean(self.axes, keepdims=True))

    def answers(self, g: Array) -> tuple[list[Array], list[Array]]:
        """y and, from its gradient, those of x, w, scale and bias; and S of each."""
        p, s, normal = self.p, self.s, self.normal
        g = np.where(self.before > 0, g, 0.0)
        off = self.z_scale / self.deviation
        off = off + self.mean(off) + abs(normal) * (self.mean(abs(normal) * off) + 1)
        product_mean, size_mean = self.mean(g * normal), self.mean(abs(g) * abs(normal))
        dz = self.slope * (g - self.mean(g) - normal * product_mean)
        dz_scale = abs(self.slope) * (abs(g) + self.mean(abs(g)) + abs(normal) * size_mean)
        dz_scale += abs(self.slope) * (off * abs(product_mean) + abs(normal) * self.mean(abs(g) * off))
        dz_scale += abs(dz) * self.mean(abs(normal) * off)
        answers = [
            np.maximum(self.before, 0), spread(dz, p.weights[0], s, np.float64)[0],
            correlate(p.x, dz, s, np.float64)[0], (g * normal).sum(self.axes), g.sum(self.axes),
        ]  # fmt: skip
        scales = [
            abs(self.scale) * off + abs(self.bias), spread(dz_scale, p.weights[0], s, np.float64)[1],
            correlate(p.x, dz_scale, s, np.float64)[1], (abs(g) * (abs(normal) + off)).sum(self.axes),
            abs(g).sum(self.axes),
        ]  # fmt: skip
        return answers, scales


def joined(p: Task, parts: list[Array]) -> Array:
    """A block's results in PyTorch's shapes as one array, each over its largest value: none hides another."""
    n, s = len(p.x), p.work
    wanted = [(n, s.cout, *s.out), p.x.shape, p.weights[0].shape, (s.cout,), (s.cout,)]
    if [part.shape for part in parts] != wanted:
        raise ValueError(f"shapes {[part.shape for part in parts]}, not {wanted}")
    return np.concatenate([np.ravel(part).astype(np.float64) / peak
                           for part, peak in zip(parts, p.peaks, strict=True)])  # fmt: skip

"""The gradients of layers by the definition, one tap at a time: the oracle of their tests.

    dx[n, c, i·S + h·D − lo] += conj(w[o, c, h]) g[n, o, i]
    dw[o, c, h] = Σ conj(x[n, c, i·S + h·D − lo]) g[n, o, i]

A sample outside a layer's input stands for the one that `reference.boundary_index` names, and what reaches it
is added there. A transposed layer has the axes of the layer that it transposes, with x and g exchanged.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from reference import per_axis
from reference_nn import (
    Axis,
    Sums,
    axes_of,
    channels_first,
    laid_out,
    pairs_of,
    weights_first,
    working_dtype,
)

Shape = tuple[int, ...]


def conv_input(input_shape: Shape, w: np.ndarray, g: np.ndarray, **options: Any) -> Sums:
    """The gradient of a layer's input."""
    last, batched, groups = _layout(options, len(input_shape), w.ndim)
    work, kernel, given = _weights(w, options), w.shape, _first(g, last, batched)
    sizes = _sizes(input_shape, last, batched)
    axes = _axes(sizes, kernel[:-2] if last else kernel[2:], options)
    shape = (given.shape[0], work.shape[1] * groups, *sizes)
    value = np.zeros(shape, work.dtype)
    size, reach, count = abs(value), abs(value), np.zeros(sizes, int)
    for tap, places, sources in _taps(axes):
        windows = _grouped(given[(slice(None), slice(None), *np.ix_(*places))], groups)
        weights = work[(..., *tap)].conj().reshape(groups, -1, work.shape[1])
        held = (shape[0], shape[1], *map(len, places))
        where = (slice(None), slice(None), *np.ix_(*sources))
        with np.errstate(all="ignore"):
            np.add.at(value, where, np.einsum("ngop,goc->ngcp", windows, weights).reshape(held))
            np.add.at(size, where, np.einsum("ngop,goc->ngcp", abs(windows), abs(weights)).reshape(held))
            more = (abs(windows) + 1).sum(axis=2, keepdims=True) + abs(weights).sum(axis=1)[..., None]
        np.add.at(reach, where, more.reshape(held))
        np.add.at(count, np.ix_(*sources), 1)
    terms = int(count.max(initial=0)) * given.shape[1] // groups
    return Sums(*(laid_out(v, last, batched) for v in (value, size, reach)), terms)


def conv_weight(x: np.ndarray, weight_shape: Shape, g: np.ndarray, **options: Any) -> Sums:
    """The gradient of a layer's weights."""
    last, batched, groups = _layout(options, x.ndim, len(weight_shape))
    samples, given = _first(x, last, batched), _first(g, last, batched)
    taps = weight_shape[:-2] if last else weight_shape[2:]
    return _weight_sums(samples.conj(), given, _axes(samples.shape[2:], taps, options), groups, options)


def conv_bias(g: np.ndarray, rank: int, layout: str = "channels_first") -> Sums:
    """The gradient of a layer's bias."""
    given = _first(g, layout == "channels_last", g.ndim == rank + 2)
    others = (0, *range(2, given.ndim))
    with np.errstate(all="ignore"):
        sums = [v.sum(axis=others) for v in (given, abs(given), abs(given) + 2)]
    return Sums(*sums, math.prod(given.shape[i] for i in others))


def conv_transpose_input(input_shape: Shape, w: np.ndarray, g: np.ndarray, **options: Any) -> Sums:
    """The gradient of a transposed layer's input: the layer that it transposes, of g."""
    last, batched, groups = _layout(options, len(input_shape), w.ndim)
    given, weights = _first(g, last, batched), _weights(w, options).conj()
    axes = transposed_axes(_sizes(input_shape, last, batched), weights.shape[2:], options)
    shape = (given.shape[0], weights.shape[0], *(axis.outputs for axis in axes))
    value = np.zeros(shape, weights.dtype)
    size, reach = abs(value), abs(value)
    for tap, places, sources in _taps(axes):
        windows = _grouped(given[(slice(None), slice(None), *np.ix_(*sources))], groups)
        kernel = weights[(..., *tap)].reshape(groups, -1, weights.shape[1])
        where, held = (slice(None), slice(None), *np.ix_(*places)), (*shape[:2], *map(len, places))
        with np.errstate(all="ignore"):
            value[where] += np.einsum("ngcp,goc->ngop", windows, kernel).reshape(held)
            size[where] += np.einsum("ngcp,goc->ngop", abs(windows), abs(kernel)).reshape(held)
            more = (abs(windows) + 1).sum(axis=2, keepdims=True) + abs(kernel).sum(axis=2)[..., None]
        reach[where] += more.reshape(held)
    terms = math.prod(weights.shape[2:]) * weights.shape[1]
    return Sums(*(laid_out(v, last, batched) for v in (value, size, reach)), terms)


def conv_transpose_weight(x: np.ndarray, weight_shape: Shape, g: np.ndarray, **options: Any) -> Sums:
    """The gradient of a transposed layer's weights."""
    last, batched, groups = _layout(options, x.ndim, len(weight_shape))
    samples, given = _first(x, last, batched), _first(g, last, batched)
    taps = weight_shape[:-2] if last else weight_shape[2:]
    axes = transposed_axes(samples.shape[2:], taps, options)
    return _weight_sums(given, samples.conj(), axes, groups, options)


def transposed_axes(sizes: Shape, taps: Shape, options: dict[str, Any]) -> list[Axis]:
    """The axes of the layer that leads from a transposed layer's result to its input."""
    rank = len(taps)
    strides, dilations, extra = (
        per_axis(options.get(name, default), rank)
        for name, default in (("stride", 1), ("dilation", 1), ("output_padding", 0))
    )
    pairs = pairs_of(options.get("padding", 0), sizes, taps, strides, dilations)
    return [
        Axis((n - 1) * s - lo - hi + d * (k - 1) + 1 + more, k, s, d, lo, n, "constant")
        for n, k, s, d, (lo, hi), more in zip(sizes, taps, strides, dilations, pairs, extra, strict=True)
    ]


def _weight_sums(
    samples: np.ndarray, given: np.ndarray, axes: list[Axis], groups: int, options: dict[str, Any]
) -> Sums:
    """Σ samples given under every tap, in the layout of the weights."""
    inside, outside = samples.shape[1] // groups, given.shape[1] // groups
    value = np.zeros((given.shape[1], inside, *(axis.taps for axis in axes)), samples.dtype)
    size, reach = abs(value), abs(value)
    for tap, places, sources in _taps(axes):
        x = _grouped(samples[(slice(None), slice(None), *np.ix_(*sources))], groups)
        g = _grouped(given[(slice(None), slice(None), *np.ix_(*places))], groups)
        held = (groups * outside, inside)
        with np.errstate(all="ignore"):
            value[(..., *tap)] = np.einsum("ngcp,ngop->goc", x, g).reshape(held)
            size[(..., *tap)] = np.einsum("ngcp,ngop->goc", abs(x), abs(g)).reshape(held)
            more = (abs(x) + 1).sum(axis=(0, 3))[:, None] + abs(g).sum(axis=(0, 3))[..., None]
        reach[(..., *tap)] = more.reshape(held)
    if options.get("flip"):
        value, size, reach = (np.flip(v, range(2, v.ndim)) for v in (value, size, reach))
    if options.get("layout") == "channels_last":
        value, size, reach = (np.moveaxis(v, (0, 1), (-1, -2)) for v in (value, size, reach))
    return Sums(value, size, reach, len(given) * math.prod(axis.outputs for axis in axes))


def _layout(options: dict[str, Any], axes: int, weight_axes: int) -> tuple[bool, bool, int]:
    return options.get("layout") == "channels_last", axes == weight_axes, options.get("groups", 1)


def _first(x: np.ndarray, last: bool, batched: bool) -> np.ndarray:
    return channels_first(x.astype(working_dtype(x.dtype)), last, batched)


def _weights(w: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """Weights (out, in, *taps) that meet samples in their order."""
    w = weights_first(w.astype(working_dtype(w.dtype)), options.get("layout") == "channels_last")
    return np.flip(w, range(2, w.ndim)) if options.get("flip") else w


def _sizes(shape: Shape, last: bool, batched: bool) -> Shape:
    inner = shape[1:] if batched else shape
    return inner[:-1] if last else inner[1:]


def _axes(sizes: Shape, taps: Shape, options: dict[str, Any]) -> list[Axis]:
    given = (("stride", 1), ("padding", 0), ("dilation", 1), ("boundary", "constant"))
    return axes_of(sizes, taps, *(options.get(name, default) for name, default in given))


def _taps(axes: list[Axis]) -> Iterator[tuple[Shape, list[list[int]], list[list[int]]]]:
    """Every tap with the outputs where it meets a sample, and those samples."""
    for tap in itertools.product(*(range(axis.taps) for axis in axes)):
        met = [axis.meet(h) for axis, h in zip(axes, tap, strict=True)]
        if all(places for places, _ in met):
            yield tap, [places for places, _ in met], [sources for _, sources in met]


def _grouped(x: np.ndarray, groups: int) -> np.ndarray:
    """(n, channels, *positions) to (n, group, channel, position)."""
    return x.reshape(len(x), groups, x.shape[1] // groups, math.prod(x.shape[2:]))

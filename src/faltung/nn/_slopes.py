"""Derivatives of activations, selection by masks, dropout: what training adds to a layer's epilogue.

All of it runs over pieces that stay in cache. A mask holds 0 or -1 in every byte, so that a value is kept or
becomes +0 by one bitwise and, whatever it is: infinity times a 0 would be NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import pi, sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._activation import Activation

Array: TypeAlias = NDArray[Any]
Mask: TypeAlias = NDArray[np.int8]

_PIECE = 1 << 16  # values at a time: 256 KB of float32
_FLAT = 30.0  # beyond it every smooth slope of float64 is 0 or 1


def pieces(size: int) -> Iterator[slice]:
    """A flat array in pieces that stay in cache."""
    return (slice(start, start + _PIECE) for start in range(0, size, _PIECE))


def inside(y: Array, activation: Activation) -> Mask | None:
    """Where a clip let its argument pass, from its results; None for other activations.

    At a corner the slope is 0, as PyTorch's of relu, relu6 and hardtanh.
    """
    if activation.name != "clip":
        return None
    mask = np.empty(y.shape, np.int8)
    flat, found = y.reshape(-1), mask.reshape(-1).view(np.bool_)
    for piece in pieces(flat.size):
        np.greater(flat[piece], activation.lo, out=found[piece])
        if activation.hi < np.inf:
            found[piece] &= flat[piece] < activation.hi
    return np.negative(mask, out=mask)


def kept(shape: tuple[int, ...], rate: float, rng: np.random.Generator) -> Mask:
    """What dropout keeps: where the next uniform number, in C order, is at least the rate."""
    mask = np.empty(shape, np.int8)
    flat = mask.reshape(-1)
    for piece in pieces(flat.size):
        np.greater_equal(
            rng.random(flat[piece].size, np.float32), np.float32(rate), out=flat[piece].view(np.bool_)
        )
    return np.negative(mask, out=mask)


def select(values: Array, mask: Mask, out: Array, gain: float = 1.0) -> Array:
    """Values times the gain where the mask keeps them, 0 elsewhere; all contiguous, `out` may be `values`."""
    whole = np.dtype(f"i{values.dtype.itemsize}")
    bits, places, target = (a.reshape(-1) for a in (values.view(whole), mask, out.view(whole)))
    numbers = out.reshape(-1)
    wide = np.empty(min(_PIECE, bits.size), whole)
    for piece in pieces(bits.size):
        part = wide[: bits[piece].size]
        np.copyto(part, places[piece])
        np.bitwise_and(bits[piece], part, out=target[piece])
        if gain != 1:
            numbers[piece] *= numbers.dtype.type(gain)
    return out


def times_slope(activation: Activation, before: Array, g: Array) -> Array:
    """The gradient before an activation, from its argument and the gradient behind it; over the argument."""
    flat, behind = before.reshape(-1), g.reshape(-1)
    slope = _SLOPES[activation.name]
    with np.errstate(all="ignore"):
        for piece in pieces(flat.size):
            np.multiply(slope(flat[piece], activation), behind[piece], out=flat[piece])
    return before


def _leaky(p: Array, activation: Activation) -> Array:
    slope: Array = (p > 0) + p.dtype.type(activation.lo) * (p <= 0)
    return slope


def _hardsigmoid(p: Array, _: Activation) -> Array:
    slope: Array = p.dtype.type(1 / 6) * (abs(p) < 3)
    return slope


def _hardswish(p: Array, _: Activation) -> Array:
    ramp = np.clip(p, -3, 3) / p.dtype.type(3) + p.dtype.type(0.5)
    slope: Array = ramp * (abs(p) < 3) + (p >= 3)
    return slope


def _sigmoid(p: Array, _: Activation) -> Array:
    e = np.exp(-abs(p))
    slope: Array = e / np.square(1 + e)
    return slope


def _silu(p: Array, _: Activation) -> Array:
    p = np.clip(p, -4 * _FLAT, 4 * _FLAT)
    slope: Array = (1 + p / (1 + np.exp(p))) / (1 + np.exp(-p))
    return slope


def _tanh(p: Array, _: Activation) -> Array:
    t = np.tanh(p)
    slope: Array = (1 - t) * (1 + t)
    return slope


def _gelu(p: Array, _: Activation) -> Array:
    from scipy.special import ndtr

    p = np.clip(p, -_FLAT, _FLAT)
    return np.asarray(ndtr(p) + p * (np.exp(p * p / -2) * p.dtype.type(1 / sqrt(2 * pi))))


def _gelu_tanh(p: Array, _: Activation) -> Array:
    c, k = p.dtype.type(sqrt(2 / pi)), p.dtype.type(0.044715)
    p = np.clip(p, -_FLAT, _FLAT)
    t = np.tanh(c * (p + k * p * p * p))
    slope: Array = (1 + t) / 2 + p * (1 - t) * (1 + t) * c * (1 + 3 * k * p * p) / 2
    return slope


_SLOPES: dict[str, Callable[[Array, Activation], Array]] = {
    "leaky_relu": _leaky, "hardsigmoid": _hardsigmoid, "hardswish": _hardswish, "sigmoid": _sigmoid,
    "silu": _silu, "tanh": _tanh, "gelu": _gelu, "gelu_tanh": _gelu_tanh,
}  # fmt: skip

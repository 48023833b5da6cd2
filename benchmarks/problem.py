"""One convolution to be timed: what is asked, in plain data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Problem:
    """y[i] = sum_j a[i*stride + anchor*dilation - j*dilation] * k[j] along ``axes``, anchor = (K - 1) // 2.

    ``correlate`` asks for sum_j a[i*stride + (j - K // 2)*dilation] * conj(k[j]) instead. ``boundary`` is
    numpy.pad's word; constant fills with zero. ``dtype`` is the result's, rounded half to even and saturated
    when floats become integers. ``precision`` is the promise that ours is asked for and peers are held to.

    ``factors`` are 1-D arrays whose outer product is ``k``; ours is given them (or, if ``whole``, all taps),
    peers take what suits them. ``sigma`` says that they are a gaussian's. ``missing``: NaN in ``a`` is
    missing data, to be left out by normalized convolution. ``memory_limit`` is for ours.
    """

    a: Array
    k: Array
    mode: str = "same"
    boundary: str = "constant"
    axes: tuple[int, ...] | None = None
    stride: int = 1
    dilation: int = 1
    result: type[np.generic] | None = None
    precision: str | None = None
    correlate: bool = False
    factors: tuple[Array, ...] | None = None
    sigma: float | None = None
    whole: bool = False
    missing: bool = False
    memory_limit: int | None = None

    @property
    def along(self) -> tuple[int, ...]:
        """The axes of ``a`` that the kernel runs along."""
        return tuple(range(self.a.ndim)) if self.axes is None else self.axes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The result's dtype."""
        return np.result_type(self.a, self.k) if self.result is None else np.dtype(self.result)

    @cached_property
    def impulse(self) -> Array:
        """The taps that a convolution takes: for a correlation they are conjugated and turned round."""
        return np.ascontiguousarray(np.flip(np.conj(self.k))) if self.correlate else self.k

    @property
    def impulses(self) -> tuple[Array, ...]:
        """The same of every factor; empty where none are known."""
        parts = self.factors or ()
        return tuple(np.flip(np.conj(part)) for part in parts) if self.correlate else parts

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        """What ``mode`` adds at both ends of each axis of ``a``."""
        pads = [(0, 0)] * self.a.ndim
        for axis, taps in zip(self.along, self.k.shape, strict=True):
            reach = (taps - 1) * self.dilation
            lo = (taps - 1 - (taps - 1) // 2) * self.dilation
            pads[axis] = {"full": (reach, reach), "same": (lo, reach - lo), "valid": (0, 0)}[self.mode]
        return tuple(pads)

    @property
    def shape(self) -> tuple[int, ...]:
        """The result's shape."""
        size = [n + lo + hi for n, (lo, hi) in zip(self.a.shape, self.padding, strict=True)]
        for axis, taps in zip(self.along, self.k.shape, strict=True):
            size[axis] = (size[axis] - (taps - 1) * self.dilation - 1) // self.stride + 1
        return tuple(size)

    @property
    def steps(self) -> tuple[slice, ...]:
        """Takes every ``stride``-th output of a result without stride."""
        return tuple(
            slice(None, None, self.stride if axis in self.along else 1) for axis in range(self.a.ndim)
        )

    @property
    def flop(self) -> int:
        """Useful work: a multiplication and an addition per tap and output, four of each when complex."""
        per_tap = {"c": 8}.get(self.dtype.kind, 2)
        return per_tap * self.k.size * math.prod(self.shape)

    def dilated(self) -> Array:
        """``impulse`` with zeros between its taps, for peers that know no dilation."""
        if self.dilation == 1:
            return self.impulse
        wide = np.zeros([(taps - 1) * self.dilation + 1 for taps in self.k.shape], self.k.dtype)
        wide[(slice(None, None, self.dilation),) * self.k.ndim] = self.impulse
        return wide

    def aligned(self, k: Array) -> Array:
        """``k`` with an axis of size 1 for every axis of ``a`` that it does not run along."""
        shape = [1] * self.a.ndim
        for axis, taps in zip(self.along, k.shape, strict=True):
            shape[axis] = taps
        return k.reshape(shape)

    def padded(self) -> Array:
        """``a`` extended by ``padding`` with ``boundary``."""
        if self.boundary == "constant":
            return np.pad(self.a, self.padding)
        words: Any = self.boundary
        return np.asarray(np.pad(self.a, self.padding, mode=words))

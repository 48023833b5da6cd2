r"""Normalized convolution: sums over the samples that are there, and what the rest is taken for.

With m = 1 where a sample is valid and 0 where it is missing,

.. math::

    N = \sum k\,m\,a, \quad \mu = \frac{\sum |k|\,m\,a}{\sum |k|\,m}, \quad
    y = N + \mu \sum k\,(1 - m), \quad \text{weight} = \frac{\sum |k|\,m}{\sum |k|}

Every missing sample counts as the mean of those that the kernel meets, weighted by its absolute values. Taps
of one sign need two convolutions, for then :math:`y = N \sum |k| / \sum |k| m`; others need four.

Of the two sums that make up :math:`\sum |k|`, that over missing samples (`gone`) is convolved and the other
is the rest: it is exactly 0, and the weight exactly 1, where nothing is missing. Where more than half is
missing the difference would cancel, so there the sum over valid samples (`met`) is convolved as well.

Transforms err relative to the whole kernel and leave noise where a sum should be 0. So after them an exact
count of taps tells where all or nothing is missing, and outputs of little weight are made again term by term.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._blocks_cut import Box, cut
from ._dtype import DType, is_integer
from ._errors import FaltungValueError
from ._precision import error_units
from ._recipe import Recipe, recipe
from ._request import Request
from ._tuning import CACHED_CALLS, MISSING_STRIP, THIN_BOX, THIN_WEIGHT
from ._ways import Choice

Array: TypeAlias = NDArray[Any]
Mask: TypeAlias = NDArray[np.bool_]
_COUNT = np.dtype(np.int32)


class Sums(NamedTuple):
    """What is convolved, every array flat; of the kernel, one number or one for every output."""

    y: Array  # N, and at last the result
    mean: Array | None  # the sum of |k| m a; None: it is N, or -N
    moved: Array | None  # the sum of k (1 - m); None: it is `gone`, or -`gone`
    gone: Array  # the sum of |k| (1 - m)
    met: Array | None  # the sum of |k| m, where `gone` is more than half
    hits: Array | None  # how many taps meet missing samples, where `gone` may be noise
    total: Array  # the sum of |k|
    taps: Array | None  # and how many do not vanish


class Sides(NamedTuple):
    """The convolutions of a request with missing data, and the types of their results."""

    y: Recipe
    gone: Recipe
    mean: Recipe | None
    moved: Recipe | None
    real: DType
    complex: DType
    open: bool  # samples beyond the ends are missing


class Weighted:
    """What a request does with missing data, for one kernel: the convolutions, and how they are put together.

    Results are of `dtype`, that of the sums.
    """

    def __init__(self, how: Recipe, k: Array, workers: int | None) -> None:
        self.how = how
        self.workers = workers
        self.finite = is_integer(k.dtype) or bool(np.isfinite(k).all())
        sides = _sides(how.request, signed=self.finite and not one_sign(k))
        self.real, self.open = sides.real, sides.open
        self.dtype = sides.complex if any(how.complex) else sides.real
        self.k, self.sizes, self.taps = k, _magnitudes(k, self.real), k
        if not is_integer(k.dtype):
            self.taps = k.astype(sides.complex if how.complex[1] else sides.real)
        self.of_y = sides.y
        self.of_gone = _by_method(sides.gone, self.sizes)
        self.of_mean = sides.mean and _by_method(sides.mean, self.sizes)
        self.of_moved = sides.moved and _by_method(sides.moved, self.taps)
        kernels = {self.of_y: k, self.of_gone: self.sizes, self.of_mean: self.sizes, self.of_moved: self.taps}
        self.spectral = any(
            side is not None and side.choose(taps).way.method == "spectral" for side, taps in kernels.items()
        )
        self.total = self._at_outputs(self.sizes, self.real)
        self.total = np.where(self.total == 0, self.real.type(1), self.total)  # all 0: nothing can be missing
        unit = 2.0 ** (-53 if self.real.itemsize == 8 else -24)
        self.least = how.request.min_valid - error_units(how.terms) * unit

    def run(
        self, a: Array, mask: Mask, out: Array | None, weigh: bool, choice: Choice | None = None
    ) -> tuple[Array, Array | None]:
        """The result, in `out` where it is given (contiguous, of `dtype`), and the weights, if to `weigh`.

        `a` has 0 where samples are missing; `choice` is a plan's.
        """
        if not self.open and not mask.any():
            y = self.of_y.run(a, self.k, out, self.workers, choice)
            return y, np.ones(self.how.out_shape, self.real) if weigh else None
        sums = self._convolve(a, mask, out, choice)
        weight = np.empty(self.how.size, self.real) if weigh or self.spectral or self.least > 0 else None
        with np.errstate(all="ignore"):
            for first in range(0, self.how.size, MISSING_STRIP):
                self._finish(sums, weight, slice(first, first + MISSING_STRIP))
        y = sums.y.reshape(self.how.out_shape)
        if weight is None:
            return y, None
        weight = weight.reshape(self.how.out_shape)
        if self.spectral:
            self._again(a, mask, y, weight)
        return y, weight

    def _convolve(self, a: Array, mask: Mask, out: Array | None, choice: Choice | None) -> Sums:
        def flat(side: Recipe | None, samples: Array, taps: Array) -> Array | None:
            return side.run(samples, taps, None, self.workers).reshape(-1) if side else None

        gone = self.of_gone.run(mask, self.sizes, None, self.workers).reshape(-1)
        met = hits = taps = None
        if bool((gone > self.total / 2).any()):
            request = replace(self.of_gone.request, fill=np.bool_(not self.open).tobytes())
            met = flat(recipe(request), ~mask, self.sizes)
        if self.spectral:
            hit = (self.sizes != 0).view(np.uint8)
            request = replace(
                self.of_gone.request, kernel_dtype=hit.dtype, result=_COUNT, overflow="wrap", method="auto"
            )
            hits, taps = flat(recipe(request), mask, hit), self._at_outputs(hit, _COUNT)
        mean, moved = flat(self.of_mean, a, self.sizes), flat(self.of_moved, mask, self.taps)
        # Last, for it may write to the caller's array.
        y = self.of_y.run(a, self.k, out, self.workers, choice).reshape(-1)
        return Sums(y, mean, moved, gone, met, hits, self.total, taps)

    def _finish(self, sums: Sums, weight: Array | None, at: slice) -> None:
        """Turns N into the result and fills in the weight, for some of the outputs."""
        y, gone = sums.y[at], sums.gone[at]
        total = sums.total if sums.total.ndim == 0 else sums.total[at]
        met = total - gone
        if sums.met is not None:
            met = np.where(gone > total / 2, sums.met[at], met)
        if sums.hits is not None and sums.taps is not None:
            taps = sums.taps if sums.taps.ndim == 0 else sums.taps[at]
            full, none = sums.hits[at] == 0, sums.hits[at] == taps
            gone = np.where(full, 0, np.maximum(gone, 0))
            met = np.where(full, total, np.where(none, 0, np.clip(met, 0, total)))
            y[none] = np.nan
        if sums.mean is not None and sums.moved is not None:
            rest = _by_parts(np.multiply, _by_parts(np.divide, sums.mean[at], met), sums.moved[at])
            rest[gone == 0] = 0  # also where the mean is infinite
            y += rest
        else:
            y[...] = _by_parts(np.multiply, y, total / met)
        if not self.finite:
            y[gone != 0] = met[gone != 0] = np.nan
        if weight is not None:
            share = np.divide(met, total, out=weight[at])
            if self.least > 0:
                y[share < self.least] = np.nan

    def _again(self, a: Array, mask: Mask, y: Array, weight: Array) -> None:
        """Outputs of little weight once more, term by term."""
        thin = (weight > 0) & (weight < THIN_WEIGHT)
        for box in _boxes(thin, self.how.request):
            part = cut(self.how, box)
            again = Weighted(recipe(replace(part.request, method="direct")), self.k[part.taps], self.workers)
            values, shares = again.run(part.read(a), part.read(mask), None, weigh=True)
            at = thin[box]
            y[box][at] = values[at]
            if shares is not None:
                weight[box][at] = shares[at]

    def _at_outputs(self, k: Array, dtype: DType) -> Array:
        """The sum of a kernel's taps: one number, or one for every output where kernels differ."""
        request = self.how.request
        along = tuple(i for i, axis in enumerate(request.kernel_axes) if axis in request.axes)
        sums: Array = k.sum(axis=along, dtype=np.longdouble, keepdims=len(along) < k.ndim)
        sums = np.asarray(sums).astype(dtype)
        return sums if sums.ndim == 0 else np.broadcast_to(sums, self.how.out_shape).reshape(-1)


@lru_cache(maxsize=CACHED_CALLS)
def _sides(request: Request, signed: bool) -> Sides:
    how = recipe(request)
    double = how.double or how.exact
    real = np.dtype(np.float64 if double else np.float32)
    wide = np.dtype(np.complex128 if double else np.complex64)
    missing = fill_is_missing(request)
    # One over the weight magnifies errors: always the best precision.
    of_y = replace(
        request, missing=False, return_weight=False, min_valid=0.0, nan_policy="propagate",
        precision="highest", result=wide if any(how.complex) else real,
    )  # fmt: skip
    if missing:
        of_y = replace(of_y, fill=request.dtype.type(0).tobytes())
    sizes = _magnitudes(np.empty(0, request.kernel_dtype), real).dtype
    of_mean = replace(
        of_y,
        kernel_dtype=sizes,
        kernel_weak=False,
        double_taps=False,
        result=wide if how.complex[0] else real,
    )
    of_gone = replace(
        of_mean, dtype=np.dtype(np.bool_), weak=False, result=real, fill=np.bool_(missing).tobytes()
    )
    part = wide if how.complex[1] else real
    of_moved = replace(
        of_gone, kernel_dtype=request.kernel_dtype if is_integer(request.kernel_dtype) else part, result=part
    )
    return Sides(
        recipe(of_y), recipe(of_gone), recipe(of_mean) if signed else None,
        recipe(of_moved) if signed else None, real, wide, missing,
    )  # fmt: skip


def fill_is_missing(request: Request) -> bool:
    """Whether outputs see samples beyond a constant boundary that are missing: NaN, and NaN is omitted."""
    beyond = any(
        word == "constant" and padding != (0, 0)
        for word, padding in zip(request.boundary, request.padding, strict=True)
    )
    omit = request.nan_policy == "omit" and not is_integer(request.dtype)
    return beyond and omit and bool(np.isnan(np.frombuffer(request.fill, request.dtype)[0]))


def one_sign(k: Array) -> bool:
    """Whether no two taps are of different signs; a NaN among them has none."""
    return k.dtype.kind != "c" and bool((k >= 0).all() or (k <= 0).all())


def _magnitudes(k: Array, real: DType) -> Array:
    """|k|: unsigned integers for integers, else of type `real`; 1 for what is not finite."""
    if k.dtype.kind in "bu":
        return k.view(np.uint8) if k.dtype.kind == "b" else k
    if k.dtype.kind == "i":
        sizes: Array = np.abs(k).view(f"u{k.dtype.itemsize}")  # right for the least number too
        return sizes
    with np.errstate(over="ignore"):
        wide = np.result_type(real, np.complex64) if k.dtype.kind == "c" else real
        sizes = np.abs(k.astype(wide)).astype(real)
    return np.where(np.isfinite(sizes), sizes, real.type(1))


def _by_method(how: Recipe, k: Array) -> Recipe:
    """By the method asked for where it takes these taps: |k| may be no outer product where k is one."""
    if how.request.method in ("separable", "spectral"):
        try:
            how.choose(k)
        except FaltungValueError:
            return recipe(replace(how.request, method="auto"))
    return how


def _by_parts(operation: Any, z: Array, x: Array) -> Array:
    """`operation(z, x)`; a real operand meets both parts of a complex one, which NumPy would make complex."""
    if z.dtype.kind == x.dtype.kind:
        return np.asarray(operation(z, x))
    if z.dtype.kind != "c":  # only products
        return _by_parts(operation, x, z)
    parts = operation(z.view(x.dtype).reshape(-1, 2), x[:, None])
    return np.asarray(parts.reshape(-1).view(z.dtype))


def _boxes(wanted: Mask, request: Request) -> Iterator[Box]:
    """Small boxes that together hold all outputs that are wanted."""
    side = int(THIN_BOX ** (1 / max(len(request.axes), 1)))
    sides = [side if axis in request.axes else 1 for axis in range(wanted.ndim)]
    for corner in sorted(set(map(tuple, (np.argwhere(wanted) // sides).tolist()))):
        each = zip(corner, sides, wanted.shape, strict=True)
        yield tuple(slice(i * n, min((i + 1) * n, whole)) for i, n, whole in each)

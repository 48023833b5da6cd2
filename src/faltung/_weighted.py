r"""Normalized convolution: sums over the samples that are there, and what the rest is taken for.

With m = 1 where a sample is valid and 0 where it is missing,

.. math::

    N = \sum k\,m\,a, \quad \mu = \frac{\sum |k|\,m\,a}{\sum |k|\,m}, \quad
    y = N + \mu \sum k\,(1 - m), \quad \text{weight} = \frac{\sum |k|\,m}{\sum |k|}

Every missing sample counts as the mean of those that the kernel meets, weighted by its absolute values. Taps
of one sign need two convolutions, for then \mu follows from N; others need four.

Of the two sums that make up :math:`\sum |k|`, that over missing samples (`gone`) is convolved and the other
is the rest: it is exactly 0, and the weight exactly 1, where nothing is missing. Where more than half is
missing the difference would cancel, so the sum over valid samples (`met`) is convolved as well.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._dtype import DType, is_integer
from ._errors import FaltungValueError
from ._precision import error_units
from ._recipe import Recipe, recipe
from ._request import Request
from ._thin import Windows
from ._tuning import MISSING_STRIP, THIN_WEIGHT
from ._ways import Choice

Array: TypeAlias = NDArray[Any]
Mask: TypeAlias = NDArray[np.bool_]


class Sums(NamedTuple):
    """What is convolved, every array flat, and the sum of |k| at every output."""

    y: Array  # N, and at last the result
    mean: Array | None  # the sum of |k| m a; None: it is N, or -N
    moved: Array | None  # the sum of k (1 - m); None: it is `gone`, or -`gone`
    gone: Array  # the sum of |k| (1 - m)
    met: Array | None  # the sum of |k| m, where `gone` is more than half
    count: Array | None  # of taps that meet missing samples, where `gone` is not exactly 0 without
    total: Array
    taps: Array  # that are not 0


class Weighted:
    """A call with missing data. Results are of `dtype`, which is wide enough for the call's own."""

    def __init__(self, how: Recipe, k: Array, open_ends: bool, workers: int | None) -> None:
        self.how = how
        self.workers = workers
        double = how.double or how.exact
        self.real = np.dtype(np.float64 if double else np.float32)
        self.complex = np.dtype(np.complex128 if double else np.complex64)
        self.dtype = self.complex if any(how.complex) else self.real
        self.one_sign = one_sign(k)
        self.finite = is_integer(k.dtype) or bool(np.isfinite(k).all())
        # One over the weight magnifies errors: always the best precision.
        self.base = replace(
            how.request, missing=False, return_weight=False, min_valid=0.0, precision="highest",
            result=self.dtype, nan_policy="raise" if how.request.nan_policy == "raise" else "propagate",
        )  # fmt: skip
        if open_ends:
            self.base = replace(self.base, fill=how.request.dtype.type(0).tobytes())
        self.open_ends = open_ends

    def fits(self, out: Array) -> bool:
        """Whether results can be made in `out`."""
        return out.dtype == self.dtype and out.flags.c_contiguous and out.flags.aligned

    def run(
        self, a: Array, k: Array, mask: Mask, out: Array | None, choice: Choice | None = None
    ) -> tuple[Array, Array]:
        """The result, in `out` where it is given, and the weights. `a` has 0 where samples are missing."""
        sums, spectral = self._convolve(a, k, mask, out, choice)
        weight = np.empty(self.how.size, self.real)
        with np.errstate(all="ignore"):
            for first in range(0, self.how.size, MISSING_STRIP):
                self._finish(sums, weight, slice(first, first + MISSING_STRIP))
        y, weight = sums.y.reshape(self.how.out_shape), weight.reshape(self.how.out_shape)
        if spectral:
            self._again(a, k, mask, y, weight)
        return y, weight

    def _again(self, a: Array, k: Array, mask: Mask, y: Array, weight: Array) -> None:
        """Outputs of little weight once more, term by term: transforms err relative to the whole kernel."""
        thin = (weight > 0) & (weight < THIN_WEIGHT)
        if not thin.any():
            return
        windows = Windows(replace(self.how.request, fill=self.base.fill), self.how.out_shape)
        for box in windows.boxes(thin):
            request, *operands = windows.cut(box, a, k, mask, self.open_ends)
            part = Weighted(recipe(request), operands[1], False, self.workers)
            values, shares = part.run(*operands, None)
            at = thin[box]
            y[box][at], weight[box][at] = values[at], shares[at]

    # -- the convolutions ------------------------------------------------------------------------------------

    def _convolve(
        self, a: Array, k: Array, mask: Mask, out: Array | None, choice: Choice | None
    ) -> tuple[Sums, bool]:
        """The sums, and whether a method made them that errs by more where little is valid."""
        sizes, taps = magnitudes(k, self.real), k if is_integer(k.dtype) else self._in_type(k)
        ends = replace(
            self.base, dtype=mask.dtype, weak=False, kernel_dtype=sizes.dtype, kernel_weak=False,
            double_taps=False, result=self.real, nan_policy="propagate",
            fill=np.bool_(self.open_ends).tobytes(),
        )  # fmt: skip
        of_gone = self._side(ends, sizes)
        used = [(recipe(self.base), k), (of_gone, sizes)]
        of_mean = of_moved = None
        if self.finite and not self.one_sign:
            part = self.complex if self.how.complex[0] else self.real
            of_mean = self._side(
                replace(self.base, kernel_dtype=sizes.dtype, kernel_weak=False, double_taps=False, result=part,
                        nan_policy="propagate"), sizes)  # fmt: skip
            of_moved = self._side(
                replace(ends, kernel_dtype=taps.dtype, result=self._in_type(taps[:0]).dtype), taps
            )
            used += [(of_mean, sizes), (of_moved, taps)]
        spectral = any(how.choose(kernel).way.method == "spectral" for how, kernel in used)

        total = self._at_outputs(sizes, self.real)
        gone = of_gone.run(mask, sizes, None, self.workers).reshape(-1)
        met = count = None
        if spectral:
            hit = (sizes != 0).view(np.uint8)
            counting = replace(ends, kernel_dtype=hit.dtype, result=np.dtype(np.int32), method="auto")
            count = recipe(counting).run(mask, hit, None, self.workers).reshape(-1)
        elif bool((gone > total / 2).any()):
            inside = recipe(replace(of_gone.request, fill=np.bool_(not self.open_ends).tobytes()))
            met = inside.run(~mask, sizes, None, self.workers).reshape(-1)
        mean = of_mean.run(a, sizes, None, self.workers).reshape(-1) if of_mean else None
        moved = of_moved.run(mask, taps, None, self.workers).reshape(-1) if of_moved else None
        # Last, for it may write to the caller's array.
        same = self.base == replace(self.how.request, missing=False, return_weight=False, min_valid=0.0)
        y = recipe(self.base).run(a, k, out, self.workers, choice if same else None).reshape(-1)
        nonzero = self._at_outputs(sizes != 0, np.dtype(np.int32))
        return Sums(y, mean, moved, gone, met, count, total, nonzero), spectral

    def _side(self, request: Request, k: Array) -> Recipe:
        """By the method asked for where it takes these taps: |k| may be no outer product where k is one."""
        how = recipe(request)
        if request.method in ("separable", "spectral"):
            try:
                how.choose(k)
            except FaltungValueError:
                return recipe(replace(request, method="auto"))
        return how

    def _in_type(self, k: Array) -> Array:
        return k.astype(self.complex if k.dtype.kind == "c" else self.real)

    def _at_outputs(self, k: Array, dtype: DType) -> Array:
        """The sum of a kernel's taps: one number, or one for every output where kernels differ."""
        request = self.how.request
        wide = np.longdouble if k.dtype.kind == "f" else np.uint64
        along = tuple(i for i, axis in enumerate(request.kernel_axes) if axis in request.axes)
        sums = k.sum(axis=along, dtype=wide, keepdims=len(along) < k.ndim).astype(dtype)
        return sums if sums.ndim == 0 else np.broadcast_to(sums, self.how.out_shape).reshape(-1)

    # -- the formula -----------------------------------------------------------------------------------------

    def _finish(self, sums: Sums, weight: Array, at: slice) -> None:
        """Turns N into the result and fills in the weight, for some of the outputs."""
        y, gone = sums.y[at], sums.gone[at]
        total, taps = (x if x.ndim == 0 else x[at] for x in (sums.total, sums.taps))
        full = none = None
        if sums.count is not None:
            full, none = sums.count[at] == 0, sums.count[at] == taps
            gone = np.where(full, 0, np.where(none, total, np.clip(gone, 0, total)))
        met = total - gone
        if sums.met is not None:
            met = np.where(gone > total / 2, sums.met[at], met)
        mean = _by_parts(np.divide, y if sums.mean is None else sums.mean[at], met)
        rest = _by_parts(np.multiply, mean, gone if sums.moved is None else sums.moved[at])
        if none is not None:
            rest[none] = np.nan
        if full is not None or np.isnan(rest).any():  # infinity · 0
            rest[gone == 0] = 0
        share = met / total
        if np.isnan(share).any():  # all taps are 0
            share[gone == 0] = 1
        y += rest
        low = share < self.how.request.min_valid - error_units(self.how.terms) * np.finfo(self.real).eps / 2
        if low.any():
            y[low] = np.nan
        if not self.finite:
            y[gone != 0] = share[gone != 0] = np.nan
        weight[at] = share


def one_sign(k: Array) -> bool:
    """Whether no two taps are of different signs; a NaN among them has none."""
    return k.dtype.kind != "c" and bool((k >= 0).all() or (k <= 0).all())


def magnitudes(k: Array, real: DType) -> Array:
    """|k|: unsigned integers for integers, else of type `real`; 1 for what is not finite."""
    if k.dtype.kind in "bu":
        return k.view(np.uint8) if k.dtype.kind == "b" else k
    if k.dtype.kind == "i":
        return np.abs(k).view(f"u{k.dtype.itemsize}")  # of the least number too
    sizes = np.abs(k if k.dtype.kind == "c" else k.astype(real)).astype(real)
    return np.where(np.isfinite(sizes), sizes, real.type(1))


def _by_parts(operation: Any, z: Array, x: Array) -> Array:
    """`operation(z, x)`; a real operand meets both parts of a complex one, which NumPy would make complex."""
    if z.dtype.kind == x.dtype.kind:
        return np.asarray(operation(z, x))
    if z.dtype.kind != "c":  # only products
        return _by_parts(operation, x, z)
    parts = operation(z.view(x.dtype).reshape(-1, 2), x[:, None])
    return np.asarray(parts.reshape(-1).view(z.dtype))

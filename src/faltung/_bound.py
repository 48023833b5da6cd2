"""The promise in numbers: the largest error that each output may have for given samples.

    B u S + n t             every method, with B = 1.1 min(n, 256) + ceil(n / 256) + 20
    + c X Σ|k|              spectral: c = 2^-44 by float64, 2^-14 by float32
    + half a last place     where the result's type is not the one that sums

S is Σ|x||k| over the window, X the largest |x| in the samples that may share a block with it. Beside a gap in
the data the first is 3 (B + 3) u S / weight, and the second 4 / weight times as large.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._bound_terms import (
    Block,
    absolute,
    fill_of,
    largest_nearby,
    largest_results,
    of_transforms,
    per_output,
    plain,
    sums_of_sizes,
)
from ._dtype import is_integer, part
from ._precision import error_units
from ._recipe import Recipe
from ._weighted import Weighted, fill_is_missing

Array: TypeAlias = NDArray[Any]
Mask: TypeAlias = NDArray[np.bool_]

_EXACT_SUM = 2.0**53


class _Store(NamedTuple):
    """What a result type loses of a sum: a share of its size, at least so much; from where it is infinite."""

    share: float
    least: float
    end: float


_STORES = {
    "float16": _Store(2.0**-11, 2.0**-25, 65520.0),
    "bfloat16": _Store(2.0**-8, 2.0**-134, float.fromhex("0x1.ffp127")),
    "float32": _Store(2.0**-24, 2.0**-150, float.fromhex("0x1.ffffffp127")),
}


def error_bound(
    how: Recipe,
    x: Array,
    k: Array,
    method: str,
    block: Block | None,
    precision: str,
    mask: Mask | None = None,
) -> Array:
    """The bound for each output of a recipe on samples `x` and taps `k`, in units of the result.

    `block` holds the points of a spectral block along the convolved axes, in ascending order of the axes;
    where `mask` is true, a sample is missing. Where nothing is promised the bound is infinite: a window with
    a sample that is not finite, or with too few; a sum that the type that sums, or a result that its own type
    might not hold.
    """
    request = how.request
    gone: Mask = np.zeros(x.shape, np.bool_) if mask is None else mask
    if request.nan_policy == "omit" and not is_integer(request.dtype):
        gone = gone | np.isnan(x)
    gaps = request.missing and (fill_is_missing(request) or bool(gone.any()))
    if not how.size or (how.exact and is_integer(how.out_dtype) and not gaps):
        return np.zeros(how.out_shape)
    with np.errstate(all="ignore"):
        if gaps:
            bound, largest = _beside_gaps(how, x, k, gone)
        else:
            bound, largest = _complete(how, x, k, method, block, precision)
        bound = _stored(how, bound, largest)
        return np.where(np.isfinite(bound), bound, np.inf)


def _complete(
    how: Recipe, x: Array, k: Array, method: str, block: Block | None, precision: str
) -> tuple[Array, Array]:
    """The bound of the sums, and |y| where the store asks for it."""
    samples, taps = absolute(x), absolute(k)
    sizes = sums_of_sizes(how, samples, taps, absolute(fill_of(how)), method)
    if how.exact:
        most = float(samples.max(initial=0)) * float(taps.sum())
        bound = 0 * sizes if most <= _EXACT_SUM else error_units(how.terms) * 2.0**-53 * sizes
    else:
        n = how.terms + (len(how.lengths) if method == "separable" else 0)
        bound = error_units(n) * _unit(how) * sizes + _subnormal(how, n)
        if method == "spectral" and block:
            double = how.double or precision == "highest"
            bound = bound + of_transforms(largest_nearby(how, samples, block), per_output(how, taps), double)
    bound = np.where(sizes + bound < _end(how), bound, np.inf)
    return bound, largest_results(how, x, k, sizes) if _store(how) else sizes


def _beside_gaps(how: Recipe, x: Array, k: Array, mask: Mask) -> tuple[Array, Array]:
    """The same where samples are missing."""
    weighted, taps = Weighted(how, k, None), absolute(k)
    samples = absolute(np.where(mask, x.dtype.type(0), x))
    outside, asked = np.array([weighted.open]), (taps != 0).astype(np.int64)
    fill = np.zeros(1) if weighted.open else absolute(fill_of(how))
    met = plain(how, mask, taps, ~outside, "auto").run(~mask, taps, None, None)
    gone = plain(how, mask, taps, outside, "auto").run(mask, taps, None, None)
    count = plain(how, mask, asked, outside, "auto").run(mask, asked, None, None)
    weight = np.clip(met / (met + gone), 0, 1)
    sizes = sums_of_sizes(how, samples, taps, fill, "spectral" if weighted.spectral else "direct")
    n = how.terms + (0 if how.request.method in ("direct", "reference") else len(how.lengths))
    tiny = n * (2.0**-125 if _unit(how) == 2.0**-24 else 2.0**-1021)
    units = error_units(n)
    whole = units * _unit(how) * sizes + _subnormal(how, n)
    bound = np.where(count == 0, whole, 3 * (units + 3) * _unit(how) * (sizes + tiny) / weight)
    if weighted.spectral:
        nearby = _nearby(weighted, samples, taps)
        added = of_transforms(nearby, per_output(how, taps), True)
        bound = bound + np.where(count == 0, 1, 4 / weight) * added
    enough = weight >= how.request.min_valid + 2 * (units + 3) * _unit(how) * (count > 0)
    bound = np.where(enough & (sizes / weight + bound < _end(how)), bound, np.inf)
    return bound, sizes / weight


def _nearby(weighted: Weighted, samples: Array, taps: Array) -> Array:
    """X over the blocks of all convolutions that see the samples."""
    found = largest_nearby(weighted.of_y, samples, (1,) * len(weighted.of_y.lengths))
    for side in (weighted.of_y, weighted.of_mean):
        way = side.choose(taps).way if side else None
        if side and way and way.method == "spectral":
            found = np.maximum(found, largest_nearby(side, samples, way.block))
    return found


def _unit(how: Recipe) -> float:
    return 2.0**-53 if how.double or how.exact else 2.0**-24


def _subnormal(how: Recipe, n: int) -> float:
    """What subnormal products lose: n t, rounded up."""
    return (n // 2 + 1) * 2.0**-1074 if _unit(how) == 2.0**-53 else n * 2.0**-150


def _end(how: Recipe) -> float:
    """The largest number of the type that sums."""
    return float(np.finfo(np.float64 if how.double or how.exact else np.float32).max)


def _store(how: Recipe) -> _Store | None:
    """What the result's type loses, where it is narrower than the sums."""
    store = _STORES.get(part(how.out_dtype).name)
    return None if store is _STORES["float32"] and not (how.double or how.exact) else store


def _stored(how: Recipe, bound: Array, largest: Array) -> Array:
    """The bound with what the type of the result loses."""
    store = _store(how)
    if is_integer(how.out_dtype) or store is None:
        return bound + 0.5 if is_integer(how.out_dtype) else bound
    size = largest + bound
    parts = 2 if how.out_dtype.kind == "c" else 1
    return np.where(size < store.end, bound + store.share * size + parts * store.least, np.inf)

"""The choice of method, in one place: what may run, what it costs, what is taken.

A way is one method with all that the core must be told. Which ways are possible depends on the request alone,
but for the separable method, which depends on the taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _core, _tuning
from ._dtype import integer_range, is_integer
from ._errors import FaltungValueError
from ._factor import Factors, split, take
from ._precision import error_units
from ._spectral import Blocks, Work, choose_blocks, rounds_to_exact

if TYPE_CHECKING:
    from ._recipe import Recipe

Array: TypeAlias = NDArray[Any]
Known: TypeAlias = Sequence[Array] | None

LANES = {"amx": 64, "avx512": 64, "avx2": 32, "baseline": 16}  # bytes of a vector
MAX_TERMS = 3
TOLERANCE = 16.0  # units that a tap may be off, such as those of exp(-(x² + y²)) computed in one


class Way(NamedTuple):
    """A method, the type that computes by it, and what else the core is told."""

    method: str
    compute: str
    seconds: float
    extra_bytes: int  # a thread
    terms: int = 1
    block: tuple[int, ...] = ()
    folded: bool = False
    local: bool = False
    spectrum: int = 0  # bytes, once


class Choice(NamedTuple):
    """The way that was taken; the factors of the kernel where it runs on them; whether a plan keeps it."""

    way: Way
    factors: Array | None = None
    keep: bool = False


class Refusal(NamedTuple):
    """A method that cannot run or may not, and why."""

    method: str
    reason: str


def choose(how: Recipe, k: Array, keep: bool = False, known: Known = None) -> Choice:
    """The fastest way that keeps the promise, or the one that was asked for.

    `keep` where the taps stay the same over many runs; `known` are the factors that the kernel came with.

    Raises
    ------
    FaltungValueError
        The method asked for cannot compute this, or not to the precision.
    """
    asked = how.request.method
    if asked in ("direct", "reference"):
        return Choice(plain(how, asked), keep=keep)
    if not how.size or not how.spec:  # nothing to choose
        return Choice(plain(how, "direct"), keep=keep)
    if asked == "auto":
        return _fastest(how, k, known)._replace(keep=keep)
    found = separable(how, k, known) if asked == "separable" else spectral(how, k)
    if isinstance(found, Refusal):
        raise FaltungValueError(f"`method` (={asked!r}) {found.reason}; use 'auto' or 'direct'.")
    return found._replace(keep=keep)


def _fastest(how: Recipe, k: Array, known: Known) -> Choice:
    best = Choice(plain(how, "direct"))
    if best.way.seconds < _tuning.SHORT_SECONDS:
        return best
    other = spectral(how, k)
    if isinstance(other, Choice) and other.way.seconds < best.way.seconds:
        best = other
    if how.needs_kernel and _may_gain(how, best.way.seconds):
        factored = separable(how, k, known)
        if isinstance(factored, Choice) and factored.way.seconds < best.way.seconds:
            best = factored
    return best


def needs_kernel(how: Recipe) -> bool:
    """Whether the choice depends on the values of the taps, not only on the request."""
    asked = how.request.method
    if asked != "auto":
        return asked == "separable" or (asked == "spectral" and how.exact)
    if how.direct_seconds < _tuning.CHOICE_SECONDS or not how.spec:
        return False
    return how.exact or _may_gain(how, how.direct_seconds)


def candidates(how: Recipe, k: Array, known: Known = None) -> tuple[Choice | Refusal, ...]:
    """What every method would be."""
    direct, reference = (Choice(plain(how, method)) for method in ("direct", "reference"))
    if not how.spec or not how.size:
        return direct, reference
    return direct, separable(how, k, known), spectral(how, k), reference


def plain(how: Recipe, method: str) -> Way:
    """The direct method, or the definition."""
    if method == "reference":
        return Way("reference", "", how.reference_seconds, 0)
    return Way("direct", "", how.direct_seconds, _tuning.DIRECT_BYTES)


# -- separable -----------------------------------------------------------------------------------------------


def _may_gain(how: Recipe, seconds: float) -> bool:
    """Whether the separable method could, for the best of kernels, win more than a look at them costs."""
    if sum(n > 1 for n in how.lengths) < 2 or _why_not_separable(how):
        return False
    return separable_seconds(how, 1) < seconds - _tuning.SPLIT_SECONDS


def separable(how: Recipe, k: Array, known: Known = None) -> Choice | Refusal:
    """The separable method for these taps."""
    reason = _why_not_separable(how)
    if reason:
        return Refusal("separable", reason)
    kernel = how.kernel_of(k)
    factors = known and _take(how, kernel, known)
    factors = factors or split(kernel, _unit(how), MAX_TERMS, tolerance=TOLERANCE)
    if factors is None:
        shape = "x".join(map(str, kernel.shape))
        return Refusal(
            "separable", f"needs a kernel that is a sum of at most {MAX_TERMS} outer products; these {shape} "
            "taps are none, to the last digits"
        )  # fmt: skip
    terms = len(factors.terms)
    if how.exact:
        compute = _exact_compute(how, factors)
        if compute is None:
            return Refusal("separable", "would round these integers on the way")
    else:
        compute = how.compute
        if not _keeps(how, factors):
            return Refusal("separable", f"cannot keep `precision` {how.request.precision!r} with these taps")
    flip = slice(None, None, -1) if how.request.flip else slice(None)
    taps = np.concatenate([factor[flip] for term in factors.terms for factor in term])
    seconds = separable_seconds(how, terms)
    return Choice(Way("separable", compute, seconds, _tuning.SEPARABLE_BYTES, terms), taps)


def separable_seconds(how: Recipe, terms: int) -> float:
    """Predicted time of the separable method on one thread."""
    each, tap = _tuning.SEPARABLE_TAP[how.part_bytes]
    samples = how.size * (2 if how.complex[0] else 1)
    work = samples * terms * sum(each + tap * n for n in how.lengths if n > 1)
    return _tuning.CALL_SECONDS + _tuning.SEPARABLE_SECONDS + max(work, how.traffic / _tuning.COPY_RATE)


def _why_not_separable(how: Recipe) -> str | None:
    if how.complex[1]:
        return "takes real taps only"
    if len(how.request.kernel_axes) != len(how.request.axes) and any(
        n > 1 for axis, n in how.kernel_at.items() if axis not in how.request.axes
    ):
        return "takes one kernel, not a batch of them"
    return None


def _unit(how: Recipe) -> float:
    """Of the type that sums: factors need be no better."""
    return 2.0**-24 if how.compute == "f32" and not how.exact else 2.0**-53


def _take(how: Recipe, kernel: Array, known: Sequence[Array]) -> Factors | None:
    axes = how.request.kernel_axes
    return take(kernel, [known[axes.index(axis)] for axis in sorted(how.request.axes)], _unit(how))


def _keeps(how: Recipe, factors: Factors) -> bool:
    """Chains along every axis, the rounding of the factors, and their error, against the promise."""
    chains = sum(min(n, 256) + ceil(n / 256) + 1 for n in how.lengths)
    units = (chains + factors.error) * factors.growth + len(factors.terms)
    return units <= error_units(how.terms + len(how.lengths))


def _exact_compute(how: Recipe, factors: Factors) -> str | None:
    """The type in which no sum of products of whole factors is ever rounded."""
    if factors.error or not factors.whole:
        return None
    total = sum(prod(float(np.abs(factor).sum()) for factor in term) for term in factors.terms)
    largest = total * _largest_sample(how)
    if largest <= 2.0**24 and not how.double:
        return "f32"
    return "f64" if largest <= 2.0**53 else None


def _largest_sample(how: Recipe) -> float:
    low, high = integer_range(how.request.dtype)
    return float(max(-low, high, 1))


# -- spectral ------------------------------------------------------------------------------------------------


def spectral(how: Recipe, k: Array) -> Choice | Refusal:
    """The spectral method; its time holds the spectrum's, also for plans: they take the method of calls."""
    tiling = how.tiling
    if tiling is None:
        return Refusal("spectral", "finds no block that fits in memory")
    double = spectral_double(how)
    if how.exact:
        reason = _why_not_exact(how, k, tiling)
        if reason:
            return Refusal("spectral", reason)
    small = prod(how.request.kernel_shape) * how.request.kernel_dtype.itemsize <= _tuning.KEPT_KERNEL_BYTES
    seconds = _tuning.CALL_SECONDS + tiling.seconds + (0 if small else tiling.spectrum_seconds)
    for samples, dtype in ((prod(how.request.shape), how.request.dtype), (how.size, how.out_dtype)):
        seconds += samples * _tuning.SPECTRAL_CONVERT if is_integer(dtype) else 0
    way = Way(
        "spectral", "f64" if double else "f32", seconds, tiling.scratch, 1, tiling.block, tiling.folded,
        double, tiling.spectrum,
    )  # fmt: skip
    return Choice(way)


def spectral_double(how: Recipe) -> bool:
    """Whether the transforms run in float64: float32 only where the precision is not the highest."""
    return how.double or how.exact or how.request.precision == "highest"


def blocks(how: Recipe) -> Blocks | None:
    """The tiling of the spectral method."""
    request, spec = how.request, how.spec
    if spec is None or not how.size:
        return None
    order = sorted(range(len(request.axes)), key=request.axes.__getitem__)  # as the core orders axes
    long = [i for i in order if spec.kernel_size[i] > 1] or order[-1:]  # the others are a batch
    item = 8 if spectral_double(how) else 4
    work = Work(
        outputs=tuple((spec.output_size[i] - 1) * request.stride[i] + 1 for i in long),
        reach=tuple((spec.kernel_size[i] - 1) * request.dilation[i] + 1 for i in long),
        batch=how.size // prod(spec.output_size[i] for i in long),
        channels=_channels(how, max(request.axes[i] for i in long)),
        item=item,
        pairs=not how.complex[0],
        lanes=LANES[_core.isa()] // item,
    )
    most = max(_tuning.LEAST_SCRATCH, how.size * how.out_dtype.itemsize // 4)  # two threads: half the output
    found = choose_blocks(work, most)
    if found is None or len(long) == len(order):
        return found
    points = dict(zip(long, found.block, strict=True))
    return found._replace(block=tuple(points.get(i, 1) for i in order))


def _channels(how: Recipe, last: int) -> int:
    """Lines that lie side by side in the result, behind the last convolved axis."""
    return prod(how.out_shape[last + 1 :])


def _why_not_exact(how: Recipe, k: Array, tiling: Blocks) -> str | None:
    if is_integer(k.dtype) and how.request.dtype.itemsize <= 4:
        taps = np.abs(k.astype(np.float64))  # beyond 2^53 the sum alone is too large
        largest = _largest_sample(how)
        if rounds_to_exact(tiling.block, largest, float(taps.sum()), float(np.sqrt((taps * taps).sum()))):
            return None
    return "cannot promise these integers exact"


def layout(way: Way) -> str:
    """How the blocks of a spectral way lie in the vectors."""
    if way.folded:
        return "a block at a time, in four steps"
    return "a lane holds a block" if sum(n > 1 for n in way.block) < 2 else "a block at a time"

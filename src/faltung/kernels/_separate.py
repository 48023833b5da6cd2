"""`separate`: a kernel as a sum of outer products, to the last digits or as near as so many terms come."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import frexp, prod
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from faltung._errors import FaltungValueError
from faltung._factor import split
from faltung._kernel import Kernel, Taps
from faltung._normalize import normalize_int
from faltung._outer import Array, Term, missing, outer, relative_error

_SWEEPS = 1000  # of alternating least squares: sums of similar terms need hundreds


class TapError(NamedTuple):
    """How far the worst tap is off: as a number, and relative to the tap itself."""

    absolute: float
    relative: float


@dataclass(frozen=True, eq=False, repr=False)
class Separation:
    """A kernel as a sum of outer products of 1-D factors; `numpy.asarray` multiplies them out.

    Parameters
    ----------
    factors : tuple of tuple of array
        ``factors[r][axis]``: the factors of term r; `Separable(*factors[r])` is the term as a kernel.
    error : TapError
        `absolute` and `relative` error of the worst tap; `relative` is inf where a tap of zero is missed.
    exact : bool
        Whether every tap is reproduced to a few units in the last place, by terms that do not cancel each
        other. `convolve` finds such factors by itself, and uses them where up to three terms are fastest.
    """

    factors: tuple[tuple[Taps, ...], ...]
    error: TapError
    exact: bool

    @property
    def rank(self) -> int:
        """Number of terms."""
        return len(self.factors)

    @property
    def shape(self) -> tuple[int, ...]:
        """Taps along each axis."""
        return tuple(len(factor) for factor in self.factors[0])

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise FaltungValueError(
                "`copy` (=False) cannot be: the taps are multiplied out from their factors."
            )
        return reduce(np.add, map(outer, self.factors)).astype(np.float64 if dtype is None else dtype)

    def __repr__(self) -> str:
        shape, work = "x".join(map(str, self.shape)), self.rank * sum(self.shape)
        kept = "every tap to" if self.exact else "no tap off by more than"
        size = f"{self.error.relative:.2g} of itself" if self.exact else f"{self.error.absolute:.2g}"
        return (
            f"rank {self.rank} of a {shape} kernel: {work} instead of {prod(self.shape)} products a sample, "
            f"{kept} {size}"
        )


def separate(k: Kernel | ArrayLike, *, max_terms: SupportsIndex | None = None) -> Separation:
    r"""Write a kernel as a sum of outer products, which run axis by axis.

    .. math:: k[i_0, i_1, \dots] \approx \sum_{r < R} f_{r,0}[i_0]\, f_{r,1}[i_1] \cdots

    Parameters
    ----------
    k : Kernel or array_like
        Real, finite taps of any rank. Integers get integer factors where they exist.
    max_terms : int, optional
        Largest number R of terms; by default as many as the taps need.

    Returns
    -------
    Separation
        The factors, their error, and whether they are exact to the last digits.

    Raises
    ------
    FaltungTypeError
        The taps are not real numbers that int64 or float64 holds.
    FaltungValueError
        A tap is not finite, or there are none.

    Notes
    -----
    Where no few terms reproduce every tap, those of the singular value decomposition are returned. In two
    axes no other R terms have a smaller sum of squared errors; in more axes they are improved by alternating
    least squares, and better ones may exist. Such terms are an approximation to use knowingly: `convolve`
    never takes them by itself. To use them, add up the convolutions with `Separable(*factors[r])`.

    References
    ----------
    S. Treitel, J. L. Shanks, "The design of multistage separable planar filters", IEEE Transactions on
    Geoscience Electronics 9 (1971); T. G. Kolda, B. W. Bader, "Tensor decompositions and applications", SIAM
    Review 51 (2009).

    Examples
    --------
    >>> import numpy as np, faltung as fl
    >>> fl.kernels.separate(fl.kernels.unsharp(2))
    rank 2 of a 17x17 kernel: 68 instead of 289 products a sample, every tap to ...e-16 of itself
    >>> found = fl.kernels.separate(fl.kernels.disk(4), max_terms=3)
    >>> found
    rank 3 of a 9x9 kernel: 54 instead of 81 products a sample, no tap off by more than 0.0015
    >>> found.exact, bool(abs(np.asarray(found) - fl.kernels.disk(4)).max() < 0.002)
    (False, True)
    """
    given = np.asarray(k.taps if isinstance(k, Kernel) else k)
    kernel = k if isinstance(k, Kernel) else Kernel(given)
    limit = None if max_terms is None else normalize_int("max_terms", max_terms, 1)
    if not np.isfinite(kernel.taps).all():
        raise FaltungValueError("`k` must have finite taps to be separated.")
    unit = 2.0**-24 if given.dtype in (np.float32, np.float16) else 2.0**-53
    if kernel.factors is not None:
        return _separation(kernel, [kernel.factors], True)
    found = split(kernel.taps, unit, limit or kernel.taps.size)
    if found is not None:
        whole = kernel.dtype.kind == "i" and found.whole
        terms = [tuple(f.astype(np.int64) if whole else f for f in term) for term in found.terms]
        return _separation(kernel, terms, True)
    taps = kernel.taps.astype(np.float64)
    exponent = _exponent(taps)
    near = _by_singular_values(np.ldexp(taps, -exponent), limit, unit)
    return _separation(kernel, [(*term[:-1], np.ldexp(term[-1], exponent)) for term in near], False)


def _separation(kernel: Kernel, terms: list[tuple[Taps, ...]], exact: bool) -> Separation:
    for term in terms:
        for factor in term:
            factor.setflags(write=False)
    taps = kernel.taps.astype(np.float64)
    exponent = _exponent(taps)
    scaled = np.ldexp(taps, -exponent)  # so that products of products stay finite
    misses = missing(scaled, [_scaled(term, -exponent) for term in terms], 2.0**-53)
    error = TapError(float(np.ldexp(np.abs(misses).max(), exponent)), relative_error(scaled, misses))
    return Separation(tuple(terms), error, exact)


def _scaled(term: tuple[Taps, ...], exponent: int) -> Term:
    """The factors of a term times 2^exponent, all but the last of a size near 1."""
    parts = []
    for factor in term[:-1]:
        up = _exponent(factor)
        parts.append(np.ldexp(factor.astype(np.float64), -up))
        exponent += up
    return (*parts, np.ldexp(term[-1].astype(np.float64), exponent))


def _exponent(taps: Taps) -> int:
    return frexp(float(np.abs(taps).max()))[1]


def _by_singular_values(k: Array, limit: int | None, unit: float) -> list[Term]:
    """Terms by decreasing size, from nested singular value decompositions; improved if some are left out."""
    weighted = sorted(_nested(k, unit), key=lambda pair: -pair[0])
    terms = [term for weight, term in weighted if weight > unit * weighted[0][0]]
    if limit is None or len(terms) <= limit:
        return terms
    return terms[:limit] if k.ndim == 2 else _improved(k, terms[:limit])


def _nested(k: Array, unit: float) -> list[tuple[float, Term]]:
    """Pairs of size and term that sum to `k`: the first axis against the others, then those in their turn."""
    if k.ndim == 1:
        return [(float(np.linalg.norm(k)), (k,))]
    left, sizes, right = np.linalg.svd(k.reshape(len(k), -1), full_matrices=False)
    pairs = []
    for column, size, row in zip(left.T, sizes, right, strict=True):
        if size <= 2 * unit * sizes[0]:
            break
        sign = np.sign(column[np.abs(column).argmax()])
        for weight, term in _nested((sign * size * row).reshape(k.shape[1:]), unit):
            pairs.append((weight, (sign * column, *term)))
    return pairs


def _improved(k: Array, terms: list[Term]) -> list[Term]:
    """Alternating least squares: the best factors along one axis given the others, over and over."""
    factors = [np.stack(columns, axis=1) for columns in zip(*terms, strict=True)]
    before, misses = np.inf, k
    for _ in range(_SWEEPS):
        for axis in range(k.ndim):
            others = [factor for at, factor in enumerate(factors) if at != axis]
            products = reduce(lambda a, b: (a[:, None] * b[None]).reshape(-1, a.shape[1]), others)
            unfolded = np.moveaxis(k, axis, 0).reshape(k.shape[axis], -1)
            factors[axis] = np.linalg.lstsq(products, unfolded.T, rcond=None)[0].T
            misses = unfolded - factors[axis] @ products.T
        size = float(np.linalg.norm(misses))
        if size > before * (1 - 1e-6):
            break
        before = size
    return [tuple(np.ascontiguousarray(factor[:, r]) for factor in factors) for r in range(len(terms))]

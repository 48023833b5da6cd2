"""Splits a kernel into a few outer products of 1-D factors, so that it can run axis by axis.

    k[i, j, ...] = Σ_r u_r[i] · v_r[j] · ...

Where all rows (slices, in more axes) are combinations of a few of them, those few are the factors of the
other axes, and the coefficients of the combinations that of the first. The few are taken from the corners of
the cone that all rows span: coefficients then have one sign wherever they can, and terms of one sign do not
cancel.

A split counts here only if it reproduces every tap, small or large, to a few units in the last place: what an
output may be off is measured in the sum of the absolute products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import frexp, inf, isfinite
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._outer import Array, Term, growth, missing, outer, relative_error

_GROWTH = 2.0  # largest Σ_r|u_r||v_r| / |k|: more would multiply the rounding of the passes
_WHOLE = 2.0**53  # float64 holds every integer up to here
_RANGE = 2.0**-960  # ratio of the smallest tap to the largest, below which products lose digits
_COARSE = 1.0  # a unit for which plain products do
_PROBE = 4  # rows and columns that are looked at first


class _Goal(NamedTuple):
    """What a split must keep."""

    unit: float
    tolerance: float
    whole: bool  # integer factors, without any error


@dataclass(frozen=True)
class Factors:
    r"""Outer products whose sum is a kernel.

    Parameters
    ----------
    terms : tuple of tuple of array
        ``terms[r][axis]`` is a 1-D float64 array.
    error : float
        No tap is further off: \|sum - k\| / (unit \|k\|), and taps of zero are zero.
    growth : float
        Largest Σ_r of absolute products / \|k\| of all taps; 1 for one term.
    """

    terms: tuple[Term, ...]
    error: float
    growth: float

    @property
    def whole(self) -> bool:
        """Whether every factor consists of integers, so that sums of integers stay exact."""
        return all(bool((factor == np.rint(factor)).all()) for term in self.terms for factor in term)


def split(
    taps: NDArray[Any], unit: float, max_terms: int = 3, *, tolerance: float | None = None
) -> Factors | None:
    """The split with the fewest terms that keeps every tap, or None.

    Parameters
    ----------
    taps : array
        Real taps of any rank. Integers get integer factors where they exist, and then no error.
    unit : float
        Unit roundoff of the arithmetic, 2^-24 or 2^-53. Factors are float64 all the same: rounding them to
        float32 adds one unit for each axis, times the growth.
    max_terms : int
        How many outer products to allow; no more than take fewer products than the kernel itself, but one.
    tolerance : float, optional
        How far a tap may be off, in units of `unit` times the tap; by default 4 for every product in a term.

    Returns
    -------
    Factors or None
        With an error of at most `tolerance` and a growth of at most 2. The factors of floating-point taps are
        scaled by powers of two: all but that of the last axis reach an absolute value in (1/4, 1/2].

    Examples
    --------
    >>> import numpy as np
    >>> split(np.array([[1, 2, 1], [2, 4, 2]]), 2**-53)
    Factors(terms=((array([1., 2.]), array([1., 2., 1.])),), error=0.0, growth=1.0)
    >>> split(np.array([[1.0, 2.0], [2.0, 4.001]]), 2**-53) is None
    True
    """
    if taps.dtype.kind not in "iuf" or not taps.size or not taps.ndim:
        return None
    k = taps.astype(np.float64, order="C")
    if tolerance is None:
        tolerance = 4.0 * max(1, k.ndim - 1)
    peak = float(max(k.max(), -k.min()))
    if not isfinite(peak) or (taps.dtype.kind != "f" and peak >= _WHOLE):
        return None
    allowed = max(1, min(max_terms, (k.size - 1) // sum(k.shape)))
    if peak == 0:
        return Factors((tuple(np.zeros(n) for n in k.shape),), 0.0, 1.0)
    exponent = frexp(peak)[1]
    if k.ndim > 1 and _probe(k, allowed, peak * 1e3 * tolerance * unit):
        return None
    whole = peak < _WHOLE and bool((k == np.rint(k)).all())
    if not whole:
        k = np.ldexp(k, -exponent)
    if np.abs(k[k != 0]).min() < _RANGE * (peak if whole else 1.0):
        return None
    with np.errstate(all="ignore"):  # a step that fails gives NaN, and a split with NaN is no split
        found = _split(k, allowed, _Goal(unit, tolerance, True)) if whole else None
        found = found or _split(k, allowed, _Goal(unit, tolerance, False))
        if found is None or taps.dtype.kind != "f":
            return found
        return _scaled(found, 0 if whole else exponent)


def take(taps: NDArray[Any], factors: Sequence[NDArray[Any]], unit: float) -> Factors | None:
    """Factors that come with a kernel, scaled as `split` does; None where they miss its taps.

    Examples
    --------
    >>> import numpy as np
    >>> take(np.array([[0.25, 0.5]]), (np.array([0.5]), np.array([0.5, 1.0])), 2**-53).error
    0.0
    """
    term = tuple(factor.astype(np.float64) for factor in factors)
    whole = all(factor.dtype.kind in "iu" for factor in factors)
    k = taps.astype(np.float64)
    with np.errstate(all="ignore"):
        error = relative_error(k, missing(k, [term], unit)) / unit
    if not error <= 4.0 * max(1, k.ndim - 1) or not all(factor.any() for factor in term):
        return None
    found = Factors((term,), error, 1.0)
    return found if whole else _scaled(found, 0)


def _split(k: Array, allowed: int, goal: _Goal, inner: bool = False) -> Factors | None:
    """`split` without the scaling, of taps that are neither all zero nor out of range.

    One term of an `inner` slice is taken as it comes: the kernel's own measure judges, and betters, it too.
    """
    if k.ndim == 1:
        return Factors(((k,),), 0.0, 1.0)
    for axis in range(k.ndim):
        rows = _unfolded(k, axis)
        corners = _corner_rows(rows, allowed, 1e3 * goal.tolerance * goal.unit)
        if corners is None:
            return None  # the rank of any unfolding bounds the number of terms
        found = _from_rows(k, axis, rows, corners, allowed, goal, inner and len(corners) == 1)
        if found is not None or (len(corners) == 1 and k.ndim == 2):
            return found
    return None


def _from_rows(
    k: Array, axis: int, rows: Array, corners: list[int], allowed: int, goal: _Goal, inner: bool
) -> Factors | None:
    """The split with slices of the kernel across `axis`, which are split in their turn."""
    basis = rows[corners]
    if goal.whole:
        basis = basis / np.gcd.reduce(basis.astype(np.int64), axis=1)[:, None]
    coefficients = _coefficients(rows, basis, goal.unit)
    if coefficients is None:
        return None
    terms: list[Term] = []
    spare = allowed - len(corners)
    for row, column in zip(basis, coefficients.T, strict=True):
        part = _split(row.reshape(k.shape[:axis] + k.shape[axis + 1 :]), 1 + spare, goal, True)
        if part is None:
            return None
        spare -= len(part.terms) - 1
        terms += [(*term[:axis], column, *term[axis:]) for term in part.terms]
    if inner and len(terms) == 1:
        return Factors(tuple(terms), 0.0, 1.0)
    if not goal.whole:
        return _refined(k, terms, goal)
    whole = [tuple(np.rint(factor) for factor in term) for term in terms]
    size = growth(k, whole)
    exact = size <= _GROWTH and not missing(k, whole, _COARSE).any()  # integers have exact products
    return Factors(tuple(whole), 0.0, size) if exact else None


def _probe(k: Array, allowed: int, floor: float) -> bool:
    """Whether a few taps prove that no sum of `allowed` outer products is near: the cheap way out.

    Gaussian elimination with full pivoting on up to 4×4 taps beside the largest, on one side of it, since
    symmetric kernels repeat their rows. More pivots above the `floor` than terms are a proof.
    """
    height = len(k)
    width = k.size // height
    row, column = divmod(int(np.abs(k).argmax()), width)
    rows = [(row + n * max(1, height // 8)) % height for n in range(min(_PROBE, height))]
    columns = [(column + n * max(1, width // 8)) % width for n in range(min(_PROBE, width))]
    flat = k.reshape(-1)
    left = flat[[[r * width + c for c in columns] for r in rows]].tolist()
    for _ in range(allowed):
        pivot, i, j = max((abs(tap), i, j) for i, line in enumerate(left) for j, tap in enumerate(line))
        if pivot <= floor:
            return False
        first = left.pop(i)
        top = first.pop(j)
        if not first or not left:
            return False
        for line in left:
            factor = line.pop(j) / top
            line[:] = [tap - factor * other for tap, other in zip(line, first, strict=True)]
    return any(abs(tap) > floor for line in left for tap in line)


def _corner_rows(rows: Array, allowed: int, floor: float) -> list[int] | None:
    """Rows that the others are combinations of, at most `allowed`; of positive rows the extreme ones.

    Rows of sum 1 lie in a simplex, if k is a sum of few positive products; the point furthest from the origin
    is a corner of it, and so is the next once the first is projected away (the successive projection
    algorithm: Araújo et al., Chemometrics and Intelligent Laboratory Systems 57, 2001).
    """
    sums = np.abs(rows).sum(axis=1)
    left = rows / np.where(sums > 0, sums, 1)[:, None]
    start = np.einsum("ij,ij->i", left, left)
    least = floor**2 * start
    corners: list[int] = []
    while True:
        sizes = np.einsum("ij,ij->i", left, left)
        sizes[sizes <= least] = 0
        i = int(sizes.argmax())
        if sizes[i] == 0:
            return corners
        if len(corners) == allowed:
            return None
        corners.append(i)
        direction = left[i] / np.sqrt(sizes[i])
        left = left - np.outer(left @ direction, direction)
        left[i] = 0


def _coefficients(rows: Array, basis: Array, unit: float) -> Array | None:
    """The c of rows = c · basis, by least squares of the relative error of every tap."""
    if len(basis) == 1:
        j = int(np.abs(basis[0]).argmax())
        only: Array = rows[:, j : j + 1] / basis[0, j]
        return only
    sizes = np.abs(rows)
    weights = 1 / np.where(sizes > 0, sizes, inf)
    strongest = weights.max(axis=1, keepdims=True)
    weights = np.where(sizes > 0, weights, np.where(strongest > 0, strongest, 1))
    found, live = np.zeros((len(rows), len(basis))), np.ones((len(rows), len(basis)), bool)
    for _ in range(2):  # once more for what the normal equations lose
        step = _least_squares(weights, basis, (rows - found @ basis) * weights, live)
        if step is None:
            return None
        found += step
    return _without_noise(found, basis, sizes, unit)


def _without_noise(coefficients: Array, basis: Array, sizes: Array, unit: float) -> Array:
    """The coefficients without those that no tap feels: on a tap of zero they would be an error."""
    felt = np.abs(coefficients)[:, :, None] * np.abs(basis) > 2 * unit * sizes[:, None, :]
    return np.where((felt & (sizes > 0)[:, None, :]).any(axis=2), coefficients, 0)


def _least_squares(weights: Array, basis: Array, target: Array, live: NDArray[np.bool_]) -> Array | None:
    """For every row i the x that minimizes Σ_j (target[i, j] - Σ_r x[r] basis[r, j] weights[i, j])².

    Only the x that are `live` are looked for, the others are 0.
    """
    squares = weights**2
    gram = np.einsum("ij,rj,sj->irs", squares, basis, basis, optimize=True)
    gram = np.where(live[:, :, None] & live[:, None, :], gram, np.eye(len(basis)))
    size = np.sqrt(np.einsum("irr->ir", gram))
    if not (size > 0).all() or not np.isfinite(size).all():
        return None
    scale = size[:, :, None] * size[:, None, :]
    right = np.where(live, np.einsum("ij,rj->ir", target * weights, basis), 0) / size
    try:
        solved: Array = np.linalg.solve(gram / scale, right[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        return None
    solved /= size
    return solved


def _refined(k: Array, terms: list[Term], goal: _Goal) -> Factors | None:
    """The terms after a few steps that each adjust the factors of one axis to all taps, if they then hold."""
    for step in range(3 * k.ndim):
        size = growth(k, terms)
        if size > 2 * _GROWTH:
            return None
        plain = step < k.ndim  # as cheap as it can be at first
        misses = missing(k, terms, _COARSE if plain else goal.unit)
        if plain and not misses.any():
            plain, misses = False, missing(k, terms, goal.unit)  # boxes and the like: there may be no error
        error = relative_error(k, misses) + (_plain_rounding(k, terms, size) if plain else 0)
        if error <= goal.tolerance * goal.unit and size <= _GROWTH:
            return Factors(tuple(terms), error / goal.unit, size)
        terms = _adjusted(k, terms, misses, goal.unit, step % k.ndim)
    return None


def _plain_rounding(k: Array, terms: list[Term], size: float) -> float:
    """What plain products and sums add to the error; the difference of two near numbers is exact."""
    sums = len(terms) * (1 + size) if len(terms) > 1 else 0
    return ((k.ndim - 1) * size + sums) * 2.0**-53


def _adjusted(k: Array, terms: list[Term], misses: Array, unit: float, axis: int) -> list[Term]:
    """The terms with better factors along `axis`: halfway between the extreme errors, or by least squares."""
    rows = _unfolded(k, axis)
    weights = np.where(rows != 0, 1 / rows, 0)
    relative = _unfolded(misses, axis) * weights
    if len(terms) == 1:
        middle = (relative.max(axis=1) + relative.min(axis=1)) / 2
        factors = [terms[0][axis] * (1 + middle)]
    else:
        basis = np.stack([outer(term[:axis] + term[axis + 1 :]).reshape(-1) for term in terms])
        current = np.stack([term[axis] for term in terms], axis=1)
        step = _least_squares(weights, basis, relative, current != 0)
        if step is not None:
            current = _without_noise(current + step, basis, np.abs(rows), unit)
        factors = list(np.ascontiguousarray(current.T))
    return [(*term[:axis], new, *term[axis + 1 :]) for term, new in zip(terms, factors, strict=True)]


def _unfolded(k: Array, axis: int) -> Array:
    """The kernel as a matrix: a row for every slice across `axis`."""
    return np.ascontiguousarray(np.moveaxis(k, axis, 0)).reshape(k.shape[axis], -1)


def _scaled(found: Factors, exponent: int) -> Factors | None:
    """The factors times powers of two: all but the last reach (1/4, 1/2], the last carries the size."""
    terms = []
    for term in found.terms:
        shift, parts = exponent, []
        for factor in term[:-1]:
            mantissa, up = frexp(float(np.abs(factor).max()))
            up += mantissa > 0.5
            parts.append(np.ldexp(factor, -up))
            shift += up
        parts.append(np.ldexp(term[-1], shift))
        terms.append(tuple(parts))
    if not all(np.isfinite(term[-1]).all() for term in terms):
        return None  # only beside the largest number
    return Factors(tuple(terms), found.error, found.growth)

"""Sums of outer products of 1-D factors: their taps, and what they miss of a kernel, beyond float64."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import inf
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Term: TypeAlias = tuple[Array, ...]

_COARSE = 2.0**-40  # products rounded to float64 are as good as exact for units above


def outer(factors: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The array whose entries are the products of one tap of every factor."""
    product: NDArray[Any] = reduce(np.multiply.outer, factors)
    return product


def missing(k: Array, terms: Sequence[Term], unit: float) -> Array:
    """K minus the sum of the outer products; in twice the precision unless `unit` is far above float64's.

    Examples
    --------
    >>> third = np.array([1 / 3])
    >>> missing(np.array([[1 / 9]]), [(third, third)], 2**-53)
    array([[6.1679...e-18]])
    """
    if unit > _COARSE:
        return reduce(np.subtract, map(outer, terms), k)
    left, low = k, np.zeros_like(k)
    for term in terms:
        high, rest = term[0], np.zeros(len(term[0]))
        for factor in term[1:]:
            product = high[..., None] * factor
            rest = rest[..., None] * factor + _product_error(high[..., None], factor, product)
            high = product
        difference = left - high
        back = difference - left
        low += (left - (difference - back)) - (high + back) - rest
        left = difference
    return left + low


def relative_error(k: Array, misses: Array) -> float:
    """The largest of what is missed, relative to its tap; inf if a tap of zero is missed."""
    zero = k == 0
    return inf if misses[zero].any() else float((np.abs(misses) / np.where(zero, 1, np.abs(k))).max())


def growth(k: Array, terms: Sequence[Term]) -> float:
    """The largest sum of absolute products, relative to its tap; inf if products meet on a tap of zero."""
    zero = k == 0
    if any(reduce(np.logical_and.outer, [factor != 0 for factor in term])[zero].any() for term in terms):
        return inf
    total: Array = reduce(np.add, (np.abs(outer(term)) for term in terms))
    return 1.0 if len(terms) == 1 else float((total / np.where(zero, 1, np.abs(k))).max())


def _product_error(a: Array, b: Array, product: Array) -> Array:
    """What `product` lacks of a · b, exactly, without a fused multiply-add (Veltkamp, Dekker)."""
    a_high = a * 134217729.0
    a_high = a_high - (a_high - a)
    b_high = b * 134217729.0
    b_high = b_high - (b_high - b)
    a_low, b_low = a - a_high, b - b_high
    error: Array = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return error

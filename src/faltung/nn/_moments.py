"""Sums over batch and positions for every channel, and the mean and the variance that follow from them.

Sums of products run in the type of the data over pieces of some thousand terms in many chains, and the
pieces are added in float64. A variance from squares is sound while the mean is small beside the deviation;
channels where it is not are centred first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Doubles: TypeAlias = NDArray[np.float64]

_ALONG = 4096  # samples in one dot product of a line, which has at least 16 chains in vectors
_ROWS = 256  # rows of channels that are added in one chain
_CACHED = 1 << 16  # values of the items that are summed at once
_FAR = 4.0  # squares are trusted where mean^2 is at most this many variances


class Maps:
    """Results of a layer seen as (items, channels, positions), or as (rows, channels).

    The array is C-contiguous in its layout; `first` tells the layout, `batched` whether items have an axis.
    """

    def __init__(self, array: Array, first: bool, batched: bool) -> None:
        self.array = array
        self.first = first
        if first:
            items = array if batched else array[np.newaxis]
            self.view = items.reshape(*items.shape[:2], -1)
        else:
            self.view = array.reshape(-1, array.shape[-1])

    @property
    def count(self) -> int:
        """Values of one channel."""
        return len(self.view) * (self.view.shape[2] if self.first else 1)

    def sums(self) -> Doubles:
        """The sum of every channel."""
        if not self.first:
            return _added(self.view)
        ones = np.ones(min(_ALONG, self.view.shape[2]), self.view.dtype)
        return self._dots(lambda part: np.vecdot(part, ones[: part.shape[-1]]))

    def products(self, other: Maps) -> Doubles:
        """The sum of every channel's products with another's."""
        if not self.first:
            return _multiplied(self.view, other.view)
        if other is self:
            return self._dots(lambda part: np.vecdot(part, part))
        lines = iter(_lines(other.view))
        return self._dots(lambda part: np.vecdot(part, next(lines)))

    def _dots(self, dot: Callable[[Array], Array]) -> Doubles:
        """What `dot` makes of every piece of the lines of some items, added up."""
        total = np.zeros(self.view.shape[1])
        for part in _lines(self.view):
            total += dot(part).sum(axis=0, dtype=np.float64)
        return total

    def chosen(self, channels: Array) -> Array:
        """Some channels, as a copy, channels first: (channels, values)."""
        picked = self.view[:, channels]
        return np.moveaxis(picked, 1, 0).reshape(len(channels), -1)

    def subtract(self, channels: Array, values: Array) -> None:
        """Subtract one number from each of some channels."""
        self.view[:, channels] -= values[:, np.newaxis] if self.first else values


def _lines(view: Array) -> list[Array]:
    """(items, channels, positions) in pieces of at most `_ALONG` positions, of items that stay in cache."""
    items = max(1, _CACHED // (view.shape[1] * view.shape[2]))
    return [
        view[first : first + items, :, start : start + _ALONG]
        for first in range(0, len(view), items)
        for start in range(0, view.shape[2], _ALONG)
    ]


def _added(rows: Array) -> Doubles:
    return _chains(rows, lambda part: part.sum(axis=1))


def _multiplied(rows: Array, others: Array) -> Doubles:
    pieces = iter(_pieces(others))
    return _chains(rows, lambda part: np.einsum("brc,brc->bc", part, next(pieces)))


def _chains(rows: Array, reduce: Callable[[Array], Array]) -> Doubles:
    """What `reduce` makes of every chain of rows, added up."""
    total = np.zeros(rows.shape[1])
    for piece in _pieces(rows):
        total += reduce(piece).sum(axis=0, dtype=np.float64)
    return total


def _pieces(rows: Array) -> list[Array]:
    """Rows as (chains, rows of a chain, channels); what is left over is a chain of its own."""
    whole = len(rows) // _ROWS * _ROWS
    parts = rows[:whole].reshape(-1, _ROWS, rows.shape[1]), rows[np.newaxis, whole:]
    return [part for part in parts if part.size]


class Moments(NamedTuple):
    """Mean and (biased) variance of every channel, over so many values.

    `shift` is what was subtracted from the channel before; `mean` is that of the values as they are now.
    """

    mean: Doubles
    var: Doubles
    shift: Doubles
    values: int


def moments(maps: Maps) -> Moments:
    """The moments of every channel. Channels whose mean is far from 0 are centred, in place.

    Where mean^2 is at most 4 variances, E[z^2] - mean^2 loses a factor of 5 to the rounding of the sums.
    The others, and those whose squares leave the range, are centred and summed twice in float64.
    """
    count = maps.count
    with np.errstate(all="ignore"):
        mean, square = maps.sums() / count, maps.products(maps) / count
        var = square - mean * mean
        far = np.flatnonzero(~(mean * mean <= _FAR * var) | ~np.isfinite(square))
        shift = np.zeros_like(mean)
        if far.size:
            centre = maps.chosen(far).mean(axis=1, dtype=np.float64).astype(maps.array.dtype)
            maps.subtract(far, centre)
            values = maps.chosen(far).astype(np.float64)
            shift[far] = centre
            mean[far] = values.mean(axis=1)
            var[far] = np.square(values - mean[far, np.newaxis]).mean(axis=1)
    return Moments(mean, var, shift, count)

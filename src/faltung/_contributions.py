"""How many contributions each output of a convolution adds up: the numbers of a `ConvSpec`, and a drawing."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Contributions(NamedTuple):
    """How many contributions each output of a convolution gets.

    `along` holds one count for each output along each axis; the count of an output is their product. `even`
    tells whether all outputs far from the ends get equally many.
    """

    along: tuple[tuple[int, ...], ...]
    even: bool

    @property
    def total(self) -> int:
        """All contributions together."""
        return prod(map(sum, self.along))

    @property
    def least(self) -> int:
        """The fewest that an output gets."""
        return prod(map(min, self.along))

    @property
    def most(self) -> int:
        """The most that an output gets."""
        return prod(map(max, self.along))

    def counts(self) -> NDArray[np.int64]:
        """The count of every output, an array of the output's size."""
        counts = np.ones((), np.int64)
        for axis in self.along:
            counts = np.multiply.outer(counts, np.array(axis, np.int64))
        return counts

    def __str__(self) -> str:
        """A drawing in characters: a digit an output, letters from 10, + beyond 35, two axes a block."""
        counts = self.counts()
        rows = counts.reshape(-1, counts.shape[-1]).tolist()
        lines = [" ".join(_DIGITS[n] if n < len(_DIGITS) else "+" for n in row) for row in rows]
        block = counts.shape[-2] if counts.ndim > 1 else 1
        blocks = ["\n".join(lines[i : i + block]) for i in range(0, len(lines), block)]
        return "\n\n".join(blocks)

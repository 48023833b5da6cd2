"""Missing data: normalized convolution under a mask."""

from __future__ import annotations

from typing import Any, TypeAlias

from numpy.typing import NDArray

from ._recipe import Recipe
from ._ways import Choice

Array: TypeAlias = NDArray[Any]


def find_mask(a: Any, mask: Any, samples: Array) -> Array | None:
    """Where samples are missing, of the shape of `samples`: the call's `mask` or a masked array's own."""
    return None


def perform(
    how: Recipe,
    a: Array,
    k: Array,
    mask: Array | None,
    out: Array | None,
    workers: int | None,
    choice: Choice | None = None,
) -> tuple[Array, Array | None]:
    """The result, and the weight of every output where it is to be returned.

    `choice` is a plan's, for what runs without missing data.
    """
    return how.run(a, k, out, workers, choice), None

"""What the tests of calls in blocks share: boxes of a shape that a test chooses, and a callback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from unittest import mock

import numpy as np

from faltung import _blocks
from faltung._blocks_cost import Costs
from faltung._blocks_plan import Division

Shape = tuple[int, ...]


@contextmanager
def _divided(shape_of: Callable[[Shape], Shape]) -> Iterator[None]:
    def divide(costs: Costs, limit: int | None, in_steps: bool) -> Division:
        return Division(costs, shape_of(costs.how.out_shape))

    with mock.patch.object(_blocks, "divide", divide):
        yield


def boxes_of(shape: Shape) -> contextmanager[None]:
    """Calls are cut into boxes of this shape, whatever they take."""
    return _divided(lambda whole: tuple(min(n, m) for n, m in zip(whole, shape, strict=True)))


def boxes_of_random_shape(seed: int) -> contextmanager[None]:
    """Calls are cut into boxes of a random shape."""
    rng = np.random.default_rng(seed)
    return _divided(lambda whole: tuple(int(rng.integers(1, max(n, 1), endpoint=True)) for n in whole))


class Steps:
    """A callback that remembers, and raises an error after so many calls."""

    def __init__(self, last: int | None = None, error: BaseException | None = None) -> None:
        self.seen: list[tuple[int, int]] = []
        self.last = last
        self.error = error

    def __call__(self, done: int, total: int) -> None:
        self.seen.append((done, total))
        if self.error is not None and len(self.seen) == self.last:
            raise self.error

    def are_of(self, y: np.ndarray) -> bool:
        """Whether the calls grew from something to all outputs of `y`."""
        done = [0, *(done for done, _ in self.seen)]
        rising = all(low < high for low, high in pairwise(done))
        return rising and done[-1] == y.size and all(total == y.size for _, total in self.seen)

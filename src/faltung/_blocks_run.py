"""Boxes of a call, computed one at a time; errors name places of the whole array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from math import isfinite, prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._blocks_cut import Box, Cut, Gathered, Kernel, cut, halves, sizes, view
from ._blocks_files import Mapping
from ._dtype import holding, integer_range, is_integer
from ._errors import FaltungOverflowError, FaltungValueError
from ._integers import beyond, choose_exact, exact_at, not_finite, tap_sums
from ._missing import perform
from ._operands import prepared
from ._recipe import Recipe, nan_error, refuse_nan
from ._request import Request
from ._tuning import LOOK_BYTES
from ._ways import Choice

Array: TypeAlias = NDArray[Any]


class Runner:
    """A call, ready to compute any box of its result."""

    def __init__(
        self,
        how: Recipe,
        samples: Array,
        kernel: Kernel,
        missing: Array | None,
        mapped: Mapping | None,
    ) -> None:
        self.how = how
        self.samples = samples
        self.kernel = kernel
        self.missing = missing
        self.mapped = mapped  # gives the pages of the samples back
        self._settled = lru_cache(maxsize=1)(self._settle)

    def box(self, box: Box, out: Array | None, workers: int | None) -> tuple[Array, Array | None]:
        """The outputs of a box, in `out` where it is given, and their weights where those are asked for."""
        try:
            return self._compute(self.how, box, out, workers)
        except (FaltungOverflowError, FaltungValueError) as error:
            if sizes(box) == self.how.out_shape or not is_integer(self.how.out_dtype):
                raise
            raise self._first_failure(box, error) from None

    def check(self, box: Box, workers: int | None) -> None:
        """An error where a result of the box does not fit; nothing is written."""
        piece = cut(self.how, box)
        if self.how.exact and not self.how.request.missing:
            how, kernel, _ = self._settled(self.how.request, piece.request, _ends(piece.taps))
            if choose_exact(how, prepared(piece.read(self.samples)), kernel).store in ("fits", "cast"):
                self._release(piece)
                return
        self.box(box, None, workers)

    def refuse_nan(self) -> None:
        """An error for a NaN among the taps and the samples that are there."""
        if not is_integer(self.samples.dtype):
            for box in _parts(self.samples.shape, max(1, LOOK_BYTES // self.samples.itemsize)):
                part = view(self.samples, box)
                nan = np.asarray(np.isnan(part))
                if self.missing is not None:
                    nan &= ~view(self.missing, box)
                for at in np.argwhere(nan):
                    where = zip(at, box, strict=True)
                    raise nan_error("a", tuple(int(i) + along.start for i, along in where))
                if self.mapped:
                    self.mapped.release(part)
        refuse_nan(k=self.kernel.taps)

    def _compute(
        self, whole: Recipe, box: Box, out: Array | None = None, workers: int | None = 1
    ) -> tuple[Array, Array | None]:
        piece = cut(whole, box)
        how, kernel, choice = self._settled(whole.request, piece.request, _ends(piece.taps))
        missing = None if self.missing is None else piece.read(self.missing)
        try:
            part = prepared(piece.read(self.samples))
            return perform(how, part, kernel, missing, out, workers, choice)
        finally:
            self._release(piece)

    def _settle(
        self, whole: Request, part: Request, ends: tuple[tuple[int, int], ...]
    ) -> tuple[Recipe, Array, Choice]:
        """The recipe of a part, its kernel, and the method for boxes of the same shape; the last is kept."""
        how, kernel = Recipe(part), self.kernel.part(tuple(slice(*pair) for pair in ends))
        return how, kernel.taps, how.choose(kernel.taps, part != whole, kernel.known)

    def _release(self, piece: Cut) -> None:
        if self.mapped:
            reached = [slice(None) if isinstance(along, Gathered) else along for along in piece.source]
            self.mapped.release(view(self.samples, reached))

    # -- what did not fit ------------------------------------------------------------------------------------

    def _first_failure(self, box: Box, error: Exception) -> Exception:
        """What to raise for the first output of a box that its type does not hold; `error` for all else."""
        while prod(sizes(box)) > 1:
            first, second = halves(box)
            box = first if self._fails(first) else second
        index = tuple(along.start for along in box)
        low, high = integer_range(self.how.out_dtype)
        if self.how.exact and not self.how.request.missing:
            piece = cut(self.how, box)
            kernel = view(self.kernel.taps, piece.taps)
            value = exact_at(
                Recipe(piece.request), prepared(piece.read(self.samples)), kernel, (0,) * len(box)
            )
            return beyond(index, value, self.how.out_dtype, self._wide_enough())
        request = replace(self.how.request, result=np.dtype(np.float64))
        y = float(self._compute(Recipe(request), box)[0].reshape(()))
        if not isfinite(y):
            return not_finite(index, y)
        if isinstance(error, FaltungValueError):
            return error
        rounded = int(np.rint(y))
        if low <= rounded <= high:  # by this method; by another it rounded beyond
            rounded = low - 1 if y - low < high - y else high + 1
        return beyond(index, rounded, self.how.out_dtype, "float64")

    def _fails(self, box: Box) -> bool:
        try:
            self._compute(self.how, box)
        except (FaltungOverflowError, FaltungValueError):
            return True
        return False

    def _wide_enough(self) -> str:
        """An integer type that holds every sum of these taps and samples of this type."""
        positive, negative = tap_sums(self.how, self.kernel.taps)
        low, high = integer_range(self.samples.dtype)
        fill = int(np.frombuffer(self.how.request.fill, self.how.request.dtype)[0])
        low, high = min(low, fill, 0), max(high, fill, 0)
        return holding(positive * low + negative * high, positive * high + negative * low)


def _parts(shape: tuple[int, ...], most: int) -> Iterator[Box]:
    """Boxes of at most so many items that make up an array."""
    waiting = [tuple(slice(0, n) for n in shape)] if prod(shape) else []
    while waiting:
        box = waiting.pop()
        if prod(sizes(box)) <= most:
            yield box
        else:
            first, second = halves(box)
            waiting += [second, first]


def _ends(taps: tuple[slice, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((along.start, along.stop) for along in taps)

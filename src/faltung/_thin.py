"""Boxes of outputs as problems of their own: what their windows hold, boundary and all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._geometry import boundary_index
from ._request import Request
from ._tuning import BOX_SIDES

Array: TypeAlias = NDArray[Any]
Box: TypeAlias = tuple[slice, ...]


class Windows:
    """What the outputs of a request see."""

    def __init__(self, request: Request, out_shape: tuple[int, ...]) -> None:
        self.request = request
        self.out_shape = out_shape
        self.lines = {axis: self._line(i) for i, axis in enumerate(request.axes)}

    def _line(self, i: int) -> Array:
        """The samples along a convolved axis that the outputs see, in order; -1 for the fill value."""
        r = self.request
        axis, taps = r.axes[i], r.kernel_shape[r.kernel_axes.index(r.axes[i])]
        reach = r.dilation[i] * (taps - 1) + 1
        first = -r.padding[i][0]
        line = np.arange(first, first + (self.out_shape[axis] - 1) * r.stride[i] + reach)
        for at in np.flatnonzero((line < 0) | (line >= r.shape[axis])):
            source = boundary_index(int(line[at]), r.shape[axis], r.boundary[i])
            line[at] = -1 if source is None else source
        return line

    def boxes(self, wanted: Array) -> Iterator[Box]:
        """Boxes that cover the outputs that are wanted."""
        side = BOX_SIDES.get(len(self.request.axes), 8)
        sides = [side if axis in self.request.axes else 1 for axis in range(wanted.ndim)]
        corners = {tuple(at) for at in (np.argwhere(wanted) // sides).tolist()}
        for corner in sorted(corners):
            yield tuple(slice(c * n, min((c + 1) * n, whole))
                        for c, n, whole in zip(corner, sides, wanted.shape, strict=True))  # fmt: skip

    def cut(
        self, box: Box, a: Array, k: Array, mask: Array, open_ends: bool
    ) -> tuple[Request, Array, Array, Array]:
        """The request of a box, by the direct method, and its samples, taps and mask."""
        r = self.request
        for axis, at in enumerate(box):
            if axis not in r.axes:
                if r.shape[axis] > 1:
                    a, mask = (x[(slice(None),) * axis + (at,)] for x in (a, mask))
                if axis in r.kernel_axes and r.kernel_shape[axis] > 1:
                    k = k[(slice(None),) * axis + (at,)]
                continue
            i = r.axes.index(axis)
            taps = r.kernel_shape[r.kernel_axes.index(axis)]
            last = (at.stop - 1) * r.stride[i] + r.dilation[i] * (taps - 1) + 1
            line = self.lines[axis][at.start * r.stride[i] : last]
            a, mask = a.take(line, axis), mask.take(line, axis)
            outside = (slice(None),) * axis + (line < 0,)
            a[outside] = np.frombuffer(r.fill, r.dtype)[0]
            mask[outside] = open_ends
        rank = len(r.axes)
        request = replace(
            r, shape=a.shape, kernel_shape=k.shape, mode="valid", boundary=("constant",) * rank,
            padding=((0, 0),) * rank, method="direct",
        )  # fmt: skip
        return request, a, k, mask

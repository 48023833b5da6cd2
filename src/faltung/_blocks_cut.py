"""What a box of outputs reads: a part of the array, and the request that turns it into just that box.

Along one axis the windows of the outputs [first, last) reach the positions

    [first S - lo, (last - 1) S - lo + D(K-1) + 1)

of the extended array. Where the box ends inside the array, its part ends there too and has no padding; where
it reaches beyond an end of the array, the part ends with the array and is padded by what is missing, so that
the end keeps its meaning: terms outside a zero-filled array stay absent, and edge, reflect and symmetric see
the samples they repeat. Only where those lie outside the part (wrap, and reflections of more samples than
the part has) are they gathered by their indices:

    array            [a b c d e f g h]
    wrap       g h a b c                   outputs at the start: gathered
    edge           [a b c]                 the same outputs: a view, padding (2, 0)
    any                  [d e f g]         outputs in the middle: a view, padding (0, 0)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ._geometry import boundary_index, effective_size
from ._recipe import Recipe
from ._request import Request
from ._ways import Known

Array: TypeAlias = NDArray[Any]
Box: TypeAlias = tuple[slice, ...]  # of outputs, one slice an axis, with start and stop


class Gathered(NamedTuple):
    """Positions [first, last) of an extended axis some of whose samples stand elsewhere."""

    first: int
    last: int
    size: int
    boundary: str

    @property
    def outside(self) -> int:
        """How many of them."""
        return max(-self.first, 0) + max(self.last - self.size, 0)

    def pieces(self) -> Iterator[tuple[slice, slice | Array]]:
        """Where each piece of the axis goes, and the samples that it takes."""
        low, high = max(self.first, 0), min(self.last, self.size)
        for start, stop in ((self.first, low), (high, self.last)):
            if start < stop:
                index = [boundary_index(i, self.size, self.boundary) for i in range(start, stop)]
                yield slice(start - self.first, stop - self.first), np.array(index, np.intp)
        yield slice(low - self.first, high - self.first), slice(low, high)


Source: TypeAlias = slice | Gathered  # of samples along an axis


class Kernel(NamedTuple):
    """Taps, and the factors that they came with."""

    taps: Array
    known: Known = None

    def part(self, taps: tuple[slice, ...]) -> Kernel:
        """Those of some of the kernels; factors are of a kernel that is alone."""
        part = view(self.taps, taps)
        return Kernel(part, self.known if part.shape == self.taps.shape else None)


class Cut(NamedTuple):
    """A request for one box, and the parts of the samples and of the kernel that it is for."""

    request: Request
    source: tuple[Source, ...]
    taps: tuple[slice, ...]

    @property
    def outside(self) -> int:
        """Positions that make the part a copy; where there is none, it is a view."""
        return sum(along.outside for along in self.source if isinstance(along, Gathered))

    def read(self, array: Array) -> Array:
        """The part of an array of the samples' shape."""
        whole = [along for along in self.source if isinstance(along, slice)]
        if len(whole) == len(self.source):
            return view(array, whole)
        part = np.empty(self.request.shape, array.dtype.newbyteorder("="))
        lengths = map(_length, self.source)
        pieces = [
            list(along.pieces()) if isinstance(along, Gathered) else [(slice(0, length), along)]
            for along, length in zip(self.source, lengths, strict=True)
        ]
        for piece in product(*pieces):
            target, source = zip(*piece, strict=True)
            part[target] = _taken(array, source)
        return part


def _taken(array: Array, source: tuple[slice | Array, ...]) -> Array:
    """Slices along some axes, indices along the others."""
    whole = [along for along in source if isinstance(along, slice)]
    if len(whole) == len(source):
        return view(array, whole)
    each = zip(array.shape, source, strict=True)
    taken: Array = array[np.ix_(*(np.arange(n)[along] for n, along in each))]
    return taken


def cut(how: Recipe, box: Box) -> Cut:
    """The part that a box of outputs is computed from."""
    request, spec = how.request, how.spec
    source: list[Source] = [slice(0, n) for n in request.shape]
    kernel = {axis: slice(0, n) for axis, n in how.kernel_at.items()}
    padding = list(request.padding)
    for axis, part in enumerate(box):
        if axis in request.axes and spec is not None:
            i = request.axes.index(axis)
            first = part.start * spec.stride[i] - spec.padding[i][0]
            reach = effective_size(spec.kernel_size[i], spec.dilation[i])
            last = first + (part.stop - part.start - 1) * spec.stride[i] + reach
            if part.stop - part.start < how.out_shape[axis]:
                source[axis], padding[i] = _along(first, last, request.shape[axis], request.boundary[i])
            continue
        if request.shape[axis] > 1:
            source[axis] = part
        if how.kernel_at.get(axis, 1) > 1:
            kernel[axis] = part
    taps = tuple(kernel[axis] for axis in request.kernel_axes)
    shape, kernel_shape = tuple(map(_length, source)), tuple(map(_length, taps))
    part_request = replace(request, shape=shape, kernel_shape=kernel_shape, padding=tuple(padding))
    return Cut(part_request, tuple(source), taps)


def view(array: Array, box: Sequence[slice]) -> Array:
    """A part of an array, which shares its memory; without axes too."""
    index: tuple[Any, ...] = (*box, ...)
    part: Array = array[index]
    return part


def sizes(box: Box) -> tuple[int, ...]:
    """The lengths of a box."""
    return tuple(map(_length, box))


def halves(box: Box) -> tuple[Box, Box]:
    """A box of several outputs, cut along its first axis that is longer than one."""
    axis = next(i for i, n in enumerate(sizes(box)) if n > 1)
    start, stop = box[axis].start, box[axis].stop
    middle = (start + stop) // 2
    first, second = slice(start, middle), slice(middle, stop)
    return (*box[:axis], first, *box[axis + 1 :]), (*box[:axis], second, *box[axis + 1 :])


def _length(along: Source) -> int:
    return along.stop - along.start if isinstance(along, slice) else along.last - along.first


def _along(first: int, last: int, size: int, boundary: str) -> tuple[Source, tuple[int, int]]:
    """Samples and padding that make the positions [first, last) of an extended axis."""
    start, stop = max(first, 0), min(last, size)
    lo, hi = start - first, last - stop
    needed = {"constant": 0, "edge": 1, "reflect": max(lo, hi) + 1, "symmetric": max(lo, hi), "wrap": size}
    if (lo, hi) == (0, 0) or stop - start >= needed[boundary] or stop - start == size:
        return slice(start, stop), (lo, hi)
    return Gathered(first, last, size, boundary), (0, 0)

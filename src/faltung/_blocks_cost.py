"""What a box takes: bytes beyond the operands, predicted seconds.

The bytes are the working memory of the method; a copy of the part where samples are gathered from elsewhere
or the core cannot read them in place; a copy of the result where it is checked before it is stored, or made
with missing data; and the pages of mapped files that the box reaches, which are given back when it is done.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, prod
from typing import NamedTuple, TypeAlias

from ._blocks_cut import Box, Cut, Kernel, cut, sizes
from ._dtype import is_integer
from ._errors import FaltungValueError
from ._geometry import effective_size
from ._recipe import Recipe
from ._request import Request
from ._tuning import MAP_RATE

Shape: TypeAlias = tuple[int, ...]

PAGE = 4096


class Layout(NamedTuple):
    """How an operand lies in memory."""

    strides: Shape
    itemsize: int
    mapped: bool = False  # a file whose pages are given back
    in_place: bool = True  # the core works on it as it is

    def reached(self, lengths: Shape) -> int:
        """Bytes of the pages of the file that a part of these lengths reaches."""
        if not self.mapped:
            return 0
        run, runs = self.itemsize, 1
        for step, n in sorted((abs(step), n) for step, n in zip(self.strides, lengths, strict=True)):
            if step <= run + PAGE:
                run += step * (n - 1)
            else:
                runs *= n
        return runs * (run + PAGE)


class Method(NamedTuple):
    """The method of a box, and what it takes."""

    name: str
    thread: float  # bytes
    shared: float  # bytes
    seconds: float  # of one thread


class Costs:
    """The costs of any box of a call."""

    def __init__(
        self, how: Recipe, kernel: Kernel, samples: Layout, target: Layout, reserved: int = 0
    ) -> None:
        self.how = how
        self.kernel = kernel
        self.samples = samples
        self.target = target
        self.reserved = reserved  # bytes that the call takes beside its boxes
        self._known: dict[Request, Method] = {}

    def variant(self, method: str) -> Costs:
        """The same call by another method."""
        how = Recipe(replace(self.how.request, method=method))
        return Costs(how, self.kernel, self.samples, self.target, self.reserved)

    def bytes(self, box: Box) -> float:
        """Memory of one thread beyond the operands; infinite where the method cannot compute the box."""
        piece = cut(self.how, box)
        lengths = sizes(box)
        inputs, outputs = prod(piece.request.shape), prod(lengths)
        method = self._method(piece)
        total = self.reserved + method.thread + method.shared
        if piece.outside:
            total += 2 * inputs * self.samples.itemsize + 8 * piece.outside
        elif not self.samples.in_place:
            total += inputs * self.samples.itemsize
        if is_integer(self.how.out_dtype) or not self.target.in_place:
            total += outputs * self.how.out_dtype.itemsize
        if self.how.request.missing:
            total += self._missing(inputs, outputs)
        return total + self.samples.reached(piece.request.shape) + self.target.reached(lengths)

    @property
    def window_bytes(self) -> int:
        """What gathering the samples of a single output takes at most."""
        spec = self.how.spec
        each = zip(spec.kernel_size, spec.dilation, strict=True) if spec else ()
        window = [effective_size(taps, dilation) for taps, dilation in each]
        return 2 * prod(window) * self.samples.itemsize + 8 * sum(window)

    def thread_bytes(self, box: Box) -> float:
        """Memory of every further thread."""
        return self._method(cut(self.how, box)).thread

    def method(self, box: Box) -> str:
        """The name of the method."""
        return self._method(cut(self.how, box)).name

    def seconds(self, box: Box) -> float:
        """Predicted time of one thread."""
        piece = cut(self.how, box)
        pages = self.samples.reached(piece.request.shape) + self.target.reached(sizes(box))
        return self._method(piece).seconds + pages / MAP_RATE

    def _method(self, piece: Cut) -> Method:
        known = self._known.get(piece.request)
        if known is None:
            known = self._known[piece.request] = self._predicted(piece)
        return known

    def _predicted(self, piece: Cut) -> Method:
        how = Recipe(piece.request)
        keep = piece.request != self.how.request
        try:
            kernel = self.kernel.part(piece.taps)
            way = how.choose(kernel.taps, keep, kernel.known).way
        except FaltungValueError:
            return Method(self.how.request.method, inf, inf, inf)
        # A packed tap has at most 16 bytes.
        return Method(way.method, way.extra_bytes, way.spectrum + 16 * how.taps, way.seconds)

    def _missing(self, inputs: int, outputs: int) -> int:
        """Copies of samples and masks; the sums, the weights and the result."""
        real = 8 if self.how.double or self.how.exact else 4
        number = 2 * real if any(self.how.complex) else real
        each = 3 * number + 5 * real + 5 + self.how.out_dtype.itemsize
        return inputs * (self.samples.itemsize + 4) + outputs * each

"""Which boxes: as large as the limit allows, in the order of the output's memory, none left out or repeated.

Whole rows read and write files in order. Where too many samples would be read twice, boxes in proportion to
the kernel are tried too, and the shape with the smaller predicted time is taken. It does not depend on the
number of threads; as many run as the limit has room for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import ceil, inf, prod
from typing import NamedTuple, TypeAlias

from ._blocks_cost import Costs
from ._blocks_cut import Box, cut, halves, sizes
from ._errors import FaltungValueError
from ._geometry import effective_size
from ._tuning import BLOCK_SECONDS, FEW_REREADS

Shape: TypeAlias = tuple[int, ...]
Load: TypeAlias = Callable[[Shape], float]  # of a shape, 1 or less where it fits


class Division(NamedTuple):
    """A call cut into boxes of one shape."""

    costs: Costs
    shape: Shape
    limit: float = inf

    def boxes(self) -> Iterator[Box]:
        """All of them; where one at an end takes more than the limit, its halves."""
        whole = self.costs.how.out_shape
        for starts in product(*(range(0, n, m) for n, m in zip(whole, self.shape, strict=True))):
            each = zip(starts, self.shape, whole, strict=True)
            yield from self._halves(tuple(slice(i, min(i + m, n)) for i, m, n in each))

    def _halves(self, box: Box) -> Iterator[Box]:
        if prod(sizes(box)) == 1 or self.costs.bytes(box) <= self.limit:
            yield box
            return
        for half in halves(box):
            yield from self._halves(half)

    def threads(self, box: Box, wanted: int) -> int:
        """As many as there is room for."""
        room, each = self.limit - self.costs.bytes(box), self.costs.thread_bytes(box)
        return wanted if each * (wanted - 1) <= room else max(1, 1 + int(room // max(each, 1)))

    @property
    def method(self) -> str:
        """The method of a box."""
        return self.costs.method(middle(self.costs, self.shape))

    @property
    def box_seconds(self) -> float:
        """Predicted time of one box."""
        return self.costs.seconds(middle(self.costs, self.shape))

    @property
    def seconds(self) -> float:
        """Predicted time of all boxes."""
        return self.box_seconds * self._count

    @property
    def rereads(self) -> float:
        """How often a sample is read, on average."""
        how = self.costs.how
        part = cut(how, middle(self.costs, self.shape)).request.shape
        return prod(part) * self._count / max(prod(how.request.shape), 1)

    @property
    def _count(self) -> float:
        return prod(n / m for n, m in zip(self.costs.how.out_shape, self.shape, strict=True))


def divide(costs: Costs, limit: int | None, in_steps: bool) -> Division:
    """The call in boxes that keep to the limit and, `in_steps`, take a moment each.

    Raises
    ------
    FaltungValueError
        Not even a single output keeps to the limit.
    """
    division = Division(costs, costs.how.out_shape, inf if limit is None else limit)
    if _most(costs) > division.limit:
        division = _fitting(costs, int(division.limit))
    return _shortened(division) if in_steps else division


def middle(costs: Costs, shape: Sequence[int]) -> Box:
    """A box of this shape as far from all ends as possible."""
    starts = ((n - m) // 2 for n, m in zip(costs.how.out_shape, shape, strict=True))
    return tuple(slice(start, start + m) for start, m in zip(starts, shape, strict=True))


def _most(costs: Costs) -> float:
    """What the whole takes as one box."""
    return costs.bytes(tuple(slice(0, n) for n in costs.how.out_shape))


def _least(costs: Costs, limit: int) -> float:
    """The smallest limit under which every output can be computed, or one that is plenty."""
    plenty = costs.bytes(middle(costs, (1,) * len(costs.how.out_shape))) + costs.window_bytes
    if plenty <= limit // 2:
        return plenty
    ends = ({0, n // 2, n - 1} for n in costs.how.out_shape)
    return max(costs.bytes(tuple(slice(i, i + 1) for i in at)) for at in product(*ends))


def _fitting(costs: Costs, limit: int) -> Division:
    """The fastest division, by the method asked for or, where that is open, by the direct one."""
    request = costs.how.request
    tried = [costs, costs.variant("direct")] if request.method == "auto" else [costs]
    least = [_least(one, limit) for one in tried]
    if min(least) > limit:
        raise _too_small(costs, limit, min(least))
    divisions: list[Division] = []
    for one, needs in zip(tried, least, strict=True):
        if needs > limit:
            continue
        room = limit - limit // 4 if needs <= limit // 2 else limit  # a quarter for further threads

        def load(shape: Shape, one: Costs = one, room: int = room) -> float:
            return one.bytes(middle(one, shape)) / room

        divisions.append(Division(one, _rows(one, load), limit))
        if divisions[-1].rereads > FEW_REREADS:
            divisions.append(Division(one, _blocks(one, load), limit))
        if all(division.method == "direct" for division in divisions):
            break
    return min(divisions, key=lambda division: division.seconds)


def _too_small(costs: Costs, limit: int, least: float) -> Exception:
    if least == inf:
        return FaltungValueError(
            f"`memory_limit` (={limit}) is too small for `method` {costs.how.request.method!r}; pass a "
            "larger one, or `method='auto'`."
        )
    copy = " beside a copy of the result, for `out` overlaps an operand" if costs.reserved else ""
    return FaltungValueError(
        f"`memory_limit` (={limit}) is too small: a single output takes {ceil(least) - costs.reserved} bytes "
        f"here{copy}; pass at least {ceil(least)}."
    )


def _shortened(division: Division) -> Division:
    """In boxes short enough to tell of progress, unless that takes longer on the whole."""
    costs, seconds = division.costs, BLOCK_SECONDS
    while division.box_seconds > seconds:

        def load(shape: Shape, seconds: float = seconds) -> float:
            box = middle(costs, shape)
            return max(costs.bytes(box) / division.limit, costs.seconds(box) / seconds)

        for shape in (_rows(costs, load), _blocks(costs, load)):
            shorter = division._replace(shape=shape)
            if shorter.seconds <= 1.1 * division.seconds:
                return shorter
        seconds *= 4
    return division


def _rows(costs: Costs, load: Load) -> Shape:
    """As long as fits along the axis that lies densest in memory, then along the next."""
    shape, whole = [1] * len(costs.how.out_shape), costs.how.out_shape
    for axis in sorted(range(len(shape)), key=lambda axis: (abs(costs.target.strides[axis]), -axis)):

        def longer(n: int, axis: int = axis) -> float:
            return load((*shape[:axis], n, *shape[axis + 1 :]))

        shape[axis] = _largest(whole[axis], longer)
        if shape[axis] < whole[axis]:
            break
    return _even(shape, whole)


def _blocks(costs: Costs, load: Load) -> Shape:
    """Along every axis the same multiple of what neighbouring boxes share."""
    how, spec = costs.how, costs.how.spec
    shares, whole = [64] * len(how.out_shape), how.out_shape
    for i, axis in enumerate(how.request.axes):
        if spec is not None:
            reach = effective_size(spec.kernel_size[i], spec.dilation[i])
            shares[axis] = max(reach // spec.stride[i], 64)

    def multiple(n: int) -> Shape:
        return tuple(min(max(share * n // 64, 1), size) for share, size in zip(shares, whole, strict=True))

    most = max((ceil(64 * n / share) for n, share in zip(whole, shares, strict=True)), default=1)
    return _even(multiple(_largest(most, lambda n: load(multiple(n)))), whole)


def _largest(most: int, load: Callable[[int], float]) -> int:
    """About the largest number from 1 to `most` that fits, 1 where none does; loads grow nearly evenly."""
    low, light, high, heavy = 1, 0.0, most, load(most)
    if heavy <= 1:
        return most
    while high - low > 1 and light < 0.95:
        share = 0.97 * (1 - light) / (heavy - light) if heavy < inf else 0.5
        n = min(max(low + int(share * (high - low)), low + 1), high - 1)
        if (weight := load(n)) <= 1:
            low, light = n, weight
        else:
            high, heavy = n, weight
    return low


def _even(shape: Sequence[int], whole: Shape) -> Shape:
    """No larger, in as many boxes of more equal size."""
    return tuple(ceil(n / ceil(n / m)) for n, m in zip(whole, shape, strict=True))

"""Which convention some weights follow, told from a reference output: `detect_flip`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, permutations
from math import ceil, prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._errors import FaltungError, FaltungTypeError, FaltungValueError, with_shapes
from faltung._kinds import to_array
from faltung._normalize import PaddingLike, PerAxis
from faltung._spec import Layout
from faltung._typing import Boundary
from faltung.nn import conv

Array: TypeAlias = NDArray[Any]


class Candidate(NamedTuple):
    """One reading of weights, and how far its result is from the reference.

    `order` are the spatial axes of the weights in the order of the input's, `flipped` those of the input
    along which the taps are reversed, `swapped` whether input and output channels change places. `residual`
    is the root mean square of the difference over that of the reference; `worst` the largest difference of
    one output over what rounding explains: up to 1 the reference is reproduced.
    """

    order: tuple[int, ...]
    flipped: tuple[int, ...]
    swapped: bool
    residual: float
    worst: float

    @property
    def name(self) -> str:
        """What it is called."""
        rank = len(self.order)
        if not self.flipped:
            words = ["correlation"]
        elif len(self.flipped) == rank:
            words = ["convolution"]
        else:
            words = [f"taps flipped along axis {', '.join(map(str, self.flipped))}"]
        if self.order != tuple(range(rank)):
            words.append(f"spatial axes in the order {self.order}")
        if self.swapped:
            words.append("input and output channels swapped")
        return ", ".join(words)

    @property
    def matches(self) -> bool:
        """Whether it reproduces the reference, up to rounding."""
        return self.worst <= 1

    def apply(self, w: Any, layout: Layout = "channels_first") -> Any:
        """The weights with which `fl.nn.conv` does what this reading says."""
        array, _, restore = to_array("w", w)
        first = layout == "channels_first"
        result = _read(array if first else np.moveaxis(array, (-1, -2), (0, 1)), *self[:3])
        return restore(np.ascontiguousarray(result if first else np.moveaxis(result, (0, 1), (-1, -2))))


class Detection(NamedTuple):
    """Every reading that fits the shapes, the nearest first; printed, a table."""

    candidates: tuple[Candidate, ...]

    @property
    def matches(self) -> tuple[Candidate, ...]:
        """Those that reproduce the reference."""
        return tuple(candidate for candidate in self.candidates if candidate.matches)

    @property
    def flip(self) -> bool | None:
        """Whether the taps must be flipped to reproduce the reference.

        None where no reading does, where several disagree (as with taps that are their own mirror image), or
        where just some axes are flipped.
        """
        found = {candidate.flipped for candidate in self.matches}
        if len(found) != 1:
            return None
        (flipped,) = found
        rank = len(self.candidates[0].order)
        return bool(flipped) if len(flipped) in (0, rank) else None

    def __str__(self) -> str:
        """A table of all readings."""
        found = self.matches
        head = " and ".join(candidate.name for candidate in found[:3])
        if not found:
            head = f"no reading reproduces `y`; the nearest is {self.candidates[0].name}"
        elif len(found) > 1:
            head = f"{len(found)} readings reproduce `y`, which cannot tell them apart: {head}"
        width = max(len(candidate.name) for candidate in self.candidates)
        rows = [f"   {'reading':<{width}}  residual  error / tolerance"]
        rows += [
            f"{'*' if c.matches else ' '}  {c.name:<{width}}  {c.residual:8.1e}  {c.worst:.2g}"
            for c in self.candidates
        ]
        return "\n".join([head, *rows])


def detect_flip(
    x: Any,
    w: Any,
    y: Any,
    b: Any = None,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
    boundary: Boundary = "constant",
    layout: Layout = "channels_first",
) -> Detection:
    """Tell from a layer's input, weights and output how the weights are to be read.

    Every reading that fits the shapes is tried: taps as they are (correlation), flipped along every axis
    (convolution) or along some; spatial axes in every order; input and output channels swapped.

    Parameters
    ----------
    x, w, b : array_like
        Input, weights and optional bias, as `fl.nn.conv` takes them in this layout. A small input with random
        values tells most.
    y : array_like
        What the other library computed.
    stride, padding, dilation, groups, boundary, layout : optional
        As in `fl.nn.conv`; the spatial axes are the input's.

    Returns
    -------
    Detection
        `flip` (True, False, or None where it is not decided), the `matches`, and all `candidates` with their
        residuals, nearest first; printing shows a table. `candidate.apply(w)` makes the weights that
        `fl.nn.conv` takes.

    Raises
    ------
    FaltungValueError
        No reading fits the shapes, an array is empty or holds a value that is not finite.
    FaltungTypeError
        An array is not of numbers.

    See Also
    --------
    convert : weights from one convention to another.

    Notes
    -----
    The readings are computed in float64. One reproduces the reference where every output differs by at most
    twice the promise of layers in the coarsest of the data types (of float32 for half types, whose results
    may also be off by one unit in the last place).

    Examples
    --------
    >>> import faltung as fl
    >>> import numpy as np
    >>> x, w = np.array([[1.0, 2, 4, 8]]), np.array([[[1.0, 10]]])
    >>> found = fl.weights.detect_flip(x, w, [[12.0, 24, 48]])
    >>> found.flip, found.matches[0].name
    (True, 'convolution')
    >>> print(found)
    convolution
       reading      residual  error / tolerance
    *  convolution   0.0e+00  0
       correlation   7.5e-01  ...
    """
    arrays = {name: _finite(name, value) for name, value in (("x", x), ("w", w), ("y", y), ("b", b))}
    kind = (
        np.complex128 if any(a is not None and a.dtype.kind == "c" for a in arrays.values()) else np.float64
    )
    samples, weights, result, bias = (None if a is None else a.astype(kind) for a in arrays.values())
    assert samples is not None and weights is not None and result is not None
    first = layout == "channels_first"
    rank = max(weights.ndim - 2, 0)
    options: dict[str, Any] = {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "boundary": boundary,
        "layout": layout,
    }  # fmt: skip
    canonical = weights if first else np.moveaxis(weights, (-1, -2), (0, 1)) if rank else weights
    found: list[Candidate] = []
    refusal: FaltungError | None = None
    sizes: set[tuple[int, ...]] = set()
    for order, flipped, swapped in _readings(canonical, rank, groups == 1):
        read = _read(canonical, order, flipped, swapped)
        kernel = np.ascontiguousarray(read if first else np.moveaxis(read, (0, 1), (-1, -2)))
        try:
            guess = conv(samples, kernel, bias, **options)
        except FaltungError as error:
            refusal = refusal or error
            continue
        sizes.add(guess.shape)
        if guess.shape == result.shape:
            sums = conv(abs(samples), abs(kernel), None if bias is None else abs(bias), **options)
            limit = _tolerance(prod(read.shape[1:]) + (bias is not None), sums, result, arrays)
            found.append(Candidate(order, flipped, swapped, *_distance(guess, result, limit)))
    if not found:
        if refusal is not None and not sizes:
            raise refusal
        message = f"`y` must have the shape of the layer's result: {' or '.join(map(str, sorted(sizes)))}."
        raise FaltungValueError(with_shapes(message, x=samples.shape, w=weights.shape, y=result.shape))
    found.sort(key=lambda c: (not c.matches, c.residual, c.swapped, c.order, len(c.flipped)))
    return Detection(tuple(found))


def _readings(w: Array, rank: int, swap: bool) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], bool]]:
    """Orders of the spatial axes, axes to flip (those of one tap never are), and whether channels swap.

    Correlation comes first: its refusal is what an error says.
    """
    for swapped in (False, True) if swap and set(w.shape[:2]) != {1} else (False,):
        for order in permutations(range(rank)):
            long = [axis for axis, k in enumerate(order) if w.shape[2 + k] > 1]
            for flipped in chain.from_iterable(combinations(long, n) for n in range(len(long) + 1)):
                whole = tuple(range(rank)) if flipped and len(flipped) == len(long) else flipped
                yield order, whole, swapped


def _read(w: Array, order: tuple[int, ...], flipped: tuple[int, ...], swapped: bool) -> Array:
    """Weights (out, in, *taps) by a reading."""
    if not order:
        return w  # too few axes: the layer says so
    channels = (1, 0) if swapped else (0, 1)
    taps = tuple(slice(None, None, -1 if n in flipped else None) for n in range(len(order)))
    return w.transpose(*channels, *(2 + axis for axis in order))[(slice(None), slice(None), *taps)]


def _finite(name: str, value: Any) -> Array | None:
    if value is None and name == "b":
        return None
    array = to_array(name, value)[0]
    if array.dtype.kind not in "biufc" and array.dtype.name != "bfloat16":
        raise FaltungTypeError(f"`{name}` has data type {array.dtype}; pass an array of numbers.")
    if not array.size:
        raise FaltungValueError(with_shapes(f"`{name}` is empty; pass some values.", **{name: array.shape}))
    if array.dtype.kind not in "biu" and not np.isfinite(array).all():
        raise FaltungValueError(f"`{name}` holds a value that is not finite; pass finite ones.")
    return array


def _tolerance(terms: int, sums: Array, y: Array, arrays: dict[str, Array | None]) -> Array:
    """What rounding explains at every output: twice the promise, and the store of a half type."""
    types = [a.dtype for a in arrays.values() if a is not None]
    single = any(t.name in ("float16", "bfloat16", "float32", "complex64") for t in types)
    unit = 2.0**-24 if single else 2.0**-53
    count = terms * (2 if any(t.kind == "c" for t in types) else 1)
    store = {"float16": 2.0**-10, "bfloat16": 2.0**-7}.get(types[2].name, 0.0)
    limit: Array = 2 * (1.1 * min(count, 256) + ceil(count / 256) + 20) * unit * abs(sums) + store * abs(y)
    return limit


def _distance(guess: Array, y: Array, limit: Array) -> tuple[float, float]:
    """The relative residual, and the largest error over its limit."""
    error = abs(guess - y)
    scale = float(np.sqrt(np.mean(np.square(abs(y)))))
    residual = float(np.sqrt(np.mean(np.square(error))))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(error == 0, 0, error / limit)
    return residual / scale if scale else residual, float(ratio.max())

"""Arguments of gradients: shapes in place of arrays, and a `g` that must fit the layer's result."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._errors import FaltungError, FaltungTypeError, FaltungValueError, with_shapes
from faltung._normalize import as_int
from faltung._precision import setting
from faltung.nn import _describe
from faltung.nn._request import LayerRequest

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]

DEFAULTS = {
    "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "boundary": "constant", "layout": "channels_first",
    "flip": False, "precision": None, "workers": None,
}  # fmt: skip


def shape_of(name: str, value: object) -> Shape:
    """A shape that stands for an array: a sequence of ints."""
    entries = list(value) if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str) else []
    numbers = [as_int(entry) for entry in entries]
    if not numbers or any(number is None or number < 0 for number in numbers):
        raise FaltungTypeError(
            f"`{name}` (={value!r}) must be the shape of an array, a sequence of ints of at least 0."
        )
    return tuple(number for number in numbers if number is not None)


@contextmanager
def named(**names: str) -> Iterator[None]:
    """Errors about the arguments of a layer, under the names that they have in a gradient."""
    try:
        yield
    except FaltungError as error:
        text = str(error)
        for old, new in names.items():
            text = text.replace(f"`{old}`", f"`{new}`")
            text = re.sub(rf"(?<=[(, ]){old}(?=: \()", new, text)
        if text == str(error):
            raise
        raise type(error)(text) from None


def layer(
    x: Shape, w: Shape, g: Array, options: dict[str, Any], names: dict[str, str]
) -> tuple[LayerRequest, int | None]:
    """The layer whose result has the gradient `g`, and the number of threads.

    Raises
    ------
    FaltungError
        As the layer itself; `g` has not the shape of its result.
    """
    o = DEFAULTS | options
    values = (
        o["stride"], o["padding"], o["dilation"], o["groups"], o["boundary"], o["layout"], o["flip"], None,
        "auto", setting() if o["precision"] is None else o["precision"], "raise", 0, 0, o["workers"],
    )  # fmt: skip
    with named(**names):
        request, workers = _describe.described(x, g.dtype, w, g.dtype, None, values)
    check_shape(g, request.out_shape, names, x, w)
    return request, workers


def check_shape(g: Array, needed: Shape, names: dict[str, str], x: Shape, w: Shape) -> None:
    """An error where `g` has not the shape of the layer's result; it names the one that it needs."""
    if g.shape != needed:
        message = f"`g` must have the shape of the layer's result, {needed}."
        raise FaltungValueError(with_shapes(message, **{names["x"]: x, names["w"]: w, "g": g.shape}))


def conjugate(array: Array) -> Array:
    """The complex conjugate; real numbers are their own."""
    return np.conjugate(array) if array.dtype.kind == "c" else array


def first(array: Array, layout: str, batched: bool) -> Array:
    """A view (N, C, *spatial)."""
    array = array if batched else array[np.newaxis]
    return array if layout == "channels_first" else np.moveaxis(array, -1, 1)


def first_weights(array: Array, layout: str) -> Array:
    """A view (out, in, *taps)."""
    return array if layout == "channels_first" else np.moveaxis(array, (-1, -2), (0, 1))

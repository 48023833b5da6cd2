"""What is wrong with a depthwise separable layer, in the words of its arguments."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from faltung._errors import FaltungError, FaltungValueError, with_shapes
from faltung._spec import Layout

Shape: TypeAlias = tuple[int, ...]


def shape_of(array: Any) -> Shape:
    """Of an array of any kind, or of lists."""
    return tuple(getattr(array, "shape", None) or np.shape(array))


def check_weights(shape: Shape, depthwise: Any, pointwise: Any, layout: Layout) -> int:
    """Checks the shapes of the two layers against each other; the input channels."""
    deep, point = shape_of(depthwise), shape_of(pointwise)
    shapes = {"x": shape, "depthwise": deep, "pointwise": point}
    if len(deep) < 3 or len(point) != len(deep) or len(shape) not in (len(deep), len(deep) - 1):
        message = (
            "`depthwise` and `pointwise` must have the same number of axes, at least 3, and `x` as many or "
            "one less."
        )
        raise FaltungValueError(with_shapes(message, **shapes))
    first = layout == "channels_first"
    channels = shape[len(shape) - len(deep) + 1] if first else shape[-1]
    inner, middle = (deep[1], deep[0]) if first else deep[-2:]
    if inner != 1 or channels == 0 or middle % channels:
        form = f"({channels} m, 1, *kernel)" if first else f"(*kernel, 1, {channels} m)"
        message = f"`depthwise` must have the shape {form}: a kernel or m of them for each channel of `x`."
        raise FaltungValueError(with_shapes(message, **shapes))
    taps, seen = (point[2:], point[1]) if first else (point[:-2], point[-2])
    if set(taps) != {1} or seen != middle:
        ones = ", ".join("1" for _ in taps)
        form = f"(out, {middle}, {ones})" if first else f"({ones}, {middle}, out)"
        message = f"`pointwise` must have the shape {form}: one tap for each result of `depthwise`."
        raise FaltungValueError(with_shapes(message, **shapes))
    return int(channels)


def depthwise_words(error: FaltungError) -> FaltungError:
    """An error of the first layer."""
    return _renamed(error, w="depthwise", b="mid_bias", activation="mid_activation")


def pointwise_words(error: FaltungError) -> FaltungError:
    """An error of the second layer."""
    return _renamed(error, x="the result of `depthwise`", w="pointwise")


def _renamed(error: FaltungError, **names: str) -> FaltungError:
    """The same error in the words of this function's arguments."""
    text = str(error)
    for name, ours in names.items():
        text = text.replace(f"`{name}`", ours if "`" in ours else f"`{ours}`")
        text = text.replace(f"({name}: ", f"({ours}: ").replace(f", {name}: ", f", {ours}: ")
    return type(error)(text)

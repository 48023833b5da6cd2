"""What the filters share: which axes, which data types, and one kernel on all of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from faltung._array import convolve
from faltung._errors import FaltungTypeError, FaltungValueError
from faltung._kernel import Kernel
from faltung._normalize import normalize_int, rank_of

Boundary: TypeAlias = str | Sequence[str]


def as_image(img: Any) -> Any:
    """`img` if it is an array of any library, else the NumPy array of it."""
    return img if hasattr(img, "shape") and hasattr(img, "dtype") else np.asarray(img)


def filtered_axes(img: Any, channel_axis: SupportsIndex | None, **per_axis: object) -> tuple[int, ...]:
    """Every axis but that of the channels; colour must name them, or `per_axis` give one value an axis."""
    axes = _but_channels(img, channel_axis)
    if channel_axis is None and _looks_like_colour(img) and not rank_of(0, **per_axis):
        volume = f"one `{next(iter(per_axis))}` an axis" if per_axis else "`convolve` with the kernel"
        raise FaltungValueError(
            f"`img` (of shape {tuple(img.shape)}) looks like a colour image; pass `channel_axis=-1` to "
            f"filter each colour by itself, or {volume} to filter a volume."
        )
    return axes


def image_axes(img: Any, channel_axis: SupportsIndex | None) -> tuple[int, ...]:
    """The two axes of an image, (down, right)."""
    axes = _but_channels(img, channel_axis)
    if len(axes) == 2:
        return axes
    if channel_axis is None and len(axes) == 3:
        channel = -1 if _looks_like_colour(img) else 0
        advice = f"pass `channel_axis={channel}` to filter the planes along that axis one by one"
    else:
        advice = "filter one image after the other"
    raise FaltungValueError(
        f"`img` (of shape {tuple(img.shape)}) must have two axes beside the channels; {advice}."
    )


def _but_channels(img: Any, channel_axis: SupportsIndex | None) -> tuple[int, ...]:
    """Every axis but that of the channels."""
    rank = len(img.shape)
    axes = tuple(range(rank))
    if channel_axis is not None:
        channel = normalize_int("channel_axis", channel_axis, -rank)
        if channel >= rank:
            raise FaltungValueError(
                f"`channel_axis` (={channel}) must be less than the {rank} axes of `img` (of shape "
                f"{tuple(img.shape)}); use -1 for the last."
            )
        axes = tuple(axis for axis in axes if axis != channel % rank)
    if not axes:
        raise FaltungValueError(
            f"`img` (of shape {tuple(img.shape)}) must have an axis to filter beside the channels; "
            "pass an image."
        )
    return axes


def _looks_like_colour(img: Any) -> bool:
    return len(img.shape) == 3 and img.shape[-1] in (3, 4)


def dtype_of(img: Any) -> np.dtype[Any]:
    """NumPy's dtype for the elements of an array of any library; float32 for half types."""
    try:
        found = np.dtype(np.float32 if _is_half(img) else str(img.dtype).rpartition(".")[2])
    except TypeError:
        found = np.dtype(object)
    if found.kind not in "biufc":
        raise FaltungTypeError(f"`img` (of dtype {img.dtype}) must be numbers; convert it before.")
    return found


def _is_half(img: Any) -> bool:
    return str(img.dtype).rpartition(".")[2] in ("float16", "bfloat16")


def dtypes(img: Any, dtype: DTypeLike | None) -> tuple[np.dtype[Any], Any]:
    """Floating dtype wide enough for sums of results, and dtype of what the filter returns."""
    own = dtype_of(img)
    working = np.result_type(own, 0.0)
    if dtype is None:
        return working, img.dtype if _is_half(img) else working
    wanted = np.dtype(dtype)
    return np.result_type(working, wanted) if wanted.kind in "fc" else working, wanted


def apply(
    img: Any,
    kernel: Kernel,
    axes: tuple[int, ...],
    boundary: Boundary,
    fill_value: complex,
    dtype: DTypeLike | None,
    overflow: str,
    workers: int | None,
) -> Any:
    """The kernel on these axes, rounded once."""
    words = (boundary,) * len(axes) if isinstance(boundary, str) else tuple(boundary)
    if len(words) != len(axes):
        raise FaltungValueError(
            f"`boundary` (={boundary!r}) has {len(words)} entries for {len(axes)} filtered axes; "
            "pass one word or one an axis."
        )
    return convolve(
        img,
        kernel,
        "same",
        axes=axes,
        boundary=words,
        fill_value=fill_value,
        dtype=dtypes(img, dtype)[1],
        overflow=overflow,
        workers=workers,
    )


def finished(result: Any, img: Any, dtype: DTypeLike | None, overflow: str, workers: int | None) -> Any:
    """A sum of results as what the filter returns: rounded, and checked, once."""
    working, final = dtypes(img, dtype)
    if final == working:
        return result
    return convolve(result, [1], "same", axes=(0,), dtype=final, overflow=overflow, workers=workers)


def converted(img: Any, dtype: np.dtype[Any], workers: int | None) -> Any:
    """The data in another, wider type, whatever library's array it is."""
    if dtype_of(img) == dtype and not _is_half(img):
        return img
    return convolve(img, [1], "same", axes=(0,), dtype=dtype, workers=workers)


def picture_dtype(img: Any, dtype: DTypeLike | None) -> Any:
    """`dtype`, or that of a picture that stays a picture; None leaves it to `convolve`."""
    own = dtype_of(img)
    if own.kind == "b":
        raise FaltungTypeError(
            "`img` (of dtype bool) has no values between its own; convert it to uint8 before."
        )
    return own if dtype is None and own.kind in "iu" else dtype


def namespace_of(array: Any) -> Any:
    """The module with the functions for this array: NumPy, PyTorch, or another of the array API."""
    if type(array).__module__.partition(".")[0] == "torch":
        return sys.modules["torch"]
    return array.__array_namespace__()

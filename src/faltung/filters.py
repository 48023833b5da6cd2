"""Filters for images and volumes, made of `convolve` and the kernels.

Every filter keeps the size. Boundaries are those of `convolve`; the default, "symmetric", is the one that
`scipy.ndimage` calls "reflect". In an image axis 0 runs down the rows and axis 1 along them; colour needs
`channel_axis`, and each channel is then filtered by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
from numpy.typing import DTypeLike

from . import kernels
from ._array import convolve
from ._errors import FaltungTypeError, FaltungValueError
from ._normalize import PerAxis, RealPerAxis, normalize_int, normalize_per_axis, normalize_reals, rank_of

Boundary: TypeAlias = str | Sequence[str]


class Edges(NamedTuple):
    """Strength and direction of the edges of an image."""

    magnitude: Any
    direction: Any


def gaussian(
    img: Any,
    sigma: RealPerAxis,
    *,
    order: PerAxis = 0,
    truncate: SupportsFloat = 4.0,
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "raise",
    workers: int | None = None,
) -> Any:
    """Gaussian smoothing, or Gaussian derivatives, of an array of any rank.

    The same as `convolve(img, kernels.gaussian(sigma, order=order), "same")` within rounding, at the cost of
    one short 1-D convolution an axis. Between the axes nothing is rounded to integers or half precision.

    Parameters
    ----------
    img : array_like
        The data, of any number of axes.
    sigma : float or sequence of float
        Standard deviation in samples, one for all axes or one an axis (not counting the channels); 0 leaves
        an axis alone.
    order : int or sequence of int
        0 smooths; n takes the n-th derivative along that axis, positive where the data rises for n = 1.
    truncate : float
        The kernel ends `truncate` standard deviations from its centre.
    boundary, fill_value
        What lies beyond the ends; see `convolve`. One word, or one an axis.
    channel_axis : int, optional
        An axis that is not filtered: the colours of an image, the images of a batch.
    dtype : dtype, optional
        Of the result. By default that of floating `img`, and float64 for integers. Integers are rounded half
        to even, once, at the end.
    overflow : {"raise", "wrap", "saturate"}
        What happens to values that an integer `dtype` cannot hold.
    workers : int, optional
        Number of threads.

    Returns
    -------
    array
        Of the shape of `img`.

    Raises
    ------
    FaltungValueError
        An argument is out of range, or an array of shape (H, W, 3) or (H, W, 4) comes without `channel_axis`.

    Notes
    -----
    Equal to `scipy.ndimage.gaussian_filter` for floating data, but for derivatives with a `fill_value` other
    than 0: the data beyond the ends is filtered like the rest, so a derivative of it is 0.

    Examples
    --------
    >>> import numpy as np, faltung as fl
    >>> spot = np.zeros((5, 5), np.uint8)
    >>> spot[2, 2] = 200
    >>> fl.filters.gaussian(spot, 0.5, dtype=np.uint8)
    array([[  0,   0,   0,   0,   0],
           [  0,   2,  17,   2,   0],
           [  0,  17, 124,  17,   0],
           [  0,   2,  17,   2,   0],
           [  0,   0,   0,   0,   0]], dtype=uint8)
    """
    img = _array(img)
    axes = _filtered_axes(img, channel_axis)
    rank = len(axes)
    if channel_axis is None and _looks_like_colour(img) and not rank_of(0, sigma=sigma):
        raise FaltungValueError(
            f"`img` (of shape {tuple(img.shape)}) looks like a colour image; pass `channel_axis=-1` to "
            "filter each colour by itself, or one `sigma` an axis to filter a volume."
        )
    widths = normalize_reals("sigma", sigma, rank)
    orders = normalize_per_axis("order", order, rank, 0)
    words = (boundary,) * rank if isinstance(boundary, str) else tuple(boundary)
    if len(words) != rank:
        raise FaltungValueError(
            f"`boundary` (={boundary!r}) has {len(words)} entries for {rank} filtered axes; "
            "pass one word or one an axis."
        )
    passes = [
        (axis, kernels.gaussian(width, ndim=1, order=n, truncate=truncate), word)
        for axis, width, n, word in zip(axes, widths, orders, words, strict=True)
    ]
    passes = [step for step in passes if step[1].shape != (1,)] or passes[-1:]
    working, final = _dtypes(img, dtype)
    result, fill = img, fill_value
    for axis, kernel, word in passes:
        result = convolve(
            result,
            kernel,
            "same",
            axes=(axis,),
            boundary=word,
            fill_value=fill,
            dtype=final if axis == passes[-1][0] else working,
            overflow=overflow,
            workers=workers,
        )
        fill = fill * kernel.taps.sum()
    return result


def edges(
    img: Any,
    *,
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    workers: int | None = None,
) -> Edges:
    r"""Magnitude and direction of the gradient of an image, by Sobel's kernels.

    With :math:`g_0` and :math:`g_1` the convolutions with `kernels.sobel(0)` and `kernels.sobel(1)`,

    .. math:: m = \sqrt{g_0^2 + g_1^2}, \qquad \theta = \operatorname{atan2}(g_0, g_1).

    Parameters
    ----------
    img : array_like
        A real image (H, W), or with channels.
    boundary, fill_value
        What lies beyond the ends; see `convolve`.
    channel_axis : int, optional
        The axis of the channels, or of a batch; each has its own edges.
    workers : int, optional
        Number of threads.

    Returns
    -------
    Edges
        `magnitude`: 8 where the brightness rises by 1 a pixel. `direction`: in radians, from -pi to pi, where
        the image gets brighter: 0 to the right (along axis 1), pi/2 downwards (along axis 0). Both have the
        shape of `img` and its floating dtype; float64 for integers, float32 for half types.

    Raises
    ------
    FaltungTypeError
        The image is complex, or not numbers.
    FaltungValueError
        There are not two axes beside the channels.

    References
    ----------
    I. Sobel, G. Feldman, "A 3x3 isotropic gradient operator for image processing" (1968).

    Examples
    --------
    >>> import numpy as np, faltung as fl
    >>> brighter_downwards = np.array([[0, 0, 0], [0, 0, 0], [9, 9, 9]], np.uint8)
    >>> found = fl.filters.edges(brighter_downwards)
    >>> found.magnitude[1], found.direction[1] / np.pi
    (array([36., 36., 36.]), array([0.5, 0.5, 0.5]))
    """
    img = _array(img)
    axes = _image_axes(img, channel_axis)
    working, _ = _dtypes(img, None)
    if working.kind == "c":
        raise FaltungTypeError(f"`img` (of dtype {img.dtype}) must be real; take its absolute value before.")
    down, right = (
        convolve(
            img,
            kernels.sobel(axis),
            "same",
            axes=axes,
            boundary=boundary,
            fill_value=fill_value,
            dtype=working,
            workers=workers,
        )
        for axis in (0, 1)
    )
    namespace = _namespace(down)
    return Edges(namespace.hypot(down, right), namespace.atan2(down, right))


def sharpen(
    img: Any,
    amount: SupportsFloat = 1,
    *,
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "saturate",
    workers: int | None = None,
) -> Any:
    """Steepen the edges of an image: img - amount * Laplacian(img).

    Parameters
    ----------
    img : array_like
        An image (H, W), or with channels.
    amount : float
        Strength; 0 changes nothing.
    boundary, fill_value
        What lies beyond the ends; see `convolve`.
    channel_axis : int, optional
        The axis of the channels, or of a batch.
    dtype : dtype, optional
        Of the result; by default that of `img`.
    overflow : {"saturate", "raise", "wrap"}
        What happens to values that an integer `dtype` cannot hold; by default they stop at its ends.
    workers : int, optional
        Number of threads.

    Returns
    -------
    array
        Of the shape of `img`.

    Raises
    ------
    FaltungTypeError
        The image is boolean, or not numbers.
    FaltungValueError
        `amount` is not finite, or there are not two axes beside the channels.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.6.

    Examples
    --------
    >>> import numpy as np, faltung as fl
    >>> step = np.array([[10, 10, 90, 90]] * 2, np.uint8)
    >>> fl.filters.sharpen(step)
    array([[ 10,   0, 170,  90],
           [ 10,   0, 170,  90]], dtype=uint8)
    """
    img = _array(img)
    axes = _image_axes(img, channel_axis)
    own = _dtype(img)
    if own.kind == "b":
        raise FaltungTypeError(
            "`img` (of dtype bool) has no values between its own; convert it to uint8 before."
        )
    if dtype is None and own.kind in "iu":
        dtype = own
    return convolve(
        img,
        kernels.sharpen(amount),
        "same",
        axes=axes,
        boundary=boundary,
        fill_value=fill_value,
        dtype=dtype,
        overflow=overflow,
        workers=workers,
    )


def _array(img: Any) -> Any:
    """`img` if it is an array of any library, else the NumPy array of it."""
    return img if hasattr(img, "shape") and hasattr(img, "dtype") else np.asarray(img)


def _filtered_axes(img: Any, channel_axis: SupportsIndex | None) -> tuple[int, ...]:
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


def _image_axes(img: Any, channel_axis: SupportsIndex | None) -> tuple[int, ...]:
    """The two axes of an image, (down, right)."""
    axes = _filtered_axes(img, channel_axis)
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


def _looks_like_colour(img: Any) -> bool:
    return len(img.shape) == 3 and img.shape[-1] in (3, 4)


def _dtype(img: Any) -> np.dtype[Any]:
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


def _dtypes(img: Any, dtype: DTypeLike | None) -> tuple[np.dtype[Any], Any]:
    """Dtype between two passes, floating and wide enough, and dtype of the last pass."""
    own = _dtype(img)
    working = np.result_type(own, 0.0)
    if dtype is None:
        return working, img.dtype if _is_half(img) else working
    wanted = np.dtype(dtype)
    return np.result_type(working, wanted) if wanted.kind in "fc" else working, wanted


def _namespace(array: Any) -> Any:
    """The module with the functions for this array: NumPy, PyTorch, or another of the array API."""
    if type(array).__module__.partition(".")[0] == "torch":
        return sys.modules["torch"]
    return array.__array_namespace__()

"""First derivatives: the gradient along every axis, and the edges of an image."""

from __future__ import annotations

from typing import Any, NamedTuple, SupportsIndex

from numpy.typing import DTypeLike

from faltung import kernels
from faltung._errors import FaltungTypeError, FaltungValueError
from faltung._kernel import Kernel, Separable
from faltung.filters._image import (
    Boundary,
    apply,
    as_image,
    dtypes,
    filtered_axes,
    image_axes,
    namespace_of,
)

OPERATORS = {"sobel": kernels.sobel, "scharr": kernels.scharr, "prewitt": kernels.prewitt}


class Edges(NamedTuple):
    """Strength and direction of the edges of an image."""

    magnitude: Any
    direction: Any


def gradient(
    img: Any,
    *,
    operator: str = "sobel",
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "raise",
    workers: int | None = None,
) -> tuple[Any, ...]:
    """Derivative along every axis: positive where the data rises.

    Parameters
    ----------
    img : array_like
        The data, of any number of axes.
    operator : {"sobel", "scharr", "prewitt", "central"}
        The difference [1, 0, -1] along the axis, and across it [1, 2, 1], [3, 10, 3], [1, 1, 1] or nothing.
        Sums as of these taps, not scaled: in an image 8, 32, 6 or 2 where the data rises by 1 a sample.
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
    tuple of array
        One for every filtered axis, of the shape of `img`.

    Raises
    ------
    FaltungValueError
        There is no such operator, an argument is out of range, or an array of shape (H, W, 3) or (H, W, 4)
        comes without `channel_axis`.

    See Also
    --------
    gaussian : with `order=1` along an axis gives the derivative on a scale of your choice.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 10.2.

    Examples
    --------
    >>> import numpy as np, faltung as fl
    >>> down, right = fl.filters.gradient(np.array([[0, 1, 2]] * 3, np.uint8), dtype=np.int16)
    >>> right
    array([[4, 8, 4],
           [4, 8, 4],
           [4, 8, 4]], dtype=int16)
    >>> bool(down.any())
    False
    """
    img = as_image(img)
    axes = filtered_axes(img, channel_axis)
    return tuple(
        apply(img, _slope(operator, at, len(axes)), axes, boundary, fill_value, dtype, overflow, workers)
        for at in range(len(axes))
    )


def edges(
    img: Any,
    *,
    operator: str = "sobel",
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    workers: int | None = None,
) -> Edges:
    r"""Magnitude and direction of the gradient of an image.

    With :math:`g_0` and :math:`g_1` the convolutions with `kernels.sobel(0)` and `kernels.sobel(1)`, or those
    of another operator,

    .. math:: m = \sqrt{g_0^2 + g_1^2}, \qquad \theta = \operatorname{atan2}(g_0, g_1).

    Parameters
    ----------
    img : array_like
        A real image (H, W), or with channels.
    operator : {"sobel", "scharr", "prewitt", "central"}
        The kernels, as in `gradient`.
    boundary, fill_value
        What lies beyond the ends; see `convolve`.
    channel_axis : int, optional
        The axis of the channels, or of a batch; each has its own edges.
    workers : int, optional
        Number of threads.

    Returns
    -------
    Edges
        `magnitude`: 8 where the brightness rises by 1 a pixel (32, 6 and 2 by the other operators).
        `direction`: in radians, from -pi to pi, where the image gets brighter: 0 to the right (along axis 1),
        pi/2 downwards (along axis 0). Both have the shape of `img` and its floating dtype; float64 for
        integers, float32 for half types.

    Raises
    ------
    FaltungTypeError
        The image is complex, or not numbers.
    FaltungValueError
        There are not two axes beside the channels, or no such operator.

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
    img = as_image(img)
    axes = image_axes(img, channel_axis)
    working, _ = dtypes(img, None)
    if working.kind == "c":
        raise FaltungTypeError(f"`img` (of dtype {img.dtype}) must be real; take its absolute value before.")
    down, right = (
        apply(img, _slope(operator, at, 2), axes, boundary, fill_value, working, "raise", workers)
        for at in (0, 1)
    )
    namespace = namespace_of(down)
    return Edges(namespace.hypot(down, right), namespace.atan2(down, right))


def _slope(operator: str, axis: int, ndim: int) -> Kernel:
    """The kernel of an operator along one of `ndim` axes."""
    if operator == "central":
        return Separable(*[[1, 0, -1] if at == axis else [1] for at in range(ndim)])
    if operator not in OPERATORS:
        words = ", ".join(map(repr, [*OPERATORS, "central"]))
        raise FaltungValueError(f"`operator` (={operator!r}) must be one of {words}.")
    return OPERATORS[operator](axis, ndim=ndim)

"""Filters that make a picture from a picture: sharper, or in relief."""

from __future__ import annotations

import math
from typing import Any, SupportsFloat, SupportsIndex

from numpy.typing import DTypeLike

from faltung import kernels
from faltung._normalize import PerAxis, RealPerAxis, normalize_reals
from faltung.filters._image import (
    Boundary,
    apply,
    as_image,
    converted,
    dtypes,
    filtered_axes,
    finished,
    image_axes,
    picture_dtype,
)


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
    img = as_image(img)
    axes = image_axes(img, channel_axis)
    own = picture_dtype(img, dtype)
    return apply(img, kernels.sharpen(amount), axes, boundary, fill_value, own, overflow, workers)


def unsharp(
    img: Any,
    sigma: RealPerAxis = 1.0,
    amount: SupportsFloat = 1,
    *,
    truncate: SupportsFloat = 4.0,
    radius: PerAxis | None = None,
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "saturate",
    workers: int | None = None,
) -> Any:
    r"""Unsharp mask: what a Gaussian would take away is added once more, times `amount`.

    .. math:: y = x + \alpha\, (x - g_\sigma * x)

    Parameters
    ----------
    img : array_like
        The data, of any number of axes.
    sigma : float or sequence of float
        Standard deviation of the Gaussian in samples, one for all axes or one an axis (not counting the
        channels): the size of the details that gain.
    amount : float
        Strength (alpha above); 0 changes nothing.
    truncate : float
        The Gaussian ends `truncate` standard deviations from its centre.
    radius : int or sequence of int, optional
        The Gaussian ends so many samples from its centre, whatever `truncate` is.
    boundary, fill_value
        What lies beyond the ends; see `convolve`. One word, or one an axis.
    channel_axis : int, optional
        An axis that is not filtered: the colours of an image, the images of a batch.
    dtype : dtype, optional
        Of the result. By default that of `img`. Integers are rounded half to even, once, at the end.
    overflow : {"saturate", "raise", "wrap"}
        What happens to values that an integer `dtype` cannot hold.
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
        An argument is out of range, or an array of shape (H, W, 3) or (H, W, 4) comes without `channel_axis`.

    Notes
    -----
    Equal to `skimage.filters.unsharp_mask` with `preserve_range=True` for floating data, whose `radius` is
    our `sigma`.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.6.

    Examples
    --------
    >>> import numpy as np, faltung as fl
    >>> step = np.array([[10, 10, 10, 90, 90, 90]] * 2, np.uint8)
    >>> fl.filters.unsharp(step)
    array([[ 10,   5,   0, 114,  95,  90],
           [ 10,   5,   0, 114,  95,  90]], dtype=uint8)
    """
    img = as_image(img)
    axes = filtered_axes(img, channel_axis, sigma=sigma)
    (strength,) = normalize_reals("amount", amount, 1, -math.inf)
    own = picture_dtype(img, dtype)
    if len(axes) <= 2:  # the sum of two outer products; in more axes of as many, which are too many
        mask = kernels.unsharp(sigma, strength, ndim=len(axes), truncate=truncate, radius=radius)
        return apply(img, mask, axes, boundary, fill_value, own, overflow, workers)
    kernel = kernels.gaussian(sigma, ndim=len(axes), truncate=truncate, radius=radius)
    working, _ = dtypes(img, own)
    blurred = apply(img, kernel, axes, boundary, fill_value, working, overflow, workers)
    plain = converted(img, working, workers)
    sharper = plain + strength * (plain - blurred)
    return finished(sharper, img, own, overflow, workers)


def emboss(
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
    """A relief lit from the upper left: the image plus `amount` times its slope towards the lower right.

    Parameters
    ----------
    img : array_like
        An image (H, W), or with channels.
    amount : float
        Depth of the relief; 0 changes nothing.
    boundary, fill_value
        What lies beyond the ends; see `convolve`. One word, or one an axis.
    channel_axis : int, optional
        An axis that is not filtered: the colours of an image, the images of a batch.
    dtype : dtype, optional
        Of the result. By default that of `img`. Integers are rounded half to even, once, at the end.
    overflow : {"saturate", "raise", "wrap"}
        What happens to values that an integer `dtype` cannot hold.
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

    See Also
    --------
    faltung.kernels.emboss : the kernel.

    Examples
    --------
    >>> import numpy as np, faltung as fl
    >>> step = np.array([[50, 50, 90, 90]] * 2, np.uint8)
    >>> fl.filters.emboss(step)
    array([[ 50, 170, 210,  90],
           [ 50, 170, 210,  90]], dtype=uint8)
    """
    img = as_image(img)
    axes = image_axes(img, channel_axis)
    own = picture_dtype(img, dtype)
    return apply(img, kernels.emboss(amount), axes, boundary, fill_value, own, overflow, workers)

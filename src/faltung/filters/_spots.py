"""Second derivatives, which answer to spots and lines: Laplacians and differences of Gaussians."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any, SupportsFloat, SupportsIndex

from numpy.typing import DTypeLike

from faltung import kernels
from faltung._errors import FaltungValueError
from faltung._normalize import PerAxis, RealPerAxis, normalize_reals
from faltung.filters._image import (
    Boundary,
    apply,
    as_image,
    dtypes,
    filtered_axes,
    finished,
)


def laplacian(
    img: Any,
    *,
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "raise",
    workers: int | None = None,
) -> Any:
    """Sum of the second differences [1, -2, 1] along every axis.

    Parameters
    ----------
    img : array_like
        The data, of any number of axes.
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
    Equal to `scipy.ndimage.laplace`.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.6.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.filters.laplacian([[0, 0, 0], [0, 5, 0], [0, 0, 0]], dtype=int)
    array([[  0,   5,   0],
           [  5, -20,   5],
           [  0,   5,   0]])
    """
    img = as_image(img)
    axes = filtered_axes(img, channel_axis)
    kernel = kernels.laplacian(len(axes))
    return apply(img, kernel, axes, boundary, fill_value, dtype, overflow, workers)


def log(
    img: Any,
    sigma: RealPerAxis,
    *,
    truncate: SupportsFloat = 4.0,
    radius: PerAxis | None = None,
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "raise",
    workers: int | None = None,
) -> Any:
    """Laplacian of a Gaussian: the sum of its second derivatives along every axis.

    Negative in bright spots of about 1.4 `sigma` radius (in an image), and zero on edges.

    Parameters
    ----------
    img : array_like
        The data, of any number of axes.
    sigma : float or sequence of float
        Standard deviation in samples, above 0, one for all axes or one an axis (not counting the channels).
    truncate : float
        The kernel ends `truncate` standard deviations from its centre.
    radius : int or sequence of int, optional
        The kernel ends so many samples from its centre, whatever `truncate` is.
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
    Equal to `scipy.ndimage.gaussian_laplace` for floating data, but where a `fill_value` other than 0 lies
    beyond the ends. The passes of each axis are added before anything is rounded to integers.

    References
    ----------
    D. Marr, E. Hildreth, "Theory of edge detection", Proceedings of the Royal Society B 207 (1980).

    Examples
    --------
    >>> import numpy as np, faltung as fl
    >>> spot = np.zeros((9, 9))
    >>> spot[4, 4] = 100
    >>> fl.filters.log(spot, 1)[4, 3:6].round(1).tolist()
    [-9.7, -31.8, -9.7]
    """
    img = as_image(img)
    axes = filtered_axes(img, channel_axis, sigma=sigma)
    rank = len(axes)
    working, _ = dtypes(img, dtype)
    parts = []
    for along in range(rank):
        order = [2 * (at == along) for at in range(rank)]
        kernel = kernels.gaussian(sigma, ndim=rank, order=order, truncate=truncate, radius=radius)
        parts.append(apply(img, kernel, axes, boundary, fill_value, working, overflow, workers))
    return finished(reduce(add, parts), img, dtype, overflow, workers)


def difference_of_gaussians(
    img: Any,
    low_sigma: RealPerAxis,
    high_sigma: RealPerAxis | None = None,
    *,
    truncate: SupportsFloat = 4.0,
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "raise",
    workers: int | None = None,
) -> Any:
    """What lies between two scales: smoothed by `low_sigma`, less the same smoothed by `high_sigma`.

    Parameters
    ----------
    img : array_like
        The data, of any number of axes.
    low_sigma : float or sequence of float
        Standard deviation of the narrow Gaussian in samples, one for all axes or one an axis; 0 takes the
        data as they are.
    high_sigma : float or sequence of float, optional
        That of the wide one, no smaller along any axis; 1.6 times `low_sigma` by default, which comes near
        the Laplacian of a Gaussian.
    truncate : float
        The kernels end `truncate` standard deviations from their centre.
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
        `high_sigma` is less than `low_sigma`, an argument is out of range, or an array of shape (H, W, 3) or
        (H, W, 4) comes without `channel_axis`.

    References
    ----------
    D. Marr, E. Hildreth, "Theory of edge detection", Proceedings of the Royal Society B 207 (1980).

    Examples
    --------
    >>> import numpy as np, faltung as fl
    >>> spot = np.zeros((9, 9))
    >>> spot[4, 4] = 100
    >>> fl.filters.difference_of_gaussians(spot, 1)[4, 3:6].round(1).tolist()
    [4.5, 9.7, 4.5]
    """
    img = as_image(img)
    axes = filtered_axes(img, channel_axis, low_sigma=low_sigma)
    low = normalize_reals("low_sigma", low_sigma, len(axes))
    high = tuple(1.6 * s for s in low) if high_sigma is None else high_sigma
    high = normalize_reals("high_sigma", high, len(axes))
    if any(wide < narrow for narrow, wide in zip(low, high, strict=True)):
        raise FaltungValueError(
            f"`high_sigma` (={high_sigma!r}) must be no less than `low_sigma` (={low_sigma!r}); swap them "
            "and change the sign."
        )
    working, _ = dtypes(img, dtype)
    narrow, wide = (
        apply(
            img,
            kernels.gaussian(sigma, ndim=len(axes), truncate=truncate),
            axes,
            boundary,
            fill_value,
            working,
            overflow,
            workers,
        )
        for sigma in (low, high)
    )
    return finished(narrow - wide, img, dtype, overflow, workers)

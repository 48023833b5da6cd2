"""Smoothing: means over a Gaussian, a box, a stroke, and whatever kernel averages noise."""

from __future__ import annotations

from typing import Any, SupportsFloat, SupportsIndex

from numpy.typing import ArrayLike, DTypeLike

from faltung import kernels
from faltung._errors import FaltungValueError
from faltung._kernel import Kernel
from faltung._normalize import PerAxis, RealPerAxis, normalize_int
from faltung.filters._image import (
    Boundary,
    apply,
    as_image,
    filtered_axes,
    image_axes,
    picture_dtype,
)


def gaussian(
    img: Any,
    sigma: RealPerAxis,
    *,
    order: PerAxis = 0,
    truncate: SupportsFloat = 4.0,
    radius: PerAxis | None = None,
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "raise",
    workers: int | None = None,
) -> Any:
    """Gaussian smoothing, or Gaussian derivatives, of an array of any rank.

    `convolve(img, kernels.gaussian(sigma, order=order), "same")` with the options of a filter. It runs axis
    by axis, and between the axes nothing is rounded to integers or half precision.

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
    img = as_image(img)
    axes = filtered_axes(img, channel_axis, sigma=sigma)
    kernel = kernels.gaussian(sigma, ndim=len(axes), order=order, truncate=truncate, radius=radius)
    return apply(img, kernel, axes, boundary, fill_value, dtype, overflow, workers)


def box(
    img: Any,
    size: PerAxis,
    *,
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "raise",
    workers: int | None = None,
) -> Any:
    """Mean over a box around every sample, of an array of any rank.

    `convolve(img, kernels.box(size), "same")` with the options of a filter.

    Parameters
    ----------
    img : array_like
        The data, of any number of axes.
    size : int or sequence of int
        Samples along each axis, one number for all or one an axis (not counting the channels). Of an even
        number one more lies before the sample than after it.
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
    Equal to `scipy.ndimage.uniform_filter` for floating data.

    References
    ----------
    M. J. McDonnell, "Box-filtering techniques", Computer Graphics and Image Processing 17 (1981).

    Examples
    --------
    >>> import faltung as fl
    >>> fl.filters.box([0.0, 0, 9, 0, 0], 3)
    array([0., 3., 3., 3., 0.])
    """
    img = as_image(img)
    axes = filtered_axes(img, channel_axis, size=size)
    kernel = kernels.box(size, ndim=len(axes))
    return apply(img, kernel, axes, boundary, fill_value, dtype, overflow, workers)


def motion(
    img: Any,
    length: SupportsFloat,
    angle: SupportsFloat = 0.0,
    *,
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "raise",
    workers: int | None = None,
) -> Any:
    """Blur of a camera that moves straight: the mean along a stroke.

    Parameters
    ----------
    img : array_like
        An image (H, W), or with channels.
    length : float
        Length of the stroke in samples; 1 and less change nothing.
    angle : float
        Its direction in radians: 0 along the rows, pi/2 down.
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
        A number is out of range, or there are not two axes beside the channels.

    See Also
    --------
    faltung.kernels.motion : the kernel, and how its ends are weighted.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.filters.motion([[0.0, 0, 9, 0, 0]] * 2, 3)
    array([[0., 3., 3., 3., 0.],
           [0., 3., 3., 3., 0.]])
    """
    img = as_image(img)
    axes = image_axes(img, channel_axis)
    kernel = kernels.motion(length, angle)
    return apply(img, kernel, axes, boundary, fill_value, dtype, overflow, workers)


def denoise(
    img: Any,
    kernel: str | Kernel | ArrayLike = "gaussian",
    *,
    radius: SupportsIndex = 1,
    boundary: Boundary = "symmetric",
    fill_value: complex = 0,
    channel_axis: SupportsIndex | None = None,
    dtype: DTypeLike | None = None,
    overflow: str = "saturate",
    workers: int | None = None,
) -> Any:
    r"""Average noise away by a kernel of your choice, scaled to a sum of 1 so that the brightness stays.

    White noise of standard deviation s becomes noise of :math:`s \sqrt{\sum k^2}`; details that are finer
    than the kernel go with it.

    Parameters
    ----------
    img : array_like
        The data, of any number of axes.
    kernel : {"gaussian", "box", "disk"} or Kernel or array_like
        gaussian: of standard deviation (2 radius + 1) / 4, the smoothest; box: averages most for its size;
        disk: the same in all directions of an image. Or taps with an axis for every filtered one.
    radius : int
        The words' kernels have 2 radius + 1 taps along every axis; 0 changes nothing.
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
        `kernel` is another word or sums to 0, an argument is out of range, or an array of shape (H, W, 3) or
        (H, W, 4) comes without `channel_axis`.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 5.3.

    Examples
    --------
    >>> import numpy as np, faltung as fl
    >>> noisy = 100 + np.random.default_rng(0).normal(0, 10, (50, 50))
    >>> [
    ...     round(float(fl.filters.denoise(noisy, k).std()), 1)
    ...     for k in ("gaussian", "box", "disk")
    ... ]
    [4.1, 3.3, 4.4]
    """
    img = as_image(img)
    reach = normalize_int("radius", radius, 0)
    disk = isinstance(kernel, str) and kernel == "disk"
    axes = image_axes(img, channel_axis) if disk else filtered_axes(img, channel_axis)
    taps = kernels.normalize(_averaging(kernel, reach, len(axes)))
    if taps.ndim != len(axes):
        raise FaltungValueError(
            f"`kernel` (of shape {taps.shape}) must have one axis for each of the {len(axes)} filtered axes "
            f"of `img` (of shape {tuple(img.shape)})."
        )
    return apply(img, taps, axes, boundary, fill_value, picture_dtype(img, dtype), overflow, workers)


def _averaging(kernel: str | Kernel | ArrayLike, radius: int, ndim: int) -> Kernel | ArrayLike:
    """The kernel that a word names, or the kernel itself."""
    if not isinstance(kernel, str):
        return kernel
    if kernel == "gaussian":
        return kernels.gaussian((2 * radius + 1) / 4, ndim=ndim, radius=radius)
    if kernel == "box":
        return kernels.box(2 * radius + 1, ndim=ndim)
    if kernel == "disk":
        return kernels.disk(radius)
    raise FaltungValueError(
        f"`kernel` (={kernel!r}) must be 'gaussian', 'box', 'disk' or the taps of a kernel."
    )

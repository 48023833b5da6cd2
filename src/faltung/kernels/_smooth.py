"""Means over a shape: a box, a disk, a stroke. Their taps are not negative and sum to 1."""

from __future__ import annotations

import math
from typing import SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from faltung._kernel import Kernel
from faltung._normalize import PerAxis, normalize_int, normalize_per_axis, normalize_reals, rank_of


def box(size: PerAxis, *, ndim: SupportsIndex | None = None) -> Kernel:
    r"""Mean over a box: every tap is :math:`1 / \prod_i K_i`.

    Parameters
    ----------
    size : int or sequence of int
        Taps K along each axis; one number, or one an axis.
    ndim : int, optional
        Number of axes; by default that of the sequence, or 2.

    Returns
    -------
    Kernel
        float64 taps of shape `size`, with their factors.

    Raises
    ------
    FaltungValueError
        A size is less than 1.

    References
    ----------
    M. J. McDonnell, "Box-filtering techniques", Computer Graphics and Image Processing 17 (1981).

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.box(2)
    Kernel([[0.25, 0.25],
            [0.25, 0.25]], separable)
    """
    rank = rank_of(2, size=size) if ndim is None else normalize_int("ndim", ndim, 1)
    sizes = normalize_per_axis("size", size, rank, 1)
    taps = np.full(sizes, 1 / math.prod(sizes))
    return Kernel(taps, tuple(np.full(n, 1 / n) for n in sizes))


def disk(radius: SupportsFloat) -> Kernel:
    r"""Mean over a disk, as a lens out of focus takes it: every tap is the share of the disk in its pixel.

    .. math:: k[i, j] = \frac{1}{\pi R^2} \left| \{x^2 + y^2 \le R^2\} \cap
       [i - \tfrac12, i + \tfrac12] \times [j - \tfrac12, j + \tfrac12] \right|

    The area is exact, hence the rim has no steps.

    Parameters
    ----------
    radius : float
        Radius R in samples; up to 1/2 there is one tap.

    Returns
    -------
    Kernel
        float64 taps of shape (n, n), n the odd number that covers the disk.

    Raises
    ------
    FaltungValueError
        `radius` is negative or not finite.

    References
    ----------
    B. K. P. Horn, "Robot Vision", MIT Press 1986, section 6.4.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.disk(1)
    Kernel([[0.0251, 0.1453, 0.0251],
            [0.1453, 0.3183, 0.1453],
            [0.0251, 0.1453, 0.0251]])
    """
    (reach,) = normalize_reals("radius", radius, 1)
    pixels = math.ceil(reach - 0.5)
    if pixels <= 0:
        return Kernel(np.ones((1, 1)))
    ends = np.arange(-0.5, pixels + 1)  # of the pixels 0, 1, ... along an axis
    covered = _disk_area(ends[:, None], ends[None, :], reach)
    quarter = covered[1:, 1:] - covered[:-1, 1:] - covered[1:, :-1] + covered[:-1, :-1]
    quarter = (quarter + quarter.T) / 2  # exactly symmetric, and exact where the rim is not
    near, far = ends[:-1].clip(0) ** 2, ends[1:] ** 2
    quarter[near[:, None] + near >= reach**2] = 0
    quarter[far[:, None] + far <= reach**2] = 1
    half = np.concatenate([quarter[:0:-1], quarter])
    taps = np.concatenate([half[:, :0:-1], half], axis=1)
    return Kernel(taps / taps.sum())


def motion(length: SupportsFloat, angle: SupportsFloat = 0.0) -> Kernel:
    r"""Mean along a stroke, as of a camera that moves: every tap is the share of the stroke in its pixel.

    .. math:: k[i, j] = \frac1L \left| \{t (\sin\varphi, \cos\varphi) : |t| \le L / 2\} \cap
       [i - \tfrac12, i + \tfrac12] \times [j - \tfrac12, j + \tfrac12] \right|

    The length is exact, hence the stroke has no steps.

    Parameters
    ----------
    length : float
        Length L in samples; 1 and less leave an image as it is.
    angle : float
        Direction in radians as that of `faltung.filters.edges`: 0 along the rows, pi/2 down.

    Returns
    -------
    Kernel
        float64 taps; both lengths are odd.

    Raises
    ------
    FaltungValueError
        `length` is negative, or a number is not finite.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 5.6.

    Examples
    --------
    >>> import faltung as fl, math
    >>> fl.kernels.motion(5)
    Kernel([[0.2, 0.2, 0.2, 0.2, 0.2]])
    >>> fl.kernels.motion(3, math.pi / 6)
    Kernel([[0.1667, 0.    , 0.    ],
            [0.1409, 0.3849, 0.1409],
            [0.    , 0.    , 0.1667]])
    """
    (extent,) = normalize_reals("length", length, 1)
    (phi,) = normalize_reals("angle", angle, 1, -math.inf)
    step = np.array([math.sin(phi), math.cos(phi)])
    step[np.abs(step) < 1e-12] = 0
    reach = [max(0, math.ceil(extent / 2 * abs(d) - 0.5 - 1e-12)) for d in step]
    taps = np.zeros([2 * n + 1 for n in reach])
    # Where the stroke crosses from pixel to pixel; between two crossings it stays in one.
    crossings = [(np.arange(-n, n) + 0.5) / d for n, d in zip(reach, step, strict=True) if n]
    cuts = np.sort(np.concatenate([[-extent / 2, extent / 2], *crossings]).clip(-extent / 2, extent / 2))
    middles = (cuts[1:] + cuts[:-1]) / 2
    places = [np.rint(middles * d).astype(int) + n for n, d in zip(reach, step, strict=True)]
    np.add.at(taps, tuple(places), np.diff(cuts))
    taps = taps + taps[::-1, ::-1]  # exactly symmetric
    taps[taps < 1e-12 * taps.max()] = 0
    if not taps.any():
        taps[:] = 1
    return Kernel(taps / taps.sum())


def _disk_area(x: NDArray[np.float64], y: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Area of the disk between 0 and x and between 0 and y, with the sign of x y."""
    sign = np.sign(x) * np.sign(y)
    x, y = np.minimum(np.abs(x), radius), np.minimum(np.abs(y), radius)
    turn = np.minimum(x, np.sqrt(radius**2 - y**2))  # up to here y is the lower bound, then the circle
    area: NDArray[np.float64] = sign * (y * turn + _segment(x, radius) - _segment(turn, radius))
    return area


def _segment(x: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Area under the circle between 0 and x."""
    return (x * np.sqrt(radius**2 - x**2) + radius**2 * np.arcsin(x / radius)) / 2

"""Differences: the derivatives of small kernels, and the Laplacian."""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from faltung._errors import FaltungValueError
from faltung._kernel import Kernel, Separable
from faltung._normalize import normalize_int


def sobel(axis: SupportsIndex, *, ndim: SupportsIndex = 2) -> Kernel:
    r"""Sobel's derivative along one axis, smoothed along the others.

    The outer product of [1, 0, -1] along `axis` and [1, 2, 1] along every other axis. A ramp that rises by 1
    a sample answers with :math:`2 \cdot 4^{n-1}` in n axes: 8 in an image.

    Parameters
    ----------
    axis : int
        The axis of the derivative; in an image 0 looks down the rows and 1 along them.
    ndim : int
        Number of axes.

    Returns
    -------
    Kernel
        int64 taps of shape (3,) * ndim, with their factors.

    Raises
    ------
    FaltungValueError
        There is no such axis.

    References
    ----------
    I. Sobel, G. Feldman, "A 3x3 isotropic gradient operator for image processing" (1968).

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.sobel(0)
    Kernel([[ 1,  2,  1],
            [ 0,  0,  0],
            [-1, -2, -1]], separable)
    >>> fl.convolve([[0, 1, 2]] * 3, fl.kernels.sobel(1), "valid")
    array([[8]])
    """
    return _slope(axis, ndim, [1, 2, 1])


def scharr(axis: SupportsIndex, *, ndim: SupportsIndex = 2) -> Kernel:
    r"""Scharr's derivative along one axis, smoothed along the others.

    The outer product of [1, 0, -1] along `axis` and [3, 10, 3] along every other axis: the weights for which
    the direction of the gradient depends least on the direction of the grid, several times less than that of
    `sobel`. A ramp that rises by 1 a sample answers with :math:`2 \cdot 16^{n-1}` in n axes: 32 in an image.

    Parameters
    ----------
    axis : int
        The axis of the derivative; in an image 0 looks down the rows and 1 along them.
    ndim : int
        Number of axes.

    Returns
    -------
    Kernel
        int64 taps of shape (3,) * ndim, with their factors.

    Raises
    ------
    FaltungValueError
        There is no such axis.

    References
    ----------
    H. Scharr, "Optimale Operatoren in der Digitalen Bildverarbeitung", dissertation, Heidelberg 2000.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.scharr(1)
    Kernel([[  3,   0,  -3],
            [ 10,   0, -10],
            [  3,   0,  -3]], separable)
    """
    return _slope(axis, ndim, [3, 10, 3])


def prewitt(axis: SupportsIndex, *, ndim: SupportsIndex = 2) -> Kernel:
    r"""Prewitt's derivative along one axis, averaged along the others.

    The outer product of [1, 0, -1] along `axis` and [1, 1, 1] along every other axis. A ramp that rises by 1
    a sample answers with :math:`2 \cdot 3^{n-1}` in n axes: 6 in an image.

    Parameters
    ----------
    axis : int
        The axis of the derivative; in an image 0 looks down the rows and 1 along them.
    ndim : int
        Number of axes.

    Returns
    -------
    Kernel
        int64 taps of shape (3,) * ndim, with their factors.

    Raises
    ------
    FaltungValueError
        There is no such axis.

    References
    ----------
    J. M. S. Prewitt, "Object enhancement and extraction", in: Picture Processing and Psychopictorics, 1970.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.prewitt(0)
    Kernel([[ 1,  1,  1],
            [ 0,  0,  0],
            [-1, -1, -1]], separable)
    """
    return _slope(axis, ndim, [1, 1, 1])


def roberts(diagonal: SupportsIndex) -> Kernel:
    """Roberts' difference along a diagonal of an image.

    Parameters
    ----------
    diagonal : int
        0: positive where the image gets brighter towards the lower right; 1: towards the lower left.

    Returns
    -------
    Kernel
        int64 taps of shape (2, 2).

    Raises
    ------
    FaltungValueError
        There is no such diagonal.

    References
    ----------
    L. G. Roberts, "Machine perception of three-dimensional solids", MIT Lincoln Laboratory 1963.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.roberts(0)
    Kernel([[ 1,  0],
            [ 0, -1]])
    >>> fl.convolve([[0, 0], [0, 5]], fl.kernels.roberts(0), "valid")
    array([[5]])
    """
    which = normalize_int("diagonal", diagonal, 0)
    if which > 1:
        raise FaltungValueError(f"`diagonal` (={which}) must be 0 (lower right) or 1 (lower left).")
    return Kernel([[0, 1], [-1, 0]] if which else [[1, 0], [0, -1]])


def laplacian(ndim: SupportsIndex = 2) -> Kernel:
    """Sum of the second differences [1, -2, 1] along every axis.

    Parameters
    ----------
    ndim : int
        Number of axes.

    Returns
    -------
    Kernel
        int64 taps of shape (3,) * ndim.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.6.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.kernels.laplacian()
    Kernel([[ 0,  1,  0],
            [ 1, -4,  1],
            [ 0,  1,  0]])
    """
    return Kernel(laplacian_taps(normalize_int("ndim", ndim, 1)))


def _slope(axis: SupportsIndex, ndim: SupportsIndex, across: list[int]) -> Kernel:
    """[1, 0, -1] along one axis, `across` along the others."""
    rank = normalize_int("ndim", ndim, 1)
    along = normalize_int("axis", axis, -rank)
    if along >= rank:
        raise FaltungValueError(f"`axis` (={along}) must be less than `ndim` (={rank}).")
    factors = [across] * rank
    factors[along] = [1, 0, -1]
    return Separable(*factors)


def identity_taps(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """1 in the middle of odd lengths, else 0."""
    taps = np.zeros(shape, dtype=np.int64)
    taps[tuple(n // 2 for n in shape)] = 1
    return taps


def laplacian_taps(ndim: int) -> NDArray[np.int64]:
    """[1, -2, 1] along every axis."""
    taps = -2 * ndim * identity_taps((3,) * ndim)
    for axis in range(ndim):
        for end in (0, 2):
            taps[tuple(end if other == axis else 1 for other in range(ndim))] = 1
    return taps

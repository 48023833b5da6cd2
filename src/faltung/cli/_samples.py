"""What a file becomes once it is read: samples, the axes to filter, and the way back into a file."""

from __future__ import annotations

from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from faltung.cli._messages import InputError

Margins = tuple[tuple[int, int], ...]
"""How much each filtered axis grew before and after; negative where it shrank."""


class Samples(Protocol):
    """A picture, a sound or an array."""

    @property
    def values(self) -> NDArray[Any]:
        """The samples to filter; axes that are not filtered (channels) come last in pictures and sounds."""

    @property
    def axes(self) -> tuple[int, ...]:
        """The axes that the kernel runs along."""

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Data type of the result; None leaves it to the library."""

    @property
    def limits(self) -> tuple[int, int] | None:
        """The smallest and the largest value of a whole-numbered result; None for all others."""

    def check_output(self, suffix: str) -> None:
        """Raise when a file with this `suffix` cannot hold the result."""

    def write(self, result: NDArray[Any], file: BinaryIO, suffix: str, margins: Margins) -> None:
        """Write `result` in the format of `suffix`."""


def result_limits(dtype: np.dtype[Any] | None) -> tuple[int, int] | None:
    """Return the range of an integer data type, None for another.

    >>> result_limits(np.dtype("uint8")), result_limits(np.dtype("float32"))
    ((0, 255), None)
    """
    if dtype is None or dtype.kind not in "iu":
        return None
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def to_limits(
    values: NDArray[Any], limits: tuple[int, int], dtype: np.dtype[Any]
) -> tuple[NDArray[Any], int, int]:
    """Round half to even, cut to `limits`, and count what was cut below and above.

    Parameters
    ----------
    values : array
        Integers or floats, any shape.
    limits : (int, int)
        Smallest and largest value, both inside `dtype`.
    dtype : numpy.dtype
        An integer data type.

    Returns
    -------
    array, int, int
        The integers, how many values lay below, how many above.

    Examples
    --------
    >>> to_limits(np.array([-3.0, 0.5, 1.5, 300.0]), (0, 255), np.dtype("uint8"))
    (array([  0,   0,   2, 255], dtype=uint8), 1, 1)
    """
    low, high = limits
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise InputError(
                f"the result holds NaN or infinity, which {dtype} cannot hold; use --dtype float64"
            )
        values = np.rint(values)
        # in floats `high` itself may not exist (2**63 - 1), `high + 1` does
        too_low, too_high = values < float(low), values >= float(high + 1)
        top = float(high) if high < 2**53 else float(np.nextafter(float(high + 1), 0.0))
    else:
        too_low, too_high = values < low, values > high
        top = high
    whole = np.clip(values, low, top).astype(dtype)
    whole[too_high] = high
    return whole, int(np.count_nonzero(too_low)), int(np.count_nonzero(too_high))

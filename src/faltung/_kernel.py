"""`Kernel`: taps whose data type never decides a result's; `Separable`: a kernel given by its factors."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._errors import FaltungTypeError, FaltungValueError
from ._outer import outer

Taps: TypeAlias = NDArray[np.int64] | NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Kernel:
    """Taps that do not impose a data type on what they filter.

    In `convolve` and `correlate` only the kind of the taps counts (integer or floating point), as for a
    Python number, and their values are used exactly. `numpy.asarray` gives the taps as float64.

    Parameters
    ----------
    taps : array_like
        Real numbers; stored as a read-only int64 or float64 array.
    factors : sequence of array_like, optional
        One 1-D array for every axis whose outer product is `taps`, where the kernel is separable.

    Raises
    ------
    FaltungTypeError
        The taps are not real numbers that int64 or float64 holds.
    FaltungValueError
        There are no taps, or the factors do not multiply to them.

    Examples
    --------
    >>> import faltung as fl
    >>> k = fl.kernels.sobel(1)
    >>> k
    Kernel([[ 1,  0, -1],
            [ 2,  0, -2],
            [ 1,  0, -1]], separable)
    >>> k.shape, k.dtype, [factor.tolist() for factor in k.factors]
    ((3, 3), dtype('int64'), [[1, 2, 1], [1, 0, -1]])
    """

    factors: tuple[Taps, ...] | None
    _taps: Taps | None  # None until somebody asks, where the factors are enough

    def __init__(self, taps: ArrayLike, factors: tuple[ArrayLike, ...] | None = None) -> None:
        stored = read_only("taps", taps)
        if stored.size == 0 or stored.ndim == 0:
            raise FaltungValueError(
                f"`taps` (of shape {stored.shape}) must have at least one axis and one tap."
            )
        object.__setattr__(self, "_taps", stored)
        object.__setattr__(self, "factors", (stored,) if stored.ndim == 1 else None)
        if factors is None:
            return
        parts = tuple(read_only("factors", factor) for factor in factors)
        shapes = [part.shape for part in parts]
        if shapes != [(n,) for n in stored.shape] or not np.allclose(
            outer(parts), stored, rtol=1e-12, atol=0
        ):
            raise FaltungValueError(
                f"`factors` (of shapes {shapes}) must multiply to `taps` (of shape {stored.shape}); "
                "pass one 1-D factor an axis, or none."
            )
        object.__setattr__(self, "factors", parts)

    @property
    def taps(self) -> Taps:
        """All taps, read-only."""
        if self._taps is None:
            assert self.factors is not None
            product = outer(self.factors)
            product.setflags(write=False)
            object.__setattr__(self, "_taps", product)
            return product
        return self._taps

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Taps along each axis."""
        return self.taps.shape if self.factors is None else tuple(len(factor) for factor in self.factors)

    @property
    def dtype(self) -> np.dtype[Any]:
        """int64 or float64: the kind of the taps, which is all that counts in a result."""
        return np.result_type(*(self.factors or ())) if self._taps is None else self._taps.dtype

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        wanted = np.dtype(np.float64 if dtype is None else dtype)
        return np.array(self.taps, dtype=wanted, copy=copy)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Kernel):
            return NotImplemented
        return self.dtype == other.dtype and np.array_equal(self.taps, other.taps)

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype.char, (self.taps + 0).tobytes()))

    def __repr__(self) -> str:
        taps = np.array2string(self.taps, separator=", ", prefix="Kernel(", precision=4, threshold=100)
        return f"Kernel({taps}{', separable' if self.factors and self.ndim > 1 else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Kernel, (self.taps, self.factors)


class Separable(Kernel):
    r"""A kernel given by its factors: the outer product of one 1-D array for every axis.

    .. math:: k[i_0, i_1, \dots] = f_0[i_0]\, f_1[i_1] \cdots

    It runs axis by axis, at the cost of the sum of the lengths and not of their product. The taps themselves
    are only multiplied out when somebody asks for them.

    Parameters
    ----------
    *factors : array_like
        One 1-D array of real numbers for every axis, in the order of the axes: `Separable(ky, kx)` for an
        image.

    Raises
    ------
    FaltungTypeError
        The factors are not real numbers that int64 or float64 holds.
    FaltungValueError
        A factor is not 1-D or empty, or their product does not fit the numbers.

    See Also
    --------
    faltung.kernels.separate : finds the factors of a kernel.

    References
    ----------
    R. C. Gonzalez, R. E. Woods, "Digital Image Processing", 4th edition, section 3.4.

    Examples
    --------
    >>> import faltung as fl
    >>> k = fl.kernels.Separable([1, 2, 1], [1, 0, -1])
    >>> k
    Kernel([[ 1,  0, -1],
            [ 2,  0, -2],
            [ 1,  0, -1]], separable)
    >>> fl.convolve([[0, 1, 2]] * 3, k, "valid")
    array([[8]])
    """

    def __init__(self, *factors: ArrayLike) -> None:
        parts = tuple(read_only("factors", factor) for factor in factors)
        shapes = [part.shape for part in parts]
        if not parts or any(part.ndim != 1 or not part.size for part in parts):
            raise FaltungValueError(
                f"`factors` (of shapes {shapes}) must be one 1-D array an axis, each with a tap at least."
            )
        whole = all(part.dtype.kind == "i" for part in parts)
        peaks = [max(abs(part.max().item()), abs(part.min().item())) for part in parts]
        peak = prod(peaks)
        if peak >= 2**63 if whole else all(map(isfinite, peaks)) and not isfinite(peak):
            raise FaltungValueError(
                f"`factors` (of shapes {shapes}) multiply to {peak:.3g}, more than "
                f"{'int64' if whole else 'float64'} holds; scale them down."
            )
        object.__setattr__(self, "factors", parts)
        object.__setattr__(self, "_taps", parts[0] if len(parts) == 1 else None)

    def __reduce__(self) -> tuple[Any, ...]:
        assert self.factors is not None
        return Separable, self.factors


def read_only(name: str, values: ArrayLike) -> Taps:
    """A private int64 or float64 copy that nobody can write to."""
    given = np.asarray(values)
    stored: Taps
    if given.dtype.kind in "iu" and (not given.size or given.max() <= np.iinfo(np.int64).max):
        stored = given.astype(np.int64)
    elif given.dtype.kind == "f" and given.dtype.itemsize <= 8:
        stored = given.astype(np.float64)
    else:
        raise FaltungTypeError(
            f"`{name}` (of dtype {given.dtype}) must be real numbers that int64 or float64 holds; "
            "convert them first."
        )
    stored.setflags(write=False)
    return stored

"""Arrays in .npy files, never pickled; large ones are mapped, not read."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from faltung.cli._messages import InputError
from faltung.cli._samples import Margins, result_limits


@dataclass(frozen=True)
class Array:
    """An array from a .npy file."""

    values: NDArray[Any]
    axes: tuple[int, ...]
    dtype: np.dtype[Any] | None

    @property
    def limits(self) -> tuple[int, int] | None:
        return result_limits(self.dtype)

    def check_output(self, suffix: str) -> None:
        if suffix != ".npy":
            raise InputError(f"`-o` ends in {suffix or 'no suffix'!r} but an array is written as .npy")

    def write(self, result: NDArray[Any], file: BinaryIO, suffix: str, margins: Margins) -> None:
        np.save(file, result, allow_pickle=False)


def load(path: Path) -> NDArray[Any]:
    """Map a .npy file; raise `InputError` for anything else, above all for pickled objects."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, OverflowError) as error:
        if "pickle" in str(error) or "Python objects" in str(error):
            reason = "holds Python objects or is no .npy file; faltung never unpickles, save plain numbers"
        else:
            reason = f"broken .npy file: {error}"
        raise InputError(f"{path}: {reason}") from error
    if not isinstance(values, np.ndarray):
        raise InputError(f"{path}: an archive of arrays (.npz); save the one to filter as .npy")
    if values.dtype.kind not in "biufc":
        raise InputError(f"{path}: holds {values.dtype}, which is not numbers")
    if values.ndim == 0:
        raise InputError(f"{path}: holds a single number; there is nothing to filter along")
    return values


def read_array(path: Path, dtype: np.dtype[Any] | None, axes: tuple[int, ...] | None) -> Array:
    """Read the array and settle the axes and the data type of the result.

    Integers keep their data type; floats and complex numbers leave it to the library (None).
    """
    values = load(path)
    if axes is None:
        axes = tuple(range(values.ndim))
    for axis in axes:
        if not -values.ndim <= axis < values.ndim:
            raise InputError(
                f"`--axes` names {axis} but {path} has {values.ndim} axes, 0 to {values.ndim - 1}"
            )
    axes = tuple(axis % values.ndim for axis in axes)
    if len(set(axes)) < len(axes):
        raise InputError(f"`--axes` names an axis twice: {', '.join(map(str, axes))}")
    if dtype is None and values.dtype.kind in "iu":
        dtype = values.dtype.newbyteorder("=")
    return Array(values, axes, dtype)

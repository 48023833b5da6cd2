"""Kernel specifications: ``gaussian:2``, ``sobel:x``, ``file.npy``, ``"0 -1 0; -1 5 -1; 0 -1 0"``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import faltung as fl
from faltung.cli._messages import InputError, near_match
from faltung.cli._npy import load

ACCEPTED = (
    "gaussian:SIGMA, box:SIZE, sobel:x, sobel:y, edges, sharpen, laplacian, emboss, "
    'a file.npy, or numbers such as "0 -1 0; -1 5 -1; 0 -1 0"'
)


@dataclass(frozen=True)
class KernelSpec:
    """One kernel, or the pair whose magnitude is the edges."""

    text: str
    kernels: tuple[Any, ...]

    @property
    def is_magnitude(self) -> bool:
        return len(self.kernels) > 1

    @property
    def taps(self) -> tuple[Any, ...]:
        """The kernels as they are handed on: whole taps as lists, which never decide a data type."""
        if not self.is_whole:
            return self.kernels
        return tuple(np.asarray(kernel).astype(np.int64).tolist() for kernel in self.kernels)

    @property
    def shape(self) -> tuple[int, ...]:
        return np.asarray(self.kernels[0]).shape

    @property
    def is_whole(self) -> bool:
        """Whether every tap is an integer, so that integers can be filtered exactly."""
        taps = (np.asarray(kernel) for kernel in self.kernels)
        return all(tap.dtype.kind in "iu" or bool((tap == np.rint(tap)).all()) for tap in taps)


def parse_kernel(text: str, ndim: int) -> KernelSpec:
    """Return the kernel that `text` names, for data filtered along `ndim` axes.

    Examples
    --------
    >>> parse_kernel("1 2 1; 0 0 0; -1 -2 -1", 2).kernels
    ([[1, 2, 1], [0, 0, 0], [-1, -2, -1]],)
    >>> parse_kernel("gausian:2", 2)
    Traceback (most recent call last):
        ...
    faltung.cli._messages.InputError: `--kernel` (='gausian:2') must be gaussian:SIGMA, box:SIZE, sobel:x, \
sobel:y, edges, sharpen, laplacian, emboss, a file.npy, or numbers such as "0 -1 0; -1 5 -1; 0 -1 0"; \
did you mean gaussian?
    """
    text = text.strip()
    name, colon, argument = text.partition(":")
    if text.lower().endswith(".npy"):
        spec = KernelSpec(text, (_file(text),))
    elif name.lower() in _NAMED:
        needs, make = _NAMED[name.lower()]
        if bool(colon) != bool(needs):
            shown = f"{name}:{needs}" if needs else name
            raise InputError(f"`--kernel` (={text!r}) must be written {shown}")
        spec = make(text, argument.strip().lower(), ndim)
    else:
        spec = KernelSpec(text, (_numbers(text, ndim),))
    if len(spec.shape) != ndim:
        raise InputError(
            f"`--kernel` (={text!r}) has {len(spec.shape)} axes but the data is filtered along {ndim}"
            + ("; choose them with --axes" if ndim > 2 else "")
        )
    return spec


def _numbers(text: str, ndim: int) -> Any:
    """Rows by semicolon, taps by space or comma; a list, so that its taps count exactly as written."""
    try:
        rows = [[_number(word) for word in row.replace(",", " ").split()] for row in text.split(";")]
    except ValueError:
        wrong = near_match(text.partition(":")[0], _NAMED)
        raise InputError(f"`--kernel` (={text!r}) must be {ACCEPTED}{wrong}") from None
    if not rows[-1] and len(rows) > 1:
        rows.pop()
    widths = [len(row) for row in rows]
    if len(set(widths)) > 1 or not widths[0]:
        raise InputError(
            f"`--kernel` (={text!r}) has rows of {', '.join(map(str, widths))} taps; all must be as long"
        )
    return rows[0] if ndim == 1 and len(rows) == 1 else rows


def _number(word: str) -> int | float:
    try:
        return int(word)
    except ValueError:
        value = float(word)
        if not np.isfinite(value):
            raise ValueError(word) from None
        return value


def _file(text: str) -> Any:
    taps = np.array(load(Path(text)))
    if taps.size == 0:
        raise InputError(f"`--kernel` (={text!r}) is empty")
    if taps.dtype.kind not in "iuf":
        raise InputError(f"`--kernel` (={text!r}) holds {taps.dtype}; a kernel holds integers or floats")
    if not np.isfinite(taps).all():
        raise InputError(f"`--kernel` (={text!r}) holds NaN or infinity")
    return taps


def _positive(text: str, argument: str, kind: type[int] | type[float]) -> Any:
    try:
        value = kind(argument)
    except ValueError:
        value = kind(0)
    if not 0 < value < 10_000:
        what = "a whole number of taps" if kind is int else "a number of samples"
        raise InputError(f"`--kernel` (={text!r}) needs {what} above 0 after the colon")
    return value


def _gaussian(text: str, argument: str, ndim: int) -> KernelSpec:
    return KernelSpec(text, (fl.kernels.gaussian(_positive(text, argument, float), ndim=ndim),))


def _box(text: str, argument: str, ndim: int) -> KernelSpec:
    return KernelSpec(text, (fl.kernels.box(_positive(text, argument, int), ndim=ndim),))


def _sobel(text: str, argument: str, ndim: int) -> KernelSpec:
    axis = {"x": ndim - 1, "y": ndim - 2}.get(argument, -1)
    if axis < 0:
        only = "sobel:x" if ndim == 1 else "sobel:x or sobel:y"
        raise InputError(f"`--kernel` (={text!r}) must be {only} for data with {ndim} filtered axes")
    return KernelSpec(text, (fl.kernels.sobel(axis, ndim=ndim),))


def _edges(text: str, argument: str, ndim: int) -> KernelSpec:
    return KernelSpec(text, tuple(fl.kernels.sobel(axis, ndim=ndim) for axis in range(ndim)))


def _sharpen(text: str, argument: str, ndim: int) -> KernelSpec:
    return KernelSpec(text, (fl.kernels.sharpen(ndim=ndim),))


def _laplacian(text: str, argument: str, ndim: int) -> KernelSpec:
    return KernelSpec(text, (fl.kernels.laplacian(ndim=ndim),))


def _emboss(text: str, argument: str, ndim: int) -> KernelSpec:
    return KernelSpec(text, (fl.kernels.emboss(),))


_NAMED: dict[str, tuple[str, Callable[[str, str, int], KernelSpec]]] = {
    "gaussian": ("SIGMA", _gaussian),
    "box": ("SIZE", _box),
    "sobel": ("x or y", _sobel),
    "edges": ("", _edges),
    "sharpen": ("", _sharpen),
    "laplacian": ("", _laplacian),
    "emboss": ("", _emboss),
}

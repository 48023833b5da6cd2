"""The error promises: words for bounds on the error, who keeps which, and the setting.

A promise bounds the error of every single output; docs/promise.md states them. Integers are exact and float64
keeps "highest" under every word; float32 may go through transforms in float32 ("high") and, in layers, over a
matrix unit with fewer products ("high", "medium").
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ._errors import FaltungValueError

WORDS = ("highest", "high", "medium")
_setting: ContextVar[str] = ContextVar("faltung_precision", default="highest")
setting = _setting.get


def check_precision(precision: object) -> str:
    """The word itself, or the setting for None."""
    if precision is None:
        return _setting.get()
    if not isinstance(precision, str) or precision not in WORDS:
        raise FaltungValueError(
            f"`precision` (={precision!r}) must be one of {', '.join(map(repr, WORDS))} or None."
        )
    return str(precision)


def set_precision(precision: str) -> None:
    """Set the error promise that calls keep unless they name another.

    Parameters
    ----------
    precision : {"highest", "high", "medium"}
        The word; it holds in this thread and in this context.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.set_precision("highest")
    """
    _setting.set(check_precision(precision))


@contextmanager
def precision(word: str) -> Iterator[None]:
    """Set the error promise for the calls inside a `with` block.

    Parameters
    ----------
    word : {"highest", "high", "medium"}
        The promise.

    Examples
    --------
    >>> import faltung as fl
    >>> with fl.precision("high"):
    ...     fl.convolve([1.0, 2.0], [1.0, 1.0])
    array([1., 3., 2.])
    """
    token = _setting.set(check_precision(word))
    try:
        yield
    finally:
        _setting.reset(token)


def error_units(terms: int) -> float:
    """The bound of "highest" in units of u times the sum of absolute products."""
    return 1.1 * min(terms, 256) + -(-terms // 256) + 20

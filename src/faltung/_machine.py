"""The processor, the instruction set in use, and threads."""

from __future__ import annotations

import platform
from typing import Literal, overload

from . import _core
from ._errors import FaltungTypeError, FaltungValueError


def set_num_threads(n: int) -> None:
    """Set how many threads a call uses where it does not say.

    Parameters
    ----------
    n : int
        At least 1. The start value is `FALTUNG_NUM_THREADS`, else the CPUs that this process may use (its
        affinity, cut by the CPU quota of its cgroup).

    Raises
    ------
    FaltungValueError
        `n` is out of range.

    Examples
    --------
    >>> import faltung as fl
    >>> before = fl.get_num_threads()
    >>> fl.set_num_threads(1)
    >>> fl.get_num_threads()
    1
    >>> fl.set_num_threads(before)
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise FaltungTypeError(f"`n` (={n!r}) must be an integer.")
    try:
        _core.set_num_threads(max(min(n, 2**31 - 1), -(2**31)))
    except ValueError as error:
        raise FaltungValueError(str(error)) from None


def get_num_threads() -> int:
    """Threads that a call uses where it does not say.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.get_num_threads() >= 1
    True
    """
    try:
        return _core.num_threads()
    except ValueError as error:
        raise FaltungValueError(str(error)) from None


def cpu_limit() -> int:
    """CPUs that this process may use: its affinity, cut by the CPU quota of its cgroup."""
    return _core.cpu_limit()


def isa() -> str:
    """The instruction set in use: the best that this machine has, or what FALTUNG_ISA names."""
    try:
        return _core.isa()
    except ValueError as error:
        raise FaltungValueError(str(error)) from None


@overload
def show_config(mode: Literal["stdout"] = ...) -> None: ...
@overload
def show_config(mode: Literal["dict"]) -> dict[str, str | int | list[str]]: ...
def show_config(mode: str = "stdout") -> dict[str, str | int | list[str]] | None:
    """Show the version, the processor's features, the instruction set in use and the number of threads.

    Parameters
    ----------
    mode : {"stdout", "dict"}
        Print it, or return it.

    Returns
    -------
    dict or None
        Under "dict" what would be printed: texts, numbers and lists of texts by name.

    Raises
    ------
    FaltungValueError
        `mode` is another word, or an environment variable of faltung has a value that cannot be.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.show_config()  # doctest: +ELLIPSIS
    faltung          ...
    >>> fl.show_config("dict")["faltung"] == fl.__version__
    True
    """
    from . import __version__  # the package is complete by now

    if mode not in ("stdout", "dict"):
        raise FaltungValueError(f"`mode` (={mode!r}) must be 'stdout' or 'dict'.")
    facts: dict[str, str | int | list[str]] = {
        "faltung": __version__,
        "machine": platform.machine(),
        "instruction set": isa(),
        "available": list(_core.available_isas()),
        "features": list(_core.cpu_features()),
        "threads": get_num_threads(),
        "cpus": cpu_limit(),
    }
    if mode == "dict":
        return facts
    for name, value in facts.items():
        text = " ".join(value) if isinstance(value, list) else value
        print(f"{name:<16} {text}")  # noqa: T201
    return None

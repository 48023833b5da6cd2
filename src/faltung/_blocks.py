"""Block by block: arrays larger than memory."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Any


def is_path(value: Any) -> bool:
    """Whether an operand is the path of a .npy file rather than an array."""
    return isinstance(value, PathLike) or (isinstance(value, str) and value.endswith(".npy"))


def call_in_blocks(
    a: Any,
    k: Any,
    options: tuple[Any, ...],
    out: Any,
    mask: Any,
    memory_limit: int | None,
    progress: Callable[[int, int], object] | None,
) -> Any:
    """A call that keeps to a memory limit, tells its progress, or works on files."""
    raise NotImplementedError

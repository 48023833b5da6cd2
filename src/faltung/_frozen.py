"""Objects that are made once and never change: plans."""

from __future__ import annotations

from typing import ClassVar


class Frozen:
    """Attributes are set by `_set` alone, which `__init__` calls."""

    __slots__ = ()

    _another: ClassVar[str]  # what makes another, in the words of an error

    def _set(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"a {type(self).__name__} is frozen; `{name}` cannot be set. Make another with {self._another}."
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} is frozen; `{name}` cannot be deleted.")

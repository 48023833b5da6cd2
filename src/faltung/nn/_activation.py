"""Activations: their words, and what the core and the bound on the error must know of each."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite, isnan
from typing import Any, NamedTuple, TypeAlias

from faltung._dtype import DType, is_integer
from faltung._errors import FaltungTypeError, FaltungValueError

ActivationLike: TypeAlias = str | tuple[Any, ...] | None

# The order of the enum in core/kernels/epilogue.h; relu and relu6 are clips.
_CODES = {
    "none": 0, "clip": 1, "leaky_relu": 2, "hardsigmoid": 3, "hardswish": 4, "sigmoid": 5, "silu": 6,
    "tanh": 7, "gelu": 8, "gelu_tanh": 9,
}  # fmt: skip
_CLIPS = {"relu": (0.0, inf), "relu6": (0.0, 6.0)}
_PLAIN = ("relu", "relu6", "hardswish", "hardsigmoid", "sigmoid", "silu", "tanh", "gelu", "gelu_tanh")
_OTHER_WORDS = {
    "swish": "'silu'", "hard_swish": "'hardswish'", "hard_sigmoid": "'hardsigmoid'", "logistic": "'sigmoid'",
    "leakyrelu": "('leaky_relu', 0.01)", "leaky_relu": "('leaky_relu', 0.01)",
    "hardtanh": "('clip', -1, 1)", "clip": "('clip', lo, hi)", "clamp": "('clip', lo, hi)",
    "gelu_new": "'gelu_tanh'", "linear": "None", "identity": "None", "none": "None",
}  # fmt: skip
_FORMS = (
    "None, " + ", ".join(repr(word) for word in _PLAIN) + ", ('leaky_relu', slope) or ('clip', low, high)"
)
_WHOLE = 2.0**53  # integers up to it are numbers of float64

# The largest slope of each, rounded up; a clip and tanh have 1.
_SLOPES = {
    "hardsigmoid": 1 / 6 + 1e-16, "hardswish": 1.5, "sigmoid": 0.25, "silu": 1.1, "gelu": 1.13,
    "gelu_tanh": 1.13,
}  # fmt: skip


class Activation(NamedTuple):
    """An activation by the core's name, with the bounds of a clip or, as `lo`, a leaky relu's slope."""

    name: str = "none"
    lo: float = 0.0
    hi: float = 0.0

    @property
    def told(self) -> tuple[int, float, float]:
        """What the core is told."""
        return _CODES[self.name], self.lo, self.hi

    @property
    def slope(self) -> float:
        """The largest factor by which it makes an error larger."""
        return max(1.0, abs(self.lo)) if self.name == "leaky_relu" else _SLOPES.get(self.name, 1.0)

    @property
    def rounds(self) -> bool:
        """Whether it rounds: all but a clip, which is exact."""
        return self.name not in ("none", "clip")

    def __str__(self) -> str:
        if self.name == "clip":
            words = {bounds: word for word, bounds in _CLIPS.items()}
            return words.get((self.lo, self.hi), f"clip to [{self.lo:g}, {self.hi:g}]")
        return f"leaky_relu {self.lo:g}" if self.name == "leaky_relu" else self.name


def resolve_activation(value: object, dtype: DType, name: str = "activation") -> Activation:
    """The activation that a user's word or tuple means, for results of a type.

    Examples
    --------
    >>> import numpy as np
    >>> resolve_activation("relu6", np.dtype("float32"))
    Activation(name='clip', lo=0.0, hi=6.0)
    """
    found = _resolve(value, name)
    if dtype.kind == "c" and found.name != "none":
        raise FaltungTypeError(
            f"`{name}` (={value!r}) is for real numbers, and the data type is {dtype}; leave it out."
        )
    if is_integer(dtype):
        _check_whole(value, found, name, dtype)
    return found


def _resolve(value: object, name: str) -> Activation:
    if value is None:
        return Activation()
    if isinstance(value, str):
        if value in _CLIPS:
            return Activation("clip", *_CLIPS[value])
        if value in _PLAIN:
            return Activation(value)
        ours = _OTHER_WORDS.get(value.lower(), repr(value.lower()) if value.lower() in _PLAIN else None)
        hint = f"that is {ours} here" if ours else f"use {_FORMS}"
        raise FaltungValueError(f"`{name}` (={value!r}) is no activation; {hint}.")
    if isinstance(value, (tuple, list)) and value and isinstance(value[0], str):
        word, *numbers = value
        if word in _WITH_NUMBERS:
            count, make = _WITH_NUMBERS[word]
            if len(numbers) == count and all(_is_real(number) for number in numbers):
                return make(value, name, *map(float, numbers))
    raise FaltungTypeError(f"`{name}` (={value!r}) must be {_FORMS}.")


def _is_real(number: object) -> bool:
    real = hasattr(number, "__float__") and not isinstance(number, (bool, complex, str))
    return real and getattr(number, "ndim", 0) == 0


def _leaky(value: object, name: str, slope: float) -> Activation:
    if not isfinite(slope):
        raise FaltungValueError(f"`{name}` (={value!r}) must have a finite slope, such as 0.01.")
    return Activation("leaky_relu", slope)


def _clip(value: object, name: str, lo: float, hi: float) -> Activation:
    if isnan(lo) or isnan(hi) or lo > hi:
        raise FaltungValueError(
            f"`{name}` (={value!r}) must have low <= high; pass ('clip', low, high), or infinities for none."
        )
    return Activation("clip", lo, hi)


_WITH_NUMBERS: dict[str, tuple[int, Callable[..., Activation]]] = {
    "leaky_relu": (1, _leaky),
    "clip": (2, _clip),
}


def _check_whole(value: object, found: Activation, name: str, dtype: DType) -> None:
    if found.name not in ("none", "clip"):
        raise FaltungTypeError(
            f"`{name}` (={value!r}) gives fractions, and the data type is {dtype}; on integers use None, "
            "'relu', 'relu6' or ('clip', low, high), or convert the arrays with `.astype(np.float32)`."
        )
    for bound in (found.lo, found.hi):
        if isfinite(bound) and not (bound.is_integer() and abs(bound) <= _WHOLE):
            raise FaltungValueError(
                f"`{name}` (={value!r}) must have whole bounds of at most 2^53 on integers, for the data "
                f"type is {dtype}; round them."
            )

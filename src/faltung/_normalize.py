"""Turns what users pass for sizes, strides, padding and widths into checked tuples of plain numbers.

`ConvSpec`, the array operation and the kernels share these, so a wrong number reads the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from operator import index
from typing import SupportsFloat, SupportsIndex, TypeAlias

from . import _geometry as geometry
from ._errors import FaltungTypeError, FaltungValueError

mode_padding = geometry.mode_padding

PerAxis: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
RealPerAxis: TypeAlias = SupportsFloat | Sequence[SupportsFloat]
PaddingLike: TypeAlias = str | SupportsIndex | Sequence[SupportsIndex] | Sequence[Sequence[SupportsIndex]]
Pairs: TypeAlias = tuple[tuple[int, int], ...]

_PADDING_FORMS = "an int, one int an axis, one (lo, hi) pair an axis, or one of " + ", ".join(
    repr(word) for word in geometry.PADDING_WORDS
)
_OTHER_WORDS = {"SAME": "same", "SAME_UPPER": "same", "SAME_LOWER": "same_lower", "VALID": "valid"}


def normalize_per_axis(name: str, value: object, rank: int, minimum: int) -> tuple[int, ...]:
    """One int for every axis from an int (for all) or a sequence of `rank` ints, each at least `minimum`.

    Parameters
    ----------
    name : str
        The argument, for messages.
    value : int or iterable of int
        What the user passed.
    rank : int
        Number of axes.
    minimum : int
        The smallest number allowed.

    Examples
    --------
    >>> normalize_per_axis("stride", 2, 3, 1)
    (2, 2, 2)
    """
    single = as_int(value)
    if single is not None:
        numbers: tuple[int, ...] = (single,) * rank
    else:
        entries = _entries(value)
        found = None if entries is None else [as_int(entry) for entry in entries]
        if found is None or None in found:
            raise FaltungTypeError(
                f"`{name}` (={value!r}) must be an int or one int an axis ({_axes(rank)})."
            )
        numbers = tuple(number for number in found if number is not None)
        if len(numbers) != rank:
            raise FaltungValueError(
                f"`{name}` (={value!r}) has {len(numbers)} entries for {_axes(rank)}; "
                "pass an int or one int an axis."
            )
    if min(numbers) < minimum:
        raise FaltungValueError(
            f"`{name}` (={value!r}) must be at least {minimum}; pass an int or one int an axis."
        )
    return numbers


def normalize_reals(name: str, value: object, rank: int, minimum: float = 0.0) -> tuple[float, ...]:
    """One finite float for every axis from a number (for all) or a sequence of `rank` numbers.

    Examples
    --------
    >>> normalize_reals("sigma", 2, 2)
    (2.0, 2.0)
    """
    entries = _entries(value)
    found = [_as_float(entry) for entry in ((value,) * rank if entries is None else entries)]
    numbers = tuple(number for number in found if number is not None)
    if len(numbers) < len(found):
        raise FaltungTypeError(f"`{name}` (={value!r}) must be a real number or one an axis ({_axes(rank)}).")
    if len(numbers) != rank:
        raise FaltungValueError(
            f"`{name}` (={value!r}) has {len(numbers)} entries for {_axes(rank)}; "
            "pass a number or one an axis."
        )
    if not all(isfinite(number) and number >= minimum for number in numbers):
        rule = "finite" if minimum == -float("inf") else f"finite and at least {minimum:g}"
        raise FaltungValueError(f"`{name}` (={value!r}) must be {rule}.")
    return numbers


def normalize_padding(
    padding: object,
    size: tuple[int, ...],
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Pairs:
    """One (lo, hi) pair for every axis from any form of `padding` that `ConvSpec` takes.

    Parameters
    ----------
    padding : int, sequence or str
        What the user passed.
    size : tuple of int
        Input size of the forward convolution (for a transposed one: its output size). Only words need it.
    kernel_size, stride, dilation : tuple of int
        Already normalized.

    Examples
    --------
    >>> normalize_padding("same", (7, 7), (3, 2), (2, 1), (1, 1))
    ((1, 1), (0, 1))
    >>> normalize_padding([1, 2], (7, 7), (3, 3), (1, 1), (1, 1))
    ((1, 1), (2, 2))
    """
    rank = len(kernel_size)
    if isinstance(padding, str):
        _check_word(padding, rank)
        axes = zip(size, kernel_size, stride, dilation, strict=True)
        return tuple(geometry.word_padding(padding, n, k, s, d) for n, k, s, d in axes)
    single = as_int(padding)
    entries = (single,) * rank if single is not None else _entries(padding)
    if entries is None:
        raise FaltungTypeError(f"`padding` (={padding!r}) must be {_PADDING_FORMS}.")
    flat = [as_int(entry) for entry in entries]
    pairs: Pairs
    if flat and None not in flat:
        numbers = [number for number in flat if number is not None]
        if len(numbers) == 2 * rank:
            shown = tuple(zip(numbers[:rank], numbers[rank:], strict=True))
            raise FaltungValueError(
                f"`padding` (={padding!r}) lists all starts, then all ends, as ONNX does; "
                f"pass one (lo, hi) pair an axis: {shown}."
            )
        if len(numbers) != rank:
            raise FaltungValueError(
                f"`padding` (={padding!r}) has {len(numbers)} entries for {_axes(rank)}; "
                f"pass {_PADDING_FORMS}."
            )
        pairs = tuple((number, number) for number in numbers)
    else:
        pairs = _nested_pairs(padding, entries, rank)
    if any(lo < 0 or hi < 0 for lo, hi in pairs):
        raise FaltungValueError(
            f"`padding` (={padding!r}) must not be negative; crop the array before instead."
        )
    return pairs


def normalize_transposed(
    padding: object,
    size: tuple[int, ...],
    taps: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    extra: tuple[int, ...],
    wanted: tuple[int, ...] | None,
) -> tuple[Pairs, tuple[int, ...]]:
    """Padding and output padding of a transposed convolution.

    The output padding is solved where the output size is known: `wanted`, or input times stride under "same".
    """
    if wanted is not None and any(extra):
        raise FaltungValueError(
            f"`output_size` (={wanted}) decides `output_padding` (={extra}); give only one of them."
        )
    fixed = wanted
    if fixed is None and isinstance(padding, str) and padding in ("same", "same_lower"):
        fixed = tuple(geometry.same_transposed_size(n, s) for n, s in zip(size, stride, strict=True))
    pairs = normalize_padding(padding, fixed or size, taps, stride, dilation)
    axes = zip(size, taps, stride, pairs, dilation, strict=True)
    least = tuple(geometry.transposed_output_size(n, k, s, *pair, d, 0) for n, k, s, pair, d in axes)
    if fixed is None:
        _check_output_padding(extra, stride, dilation)
        return pairs, extra
    solved = tuple(size - low for size, low in zip(fixed, least, strict=True))
    if wanted is not None and any(not 0 <= p < s for p, s in zip(solved, stride, strict=True)):
        most = tuple(low + s - 1 for low, s in zip(least, stride, strict=True))
        raise FaltungValueError(
            f"`output_size` (={wanted}) must lie between {least} and {most} for `input_size` (={size})."
        )
    if any(extra) and extra != solved:
        raise FaltungValueError(
            f"`output_padding` (={extra}) must be {solved} with `padding` (={padding!r}), which makes the "
            f"output size {fixed}; leave it out, or give the padding as numbers."
        )
    return pairs, solved


def _check_output_padding(extra: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> None:
    for p, s, d in zip(extra, stride, dilation, strict=True):
        if p >= max(s, d):
            raise FaltungValueError(
                f"`output_padding` (={extra}) must be less than `stride` (={stride}) "
                f"or `dilation` (={dilation}) on every axis."
            )


def as_int(value: object) -> int | None:
    """The int that `value` is, or None; True and False are no numbers here."""
    if type(value) is int:
        return value
    if isinstance(value, (bool, str, tuple)) or not isinstance(value, SupportsIndex):
        return None
    try:
        return index(value)
    except TypeError:
        return None


def _as_float(value: object) -> float | None:
    """The float that `value` is, or None; True and False are no numbers here."""
    if isinstance(value, (bool, complex)) or not isinstance(value, SupportsFloat):
        return None
    try:
        return float(value)
    except TypeError:
        return None


def _entries(value: object) -> tuple[object, ...] | None:
    """What `value` contains, or None if it is no collection."""
    if type(value) is tuple:
        return value
    if isinstance(value, (int, str)) or not isinstance(value, Iterable):
        return None
    try:
        return tuple(value)
    except TypeError:
        return None


def _axes(rank: int) -> str:
    return "1 axis" if rank == 1 else f"{rank} axes"


def normalize_int(name: str, value: object, minimum: int) -> int:
    """`value` as an int of at least `minimum`."""
    number = as_int(value)
    if number is None:
        raise FaltungTypeError(f"`{name}` (={value!r}) must be an int.")
    if number < minimum:
        raise FaltungValueError(f"`{name}` (={number}) must be at least {minimum}.")
    return number


def rank_of(default: int, **values: object) -> int:
    """Number of axes that the first sequence among the arguments names; plain numbers name `default`."""
    for name, value in values.items():
        entries = _entries(value)
        if entries is not None:
            if not entries:
                raise FaltungValueError(f"`{name}` (={value!r}) must name at least one axis.")
            return len(entries)
    return default


def _check_word(word: str, rank: int) -> None:
    if word not in geometry.PADDING_WORDS:
        meant = _OTHER_WORDS.get(word.upper())
        advice = f"write {meant!r}" if meant else f"pass {_PADDING_FORMS}"
        raise FaltungValueError(f"`padding` (={word!r}) is no word for padding here; {advice}.")
    if word == "causal" and rank != 1:
        raise FaltungValueError(
            f"`padding` (='causal') is for rank 1, this convolution has {_axes(rank)}; pass (lo, hi) pairs."
        )


def _nested_pairs(padding: object, entries: tuple[object, ...], rank: int) -> Pairs:
    pairs = []
    for entry in entries:
        ends = [as_int(end) for end in _entries(entry) or ()]
        if len(ends) != 2 or ends[0] is None or ends[1] is None:
            raise FaltungTypeError(f"`padding` (={padding!r}) must be {_PADDING_FORMS}.")
        pairs.append((ends[0], ends[1]))
    if len(pairs) != rank:
        raise FaltungValueError(
            f"`padding` (={padding!r}) has {len(pairs)} pairs for {_axes(rank)}; "
            "pass one (lo, hi) pair an axis."
        )
    return tuple(pairs)

"""Data types: which the core knows, what a result's is, and in what its sums are taken.

The rules are NumPy's with two of our own: lists, Python scalars and `Kernel`s are weak (only their kind
counts), and what would lose information silently (uint64 with signed integers) is an error that names
`dtype=`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ._errors import FaltungTypeError, FaltungValueError

DType = np.dtype[Any]

# The order of the enum in core/kernels/convert.h.
_NAMES = (
    "bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64",
    "float16", "bfloat16", "float32", "float64",
)  # fmt: skip
CODES = {name: code for code, name in enumerate(_NAMES)}
_COMPLEX_PARTS = {"complex64": "float32", "complex128": "float64"}
_KINDS = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
_SUPPORTED = "bool, 8 to 64-bit integers, float16, bfloat16, float32, float64, complex64 and complex128"


class Sample(NamedTuple):
    """What decides a result's type: the data type of an operand, and whether only its kind counts."""

    dtype: DType
    weak: bool = False

    @property
    def kind(self) -> int:
        """0 bool, 1 integer, 2 floating point, 3 complex."""
        return 2 if self.dtype.name == "bfloat16" else _KINDS[self.dtype.kind]

    @property
    def bits(self) -> int:
        """Bits of one part."""
        return part(self.dtype).itemsize * 8


def check_supported(name: str, dtype: DType) -> DType:
    """The native form of a data type that the core computes with.

    Raises
    ------
    FaltungTypeError
        The core does not compute with it; the message names the argument.
    """
    native = dtype.newbyteorder("=")
    if native.name not in CODES and native.name not in _COMPLEX_PARTS:
        raise FaltungTypeError(
            f"`{name}` has data type {dtype}; faltung takes {_SUPPORTED}. Convert it with `.astype(...)`."
        )
    return native


def part(dtype: DType) -> DType:
    """The type of one part of a complex number; a real type itself."""
    return np.dtype(_COMPLEX_PARTS[dtype.name]) if dtype.kind == "c" else dtype


def is_integer(dtype: DType) -> bool:
    """True for bool and all integers."""
    return dtype.kind in "bui"


def integer_range(dtype: DType) -> tuple[int, int]:
    """The least and the greatest value of an integer type or bool."""
    if dtype.kind == "b":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def holding(low: int, high: int) -> str:
    """The smallest integer type whose range holds both values; "float64" where none does."""
    for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"):
        least, most = integer_range(np.dtype(name))
        if least <= low and high <= most:
            return name
    return "float64"


def result_dtype(a: Sample, k: Sample, names: tuple[str, str] = ("a", "k")) -> DType:
    """The type of sums of products of `a` and `k` where the user asks for none.

    Raises
    ------
    FaltungTypeError
        uint64 with signed integers, bfloat16 with float16 or with integers of over 8 bits.
    """
    if a.weak and k.weak:
        if max(a.kind, k.kind) == 1 and "uint64" in (a.dtype.name, k.dtype.name):  # integers of 2^63 and more
            return np.dtype(np.uint64)
        return np.dtype(("int64", "int64", "float64", "complex128")[max(a.kind, k.kind)])
    if a.weak or k.weak:
        strong, weak = (k, a) if a.weak else (a, k)
        return _with_kind(strong, weak.kind)
    if a.kind == k.kind == 0:
        return np.dtype(np.int64)
    _check_pair(a, k, names)
    if "bfloat16" in (a.dtype.name, k.dtype.name):
        bfloat, other = (a, k) if a.dtype.name == "bfloat16" else (k, a)
        return bfloat.dtype if other.kind <= 1 else other.dtype
    return np.result_type(a.dtype, k.dtype)


def _with_kind(strong: Sample, kind: int) -> DType:
    if strong.kind == 0 and kind <= 1:
        return np.dtype(np.int64)
    if strong.kind >= kind:
        return strong.dtype
    if kind == 2:
        return np.dtype(np.float64)
    return np.dtype(np.complex64 if strong.kind == 2 and strong.bits <= 32 else np.complex128)


def _check_pair(a: Sample, k: Sample, names: tuple[str, str]) -> None:
    kinds = {a.dtype.name, k.dtype.name}
    signed = {a.dtype.kind, k.dtype.kind} == {"u", "i"}
    if "uint64" in kinds and signed:
        fix = "pass `dtype=np.int64` (exact, checked) or `dtype=np.float64`"
    elif kinds == {"bfloat16", "float16"}:
        fix = "pass `dtype=np.float32`"
    elif "bfloat16" in kinds and any(s.kind == 1 and s.bits > 8 for s in (a, k)):
        fix = "pass `dtype=np.float32` or `dtype=np.float64`"
    else:
        return
    raise FaltungTypeError(
        f"`{names[0]}` ({a.dtype}) and `{names[1]}` ({k.dtype}) have no common data type that holds both; "
        f"{fix}."
    )


def as_dtype(wanted: object) -> DType:
    """What `numpy.dtype` makes of an argument called `dtype`."""
    try:
        dtype: DType = np.dtype(wanted)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        raise FaltungTypeError(
            f"`dtype` (={wanted!r}) is no data type; faltung gives {_SUPPORTED}."
        ) from None
    return dtype


def check_result(wanted: object, natural_kind: int) -> DType | None:
    """The type that the user asks for, where it can be a result of operands of `natural_kind`."""
    if wanted is None:
        return None
    native = check_supported("dtype", as_dtype(wanted))
    if native.kind == "b":
        raise FaltungTypeError(
            "`dtype` (=bool) cannot hold sums; use an integer type and compare, as in `y > 0`."
        )
    if natural_kind == 3 and native.kind != "c":
        raise FaltungTypeError(
            f"`dtype` (={native}) cannot hold a complex result; use a complex type, or take `.real` or `abs` "
            "of it."
        )
    return native


def works_in_double(a: Sample, k: Sample, natural: DType, result: DType) -> bool:
    """Whether sums are taken in float64 rather than in float32.

    Half types are summed in float32, and so is what will be rounded to an integer of at most 16 bits.
    """
    small = all(s.weak or s.bits <= (32 if s.kind >= 2 else 16) for s in (a, k))
    if small and is_integer(result) and result.itemsize <= 2 and max(a.kind, k.kind) >= 2:
        return False
    if part(natural).itemsize > 4 or (
        not is_integer(result) and part(result).itemsize > 4 and not is_integer(natural)
    ):
        return True
    exact = all(s.weak or s.kind >= 2 or s.bits <= 16 for s in (a, k))
    return not exact


def taps_fit_single(k: np.ndarray[Any, DType]) -> bool:
    """Whether weak taps rounded to float32 err by at most 2^-24: none is out of its normal range."""
    if part(k.dtype).itemsize < 4:
        return True
    parts = np.abs(_parts(k))
    finite = parts[np.isfinite(parts) & (parts != 0)]
    return bool(finite.size == 0 or (finite.max() < 2.0**127 and finite.min() >= 2.0**-126))


def _parts(k: np.ndarray[Any, DType]) -> np.ndarray[Any, DType]:
    return np.stack([k.real, k.imag]) if k.dtype.kind == "c" else k


def check_fill(fill: object, dtype: DType) -> bytes:
    """`fill_value` as one sample of the array's type; an error where the type cannot hold it."""
    try:
        value = np.asarray(fill)
        scalar = value.item() if value.ndim == 0 else None
    except (TypeError, ValueError):
        scalar = None
    if not isinstance(scalar, (bool, int, float, complex)):
        raise FaltungTypeError(f"`fill_value` (={fill!r}) must be one number.")
    if isinstance(scalar, complex) and dtype.kind != "c":
        raise FaltungValueError(
            f"`fill_value` (={fill!r}) is complex and the array's data type {dtype} is not; pass a complex "
            "array."
        )
    sample = _integer_fill(scalar, dtype) if is_integer(dtype) else _float_fill(scalar, dtype)
    if sample is None:
        limits = " ({} to {})".format(*integer_range(dtype)) if is_integer(dtype) else ""
        raise FaltungValueError(
            f"`fill_value` (={_short(fill)}) must be a value of the array's data type, {dtype}{limits}; "
            "convert the array, as in `a.astype(float)`."
        )
    return sample.tobytes()


def _integer_fill(scalar: complex, dtype: DType) -> np.ndarray[Any, DType] | None:
    low, high = integer_range(dtype)
    whole = isinstance(scalar, int) or (isinstance(scalar, float) and scalar.is_integer())
    return np.array(int(scalar.real), dtype) if whole and low <= scalar.real <= high else None


def _float_fill(scalar: complex, dtype: DType) -> np.ndarray[Any, DType] | None:
    try:
        value = np.array(complex(scalar) if dtype.kind == "c" else float(scalar.real))
    except OverflowError:
        return None
    with np.errstate(over="ignore"):
        sample: np.ndarray[Any, DType] = value.astype(dtype)
    return None if np.isfinite(value) and not np.isfinite(sample) else sample


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 40 else f"{text[:20]}...{text[-10:]}"

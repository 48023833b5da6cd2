"""Array kinds: what comes in, and the same kind out.

ndarray -> ndarray; a masked array -> masked array; a torch CPU tensor -> tensor, sharing memory; an object of
another array namespace -> its own, by DLPack; all else that NumPy understands -> ndarray. The first argument
of a call decides.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._errors import FaltungTypeError
from ._kernel import Kernel

Array = NDArray[Any]
Restore = Callable[[Array], Any]


def _numpy(result: Array) -> Any:
    """As everywhere in NumPy, a result without axes is a scalar."""
    return result if result.ndim else result[()]


def _masked(result: Array) -> Any:
    """Masked where no value is known."""
    return np.ma.MaskedArray(result, mask=np.isnan(result))[()]


def own_mask(value: Any) -> NDArray[np.bool_] | None:
    """The mask that an array brings, of its shape; None for arrays that have none."""
    if type(value) is np.ndarray:
        return None
    if isinstance(value, np.ma.MaskedArray):
        return np.ma.getmaskarray(value)
    mask = getattr(value, "mask", None)  # astropy's masked arrays and images
    if isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == np.shape(value):
        return np.asarray(mask)
    return None


def is_path(value: Any) -> bool:
    """Whether an operand is the path of a .npy file rather than an array."""
    return isinstance(value, PathLike) or (isinstance(value, str) and value.endswith(".npy"))


def factors_of(k: Any) -> Sequence[Array] | None:
    """The factors that a kernel of several axes comes with."""
    return k.factors if isinstance(k, Kernel) and k.ndim > 1 else None


def to_array(name: str, value: Any, masked: bool = False) -> tuple[Array, bool, Restore]:
    """The samples as an ndarray, whether their type is weak, and what restores the kind that came in.

    `masked`: masked arrays may come in, for `own_mask` is asked as well.
    """
    if type(value) is np.ndarray:
        return value, False, _numpy
    if isinstance(value, Kernel):
        return value.taps, True, _numpy
    if isinstance(value, np.ma.MaskedArray) and masked:
        return np.asarray(value), False, _masked
    if not masked and own_mask(value) is not None:
        raise FaltungTypeError(
            f"`{name}` is a masked array, and its mask would be ignored; pass `{name}.filled(...)` for "
            f"values to use there, or `np.asarray({name})` to ignore the mask."
        )
    if isinstance(value, (np.ndarray, np.generic)):
        return np.asarray(value), False, _numpy
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return _from_torch(name, value, torch)
    if hasattr(value, "__array_namespace__") and hasattr(value, "__dlpack__"):
        return _from_dlpack(name, value)
    weak = isinstance(value, (bool, int, float, complex, list, tuple))
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise FaltungTypeError(
            f"`{name}` is no array of numbers: {error}. Pass rows of equal length."
        ) from None
    if weak and array.size and (array.dtype.kind == "O" or _beyond_int64(array)):
        array = _large_integers(name, value, array)
    return array, weak, _numpy


def _beyond_int64(array: Array) -> bool:
    return array.dtype == np.float64 and bool(np.abs(array).max() >= 2.0**63)


def _large_integers(name: str, value: Any, array: Array) -> Array:
    """Python integers of 2^63 and more, which NumPy takes for floats or objects when among others."""
    if not all(isinstance(x, int) for x in np.asarray(value, object).flat):
        return array
    try:
        return np.asarray(value, np.uint64)
    except OverflowError:
        raise FaltungTypeError(
            f"`{name}` has integers that no 64-bit type holds together; pass an array of float64."
        ) from None


def _from_torch(name: str, tensor: Any, torch: Any) -> tuple[Array, bool, Restore]:
    if tensor.requires_grad:
        raise FaltungTypeError(
            f"`{name}` requires a gradient, which this function does not record; pass `{name}.detach()`, or "
            "use `faltung.torch` for convolutions with gradients."
        )
    if tensor.device.type != "cpu" or tensor.layout is not torch.strided:
        raise FaltungTypeError(
            f"`{name}` must be a dense CPU tensor (it is {tensor.layout} on {tensor.device}); pass "
            f"`{name}.cpu()`."
        )
    tensor = tensor.resolve_conj().resolve_neg()
    if tensor.dtype is torch.bfloat16:
        import ml_dtypes

        array = tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    else:
        array = tensor.numpy()

    def restore(result: Array) -> Any:
        result = np.asarray(result)
        if result.dtype.name == "bfloat16":
            return torch.from_numpy(result.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(result)

    return array, False, restore


def _from_dlpack(name: str, value: Any) -> tuple[Array, bool, Restore]:
    namespace = value.__array_namespace__()
    try:
        array = np.from_dlpack(value)
    except (BufferError, TypeError, RuntimeError, ValueError) as error:
        raise FaltungTypeError(
            f"`{name}` (a {type(value).__name__}) gives no CPU memory by DLPack: {error}. Copy it to a NumPy "
            "array."
        ) from None
    return array, False, lambda result: namespace.from_dlpack(np.asarray(result))

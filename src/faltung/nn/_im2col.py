"""Windows as columns of a matrix, and back: `im2col` and its transpose `col2im`."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung._describe import resolve_boundary
from faltung._dtype import DType, check_supported, holding, integer_range, is_integer
from faltung._errors import FaltungOverflowError, FaltungTypeError, FaltungValueError, with_shapes
from faltung._geometry import boundary_index
from faltung._kinds import to_array
from faltung._normalize import PaddingLike, PerAxis, as_int, normalize_padding, normalize_per_axis
from faltung._operands import prepared
from faltung._spec import ConvSpec, Layout
from faltung._typing import Boundary

from ._describe import check_fit, check_layout, resolve_steps

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


class _Windows(NamedTuple):
    """The windows of an input, and what lies beyond its ends."""

    spec: ConvSpec
    boundary: tuple[str, ...]

    @property
    def padded(self) -> Shape:
        pairs = zip(self.spec.input_size, self.spec.padding, strict=True)
        return tuple(n + lo + hi for n, (lo, hi) in pairs)

    def of(self, padded: Array, first: int) -> Array:
        """A view of an array whose axes from `first` on are padded: for them output positions, then taps."""
        spec, steps = self.spec, padded.strides[first : first + self.spec.rank]
        shape = padded.shape[:first] + spec.output_size + spec.kernel_size + padded.shape[first + spec.rank :]
        strides = (
            padded.strides[:first]
            + tuple(step * s for step, s in zip(steps, spec.stride, strict=True))
            + tuple(step * d for step, d in zip(steps, spec.dilation, strict=True))
            + padded.strides[first + spec.rank :]
        )
        return np.lib.stride_tricks.as_strided(padded, shape, strides)


def im2col(
    x: Any,
    kernel_size: PerAxis,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    boundary: Boundary = "constant",
    layout: Layout = "channels_first",
) -> Any:
    r"""The windows of a layer as columns of a matrix, so that the layer is a matrix product.

    Parameters
    ----------
    x : array_like, (N, C, \*spatial), or (N, \*spatial, C) in the layout channels_last
        The input, of any data type; without the batch axis where `kernel_size` is a sequence that says so.
    kernel_size : int or sequence of int
        Taps along each spatial axis; an int stands for every axis of an input with a batch axis.
    stride, padding, dilation, boundary, layout : optional
        As in `conv`; a constant boundary is 0.

    Returns
    -------
    array
        (N, C prod(K), L) for L windows, channels slowest, as PyTorch's `unfold` and ONNX's `Col2Im` order
        them; in the layout channels_last (N, L, prod(K) C), channels fastest. Of the kind and type of `x`.

    Raises
    ------
    FaltungError
        As `conv`.

    See Also
    --------
    col2im : the transpose.
    conv : never makes this matrix.

    References
    ----------
    .. [1] K. Chellapilla, S. Puri and P. Simard, "High performance convolutional neural networks for document
       processing", 2006.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.nn.im2col([[1, 2, 3, 4]], [3])
    array([[1, 2],
           [2, 3],
           [3, 4]])
    """
    given, _, restore = to_array("x", x)
    a = prepared(given)
    check_supported("x", a.dtype)
    arranged = check_layout(layout)
    rank = _rank(kernel_size, a.ndim - 2)
    if rank < 1 or a.ndim not in (rank + 1, rank + 2):
        message = (
            f"`x` has {a.ndim} axes; `kernel_size` (={kernel_size!r}) needs {max(rank, 1) + 2}, or "
            f"{max(rank, 1) + 1} without a batch axis (then pass `kernel_size` as a sequence)."
        )
        raise FaltungValueError(with_shapes(message, x=a.shape))
    batched = a.ndim == rank + 2
    a = a if batched else a[np.newaxis]
    a = a if arranged == "channels_first" else np.moveaxis(a, -1, 1)
    if 0 in a.shape[1:]:
        message = "`x` has an axis of size 0, and only a batch may be empty; pass at least 1."
        raise FaltungValueError(with_shapes(message, x=given.shape))
    windows = _windows(a.shape[2:], kernel_size, stride, padding, dilation, boundary)
    seen = windows.of(_extended(a, windows), 2)  # (N, C, *out, *taps)
    out, taps = tuple(range(2, 2 + rank)), tuple(range(2 + rank, 2 + 2 * rank))
    count, positions = prod(windows.spec.kernel_size), prod(windows.spec.output_size)
    if arranged == "channels_first":
        columns = seen.transpose(0, 1, *taps, *out).reshape(len(a), a.shape[1] * count, positions)
    else:
        columns = seen.transpose(0, *out, *taps, 1).reshape(len(a), positions, count * a.shape[1])
    return restore(np.ascontiguousarray(columns if batched else columns[0]))


def col2im(
    cols: Any,
    output_size: PerAxis,
    kernel_size: PerAxis,
    *,
    stride: PerAxis = 1,
    padding: PaddingLike = 0,
    dilation: PerAxis = 1,
    boundary: Boundary = "constant",
    layout: Layout = "channels_first",
) -> Any:
    r"""Columns back into an image, where windows overlap added: the exact transpose of `im2col`.

    Parameters
    ----------
    cols : array_like, (N, C prod(K), L), or (N, L, prod(K) C) in the layout channels_last
        Columns as `im2col` makes them, with or without the batch axis.
    output_size : int or sequence of int
        The spatial size of the image: that of `im2col`'s input.
    kernel_size, stride, padding, dilation, boundary, layout : optional
        As in `im2col`. What lies beyond the ends adds to the samples that it stands for.

    Returns
    -------
    array
        (N, C, \*output_size), or (N, \*output_size, C) in the layout channels_last; of the kind and type of
        `cols`. Half types are summed in float32, integers exactly.

    Raises
    ------
    FaltungError
        Shapes that do not fit; an integer sum that the data type does not hold.

    See Also
    --------
    im2col : the transpose.

    References
    ----------
    .. [1] ONNX operator specification, `Col2Im`.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.nn.col2im([[1, 2], [2, 3], [3, 4]], [4], [3])
    array([[1, 4, 6, 4]])
    """
    given, _, restore = to_array("cols", cols)
    a = prepared(given)
    dtype = check_supported("cols", a.dtype)
    if dtype.kind == "b":
        raise FaltungTypeError(
            "`cols` has data type bool, whose sums it does not hold; convert it with `.astype(np.uint8)`."
        )
    arranged = check_layout(layout)
    rank = _rank(output_size, _rank(kernel_size, 1))
    size = normalize_per_axis("output_size", output_size, rank, 1)
    windows = _windows(size, kernel_size, stride, padding, dilation, boundary)
    count, positions = prod(windows.spec.kernel_size), prod(windows.spec.output_size)
    if a.ndim not in (2, 3):
        message = "`cols` must have 3 axes, or 2 without a batch axis."
        raise FaltungValueError(with_shapes(message, cols=a.shape))
    batched = a.ndim == 3
    a = a if batched else a[np.newaxis]
    first = arranged == "channels_first"
    rows, found = (a.shape[1], a.shape[2]) if first else (a.shape[2], a.shape[1])
    if rows % count or not rows or found != positions:
        form = f"(C * {count}, {positions})" if first else f"({positions}, {count} * C)"
        message = f"`cols` must be {form} behind the batch axis, for {count} taps and {positions} windows."
        raise FaltungValueError(with_shapes(message, cols=given.shape))
    channels = rows // count
    spec = windows.spec
    if first:
        a = a.reshape(len(a), channels, *spec.kernel_size, *spec.output_size)
    else:
        a = np.moveaxis(a.reshape(len(a), *spec.output_size, *spec.kernel_size, channels), -1, 1)
        out, taps = tuple(range(2, 2 + rank)), tuple(range(2 + rank, 2 + 2 * rank))
        a = a.transpose(0, 1, *taps, *out)
    image = _narrowed(_folded(_added(a, windows), windows), dtype)
    image = image if first else np.moveaxis(image, 1, -1)
    return restore(np.ascontiguousarray(image if batched else image[0]))


def _rank(value: object, otherwise: int) -> int:
    """Axes that a sequence names; an int names none."""
    return len(value) if as_int(value) is None and isinstance(value, (Sequence, np.ndarray)) else otherwise


def _windows(
    size: Shape, kernel_size: object, stride: object, padding: object, dilation: object, boundary: object
) -> _Windows:
    rank = len(size)
    taps = normalize_per_axis("kernel_size", kernel_size, rank, 1)
    strides, dilations = resolve_steps("stride", stride, rank), resolve_steps("dilation", dilation, rank)
    pairs = normalize_padding(padding, size, taps, strides, dilations)
    check_fit("kernel_size", pairs, size, taps, dilations)
    spec = ConvSpec(input_size=size, kernel_size=taps, stride=strides, padding=pairs, dilation=dilations)
    return _Windows(spec, resolve_boundary(boundary, rank))


def _extended(a: Array, windows: _Windows) -> Array:
    """The input with what lies beyond its ends, behind two axes of batch and channels."""
    for axis, (pair, word) in enumerate(zip(windows.spec.padding, windows.boundary, strict=True), 2):
        if any(pair):
            widths = [(0, 0)] * a.ndim
            widths[axis] = pair
            a = np.pad(a, widths, mode=word)  # type: ignore[call-overload]
    return a


def _added(columns: Array, windows: _Windows) -> Array:
    """Columns (N, C, *taps, *out) added up into the padded image, in a type that holds the sums."""
    spec, columns = windows.spec, columns.astype(_wide(columns), copy=False)
    padded = np.zeros(columns.shape[:2] + windows.padded, columns.dtype)
    for tap in np.ndindex(*spec.kernel_size):
        where = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, n, s in zip(tap, spec.dilation, spec.output_size, spec.stride, strict=True)
        )
        padded[(slice(None), slice(None), *where)] += columns[(slice(None), slice(None), *tap)]
    return padded


def _folded(padded: Array, windows: _Windows) -> Array:
    """What lies beyond the ends added to the samples that it stands for."""
    spec = windows.spec
    for axis, (pair, n, word) in enumerate(
        zip(spec.padding, spec.input_size, windows.boundary, strict=True), 2
    ):
        lo = pair[0]
        lines = np.moveaxis(padded, axis, 0)
        inside = lines[lo : lo + n].copy()
        for i in (*range(lo), *range(lo + n, len(lines))):
            source = boundary_index(i - lo, n, word)
            if source is not None:
                inside[source] += lines[i]
        padded = np.moveaxis(inside, 0, axis)
    return padded


def _wide(columns: Array) -> DType:
    """A type in which sums of columns are exact, or as exact as their own."""
    dtype = columns.dtype
    if not is_integer(dtype):
        return np.dtype(np.float32) if dtype.itemsize == 2 else dtype
    largest = max(abs(int(columns.max())), abs(int(columns.min()))) if columns.size else 0
    return np.dtype(np.int64) if largest * columns.size < 2**63 else np.dtype(object)


def _narrowed(image: Array, dtype: DType) -> Array:
    """The sums in the type of the columns; an error where one does not fit."""
    if not is_integer(dtype):
        return image.astype(dtype, copy=False)
    low, high = integer_range(dtype)
    wrong = np.argwhere((image < low) | (image > high))
    if len(wrong):
        index = tuple(int(i) for i in wrong[0])
        value = int(image[index])
        raise FaltungOverflowError(
            f"the sum at batch and channel {index[:2]}, position {index[2:]} is {value}, beyond "
            f"{dtype}; convert `cols`, as in `.astype(np.{holding(min(0, value), max(0, value))})`."
        )
    return image.astype(dtype)

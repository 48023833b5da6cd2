"""`ConvSpec`: one convolution described in plain integers.

Everything else derives from the description: output size, weight shape, counts, receptive field, the adjoint.
The arithmetic of one axis is in `_geometry`; this file checks, broadcasts and speaks to the user.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Literal, NamedTuple, SupportsIndex, TypeAlias

from . import _geometry as geometry
from ._contributions import Contributions
from ._errors import FaltungValueError
from ._normalize import (
    PaddingLike,
    Pairs,
    PerAxis,
    normalize_int,
    normalize_padding,
    normalize_per_axis,
    normalize_transposed,
    rank_of,
)

if TYPE_CHECKING:
    from fractions import Fraction

Layout: TypeAlias = Literal["channels_first", "channels_last"]


class Cost(NamedTuple):
    """What one convolution costs, counted as on paper: every tap of every window, those on padding included.

    All fields are numbers of operations or of elements (multiply by the item size for bytes).
    """

    multiplications: int
    additions: int
    input_elements: int
    weight_elements: int
    bias_elements: int
    output_elements: int

    @property
    def operations(self) -> int:
        """Multiplications and additions together."""
        return self.multiplications + self.additions

    @property
    def memory(self) -> int:
        """Elements of input, weights, bias and output together."""
        return self.input_elements + self.weight_elements + self.bias_elements + self.output_elements


class Separated(NamedTuple):
    """A convolution split into a depthwise one and a pointwise (1x1) one."""

    depthwise: ConvSpec
    pointwise: ConvSpec

    @property
    def cost_ratio(self) -> Fraction:
        """Multiplications of the pair over those of the full convolution: 1/out_channels + 1/K^rank."""
        from fractions import Fraction

        taps = prod(self.depthwise.kernel_size)
        return Fraction(1, self.pointwise.out_channels) + Fraction(1, taps)


@dataclass(frozen=True, init=False)
class ConvSpec:
    """One convolution in plain integers, of any rank.

    With stride S, dilation D and padding (lo, hi) on each axis it stands for

        y[i] = sum_h x[i S + h D - lo] w[h]

    summed over the in_channels / groups of a group; `flip=True` takes w[K-1-h] (true convolution). The
    transposed convolution is exactly the transpose of that map: y[i S + h D - lo] += x[i] w[h].

    Parameters
    ----------
    input_size : int or sequence of int
        Samples along each spatial axis. Its length is the rank; an int takes the rank of `kernel_size`.
    kernel_size : int or sequence of int
        Taps K along each axis.
    in_channels, out_channels : int
        Channels of the input and of the output.
    stride, dilation : int or sequence of int
        S and D; an int stands for every axis.
    padding : int, sequence or str
        An int; one int an axis (both ends alike); one (lo, hi) pair an axis; or a word: "valid" (none),
        "same" (ceil(N/S) outputs, the odd sample at the end), "same_lower" (at the start), "full" (D(K-1) on
        both ends), "causal" (rank 1: D(K-1) at the start). Stored as pairs. In a transposed convolution
        padding crops, and a word means the padding of the forward convolution that starts from this one's
        output: "same" gives input size times stride.
    groups : int
        Divides both channel counts; each output channel sees in_channels / groups channels.
    transposed : bool
        The transpose instead of the convolution.
    output_padding : int or sequence of int
        Transposed only: samples appended to the output, less than the stride or the dilation.
    flip : bool
        Whether the kernel is flipped along every axis.
    bias : bool
        Whether one number an output channel is added.
    output_size : int or sequence of int, optional
        Transposed only: solves `output_padding` for this size.

    Raises
    ------
    FaltungValueError
        A number is out of range, a kernel does not fit, channels and groups disagree.
    FaltungTypeError
        A number is not an integer.

    Notes
    -----
    The size formulas are those of Dumoulin and Visin, "A guide to convolution arithmetic for deep learning"
    (arXiv:1603.07285), with padding that may differ between the two ends.

    Examples
    --------
    >>> import faltung as fl
    >>> s = fl.ConvSpec(
    ...     input_size=(32, 32), in_channels=3, out_channels=64, kernel_size=3, padding=1
    ... )
    >>> s.output_size, s.weight_shape
    ((32, 32), (64, 3, 3, 3))
    >>> s.cost().multiplications
    1769472
    """

    input_size: tuple[int, ...]
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int
    transposed: bool
    output_padding: tuple[int, ...]
    flip: bool
    bias: bool

    def __init__(
        self,
        *,
        input_size: PerAxis,
        kernel_size: PerAxis,
        in_channels: SupportsIndex = 1,
        out_channels: SupportsIndex = 1,
        stride: PerAxis = 1,
        padding: PaddingLike = 0,
        dilation: PerAxis = 1,
        groups: SupportsIndex = 1,
        transposed: bool = False,
        output_padding: PerAxis = 0,
        flip: bool = False,
        bias: bool = False,
        output_size: PerAxis | None = None,
    ) -> None:
        rank = rank_of(1, input_size=input_size, kernel_size=kernel_size)
        sizes = normalize_per_axis("input_size", input_size, rank, 1)
        taps = normalize_per_axis("kernel_size", kernel_size, rank, 1)
        strides = normalize_per_axis("stride", stride, rank, 1)
        dilations = normalize_per_axis("dilation", dilation, rank, 1)
        extra = normalize_per_axis("output_padding", output_padding, rank, 0)
        wanted = None if output_size is None else normalize_per_axis("output_size", output_size, rank, 1)
        if transposed:
            pairs, extra = normalize_transposed(padding, sizes, taps, strides, dilations, extra, wanted)
        else:
            if wanted is not None:
                raise FaltungValueError(
                    f"`output_size` (={wanted}) is for transposed convolutions; "
                    "leave it out or pass `transposed=True`."
                )
            if any(extra):
                raise FaltungValueError(
                    f"`output_padding` (={extra}) is for transposed convolutions; "
                    "leave it at 0 or pass `transposed=True`."
                )
            pairs = normalize_padding(padding, sizes, taps, strides, dilations)
        values: dict[str, object] = {
            "input_size": sizes,
            "in_channels": normalize_int("in_channels", in_channels, 1),
            "out_channels": normalize_int("out_channels", out_channels, 1),
            "kernel_size": taps,
            "stride": strides,
            "padding": pairs,
            "dilation": dilations,
            "groups": normalize_int("groups", groups, 1),
            "transposed": bool(transposed),
            "output_padding": extra,
            "flip": bool(flip),
            "bias": bool(bias),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        _check_groups(self.groups, self.in_channels, self.out_channels)
        _check_fit(self)

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.input_size)

    @property
    def output_size(self) -> tuple[int, ...]:
        """Samples of the output along each axis.

        floor((N + lo + hi - D(K-1) - 1) / S) + 1, or (N - 1)S - lo - hi + D(K-1) + P_out + 1 if transposed.
        """
        return tuple(_output_size_along(self, axis) for axis in range(self.rank))

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weights in the layout channels_first; see `weight_shape_in`."""
        return self.weight_shape_in("channels_first")

    def weight_shape_in(self, layout: Layout) -> tuple[int, ...]:
        """Shape of the weights in a layout.

        channels_first: (out, in/groups, *K), transposed (in, out/groups, *K), as PyTorch and ONNX;
        channels_last: (*K, in/groups, out), transposed (*K, out/groups, in), as TensorFlow and JAX.
        The adjoint has the same weights in the same shape.
        """
        outer, inner = self.out_channels, self.in_channels // self.groups
        if self.transposed:
            outer, inner = self.in_channels, self.out_channels // self.groups
        if layout == "channels_first":
            return (outer, inner, *self.kernel_size)
        if layout == "channels_last":
            return (*self.kernel_size, inner, outer)
        raise FaltungValueError(f"`layout` (={layout!r}) must be 'channels_first' or 'channels_last'.")

    @property
    def receptive_field(self) -> tuple[int, ...]:
        """Extent of the input, along each axis, that one output sample sees: D(K-1)+1 if not transposed."""
        axes = zip(self.kernel_size, self.stride, self.dilation, strict=True)
        return tuple(geometry.receptive_field(k, s, d, self.transposed) for k, s, d in axes)

    @property
    def overlaps(self) -> bool:
        """Whether a transposed convolution adds several contributions somewhere: S / gcd(S, D) <= K - 1."""
        axes = zip(self.kernel_size, self.stride, self.dilation, strict=True)
        return self.transposed and any(geometry.overlaps(k, s, d) for k, s, d in axes)

    @property
    def contributions(self) -> Contributions:
        """How many pairs of a sample and a tap each output adds up, along each axis and as their product.

        Times in_channels / groups they are the terms of an output. A transposed convolution adds them
        unevenly unless K is a multiple of S (and S and D have no common divisor): the checkerboard of its
        pictures. In a convolution they are the taps that see the input rather than its padding.

        Examples
        --------
        >>> import faltung as fl
        >>> s = fl.ConvSpec(input_size=4, kernel_size=3, stride=2, transposed=True)
        >>> s.contributions.along, s.contributions.even
        (((1, 1, 2, 1, 2, 1, 2, 1, 1),), False)
        """
        counts, even = [], []
        for i, outputs in enumerate(self.output_size):
            k, s, d = self.kernel_size[i], self.stride[i], self.dilation[i]
            n, lo = self.input_size[i], self.padding[i][0]
            counts.append(geometry.contributions(outputs, n, k, s, lo, d, self.transposed))
            even.append(not self.transposed or geometry.even(k, s, d))
        return Contributions(tuple(counts), all(even))

    def cost(self, batch: SupportsIndex = 1) -> Cost:
        """Multiplications, additions and elements, counted as on paper.

        A convolution multiplies out_positions * K^rank * in/groups * out times and adds one time less for
        each output; a transposed one multiplies in_positions * K^rank * in * out/groups times and adds one
        time less for each position that it writes. A bias adds one more for each output.

        Parameters
        ----------
        batch : int
            Number of inputs; the weights are counted once.

        Returns
        -------
        Cost
            The counts, with the sums `operations` and `memory`.

        Examples
        --------
        >>> import faltung as fl
        >>> s = fl.ConvSpec(
        ...     input_size=(32, 32), in_channels=3, out_channels=64, kernel_size=3, padding=1
        ... )
        >>> s.cost().operations, s.cost().memory
        (3473408, 70336)
        """
        count = normalize_int("batch", batch, 1)
        weights = prod(self.weight_shape)
        outputs = count * self.out_channels * prod(self.output_size)
        if self.transposed:
            axes = zip(self.input_size, self.kernel_size, self.stride, self.dilation, strict=True)
            written = count * self.out_channels * prod(geometry.touched_size(*axis) for axis in axes)
            multiplications = count * prod(self.input_size) * weights
        else:
            written = outputs
            multiplications = count * prod(self.output_size) * weights
        return Cost(
            multiplications=multiplications,
            additions=multiplications - written + (outputs if self.bias else 0),
            input_elements=count * self.in_channels * prod(self.input_size),
            weight_elements=weights,
            bias_elements=self.out_channels if self.bias else 0,
            output_elements=outputs,
        )

    def transpose(self) -> ConvSpec:
        """The adjoint: the convolution that is the exact transpose of this linear map, without bias.

        It leads from the output's size and channels back to the input's with the same weights, and is the map
        of the gradient with respect to the input. Transposing twice gives the map again.

        Returns
        -------
        ConvSpec
            Transposed if this one is not, and the other way round.

        Raises
        ------
        FaltungValueError
            Transposed with an `output_padding` of at least `stride` beyond what `padding` crops.

        Examples
        --------
        >>> import faltung as fl
        >>> s = fl.ConvSpec(input_size=32, kernel_size=3, stride=2, padding=1)
        >>> s.output_size, s.transpose().output_size, s.transpose().output_padding
        ((16,), (32,), (1,))
        """
        pairs = self.padding
        extra: tuple[int, ...] = (0,) * self.rank
        if self.transposed:
            pairs = _padding_of_adjoint(self)
        else:
            axes = zip(self.input_size, self.kernel_size, self.stride, pairs, self.dilation, strict=True)
            extra = tuple(geometry.adjoint_output_padding(n, k, s, *pair, d) for n, k, s, pair, d in axes)
        return ConvSpec(
            input_size=self.output_size,
            in_channels=self.out_channels,
            out_channels=self.in_channels,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=pairs,
            dilation=self.dilation,
            groups=self.groups,
            transposed=not self.transposed,
            output_padding=extra,
            flip=self.flip,
        )

    def separable(self) -> Separated:
        """The depthwise separable pair in place of this convolution (MobileNet): depthwise, then 1x1.

        Multiplications fall by the factor 1/out_channels + 1/K^rank; the weights are new ones, to be learned.

        Returns
        -------
        Separated
            The two specs and their `cost_ratio`. The bias belongs to the pointwise one.

        Raises
        ------
        FaltungValueError
            The convolution is transposed or has groups.

        References
        ----------
        Howard et al., "MobileNets" (arXiv:1704.04861), section 3.1.

        Examples
        --------
        >>> import faltung as fl
        >>> s = fl.ConvSpec(
        ...     input_size=(14, 14), in_channels=512, out_channels=512, kernel_size=3, padding=1
        ... )
        >>> pair = s.separable()
        >>> pair.depthwise.weight_shape, pair.pointwise.weight_shape
        ((512, 1, 3, 3), (512, 512, 1, 1))
        >>> pair.cost_ratio
        Fraction(521, 4608)
        """
        if self.transposed or self.groups != 1:
            raise FaltungValueError(
                f"`separable` needs `transposed` (={self.transposed}) False and `groups` (={self.groups}) 1; "
                "describe the two convolutions yourself."
            )
        depthwise = ConvSpec(
            input_size=self.input_size,
            in_channels=self.in_channels,
            out_channels=self.in_channels,
            kernel_size=self.kernel_size,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.in_channels,
            flip=self.flip,
        )
        pointwise = ConvSpec(
            input_size=self.output_size,
            in_channels=self.in_channels,
            out_channels=self.out_channels,
            kernel_size=(1,) * self.rank,
            flip=self.flip,
            bias=self.bias,
        )
        return Separated(depthwise, pointwise)


def _padding_of_adjoint(spec: ConvSpec) -> Pairs:
    """Padding with which the forward convolution returns to a transposed one's input size, no window more."""
    pairs = []
    for (lo, hi), p, s in zip(spec.padding, spec.output_padding, spec.stride, strict=True):
        surplus = p // s * s
        if surplus > hi:
            raise FaltungValueError(
                f"`output_padding` (={spec.output_padding}) of at least `stride` (={spec.stride}) has no "
                f"adjoint with `padding` (={spec.padding}); use less output padding."
            )
        pairs.append((lo, hi - surplus))
    return tuple(pairs)


def _check_groups(groups: int, in_channels: int, out_channels: int) -> None:
    for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
        if channels % groups:
            divisors = [
                str(g) for g in range(1, channels + 1) if in_channels % g == 0 and out_channels % g == 0
            ]
            choice = divisors[0] if len(divisors) == 1 else f"{', '.join(divisors[:-1])} or {divisors[-1]}"
            raise FaltungValueError(f"`groups` (={groups}) must divide `{name}` (={channels}); use {choice}.")


def _output_size_along(spec: ConvSpec, axis: int) -> int:
    n, k, s, d = spec.input_size[axis], spec.kernel_size[axis], spec.stride[axis], spec.dilation[axis]
    lo, hi = spec.padding[axis]
    if spec.transposed:
        return geometry.transposed_output_size(n, k, s, lo, hi, d, spec.output_padding[axis])
    return geometry.output_size(n, k, s, lo, hi, d)


def _check_fit(spec: ConvSpec) -> None:
    for axis in range(spec.rank):
        found = _output_size_along(spec, axis)
        if found > 0:
            continue
        n, k, d = spec.input_size[axis], spec.kernel_size[axis], spec.dilation[axis]
        lo, hi = spec.padding[axis]
        if spec.transposed:
            raise FaltungValueError(
                f"`padding` (={spec.padding}) crops all of axis {axis}, whose output size would be {found}; "
                "use less padding."
            )
        raise FaltungValueError(
            f"`kernel_size` (={k}) with `dilation` (={d}) spans {geometry.effective_size(k, d)} samples, "
            f"more than the {n} + {lo} + {hi} of axis {axis} with its padding; "
            "use a smaller kernel or more padding."
        )

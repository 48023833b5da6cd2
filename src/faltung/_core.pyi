"""The compiled core of faltung. Private: use the names of the package.

From `python -m nanobind.stubgen -m faltung._core`, with the types that the bindings cannot tell; a test compares
names and arguments with the extension.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

def isa() -> str:
    """The instruction set in use."""

def available_isas() -> list[str]:
    """The instruction sets that FALTUNG_ISA may name here, ascending."""

def cpu_features() -> list[str]:
    """Vector and matrix features of this processor."""

def cpu_limit() -> int:
    """CPUs that this thread may use: its affinity, cut by the CPU quota of its cgroup."""

def num_threads() -> int:
    """Threads that a call uses unless told otherwise."""

def set_num_threads(n: int) -> None:
    """Set how many threads a call uses unless told otherwise."""

def fma_ceiling(double_precision: bool, seconds: float = 0.2) -> float:
    """Operations a second of one thread on multiply-adds alone (a multiply-add counts two); the best of the
    given time.
    """

class Summary(TypedDict):
    """What `Correlation.summary` tells of a plan of the core; no name of the extension."""

    kernel: str
    tile: tuple[int, int, int]
    unit: tuple[int, int]
    units: int
    partial_sums: int
    scratch_bytes: int
    weight_bytes: int
    reads_in_place: bool
    writes_in_place: bool
    block: tuple[int, ...]

class Correlation:
    """A planned correlation: fixed shapes and strides, any arrays."""

    def __init__(
        self,
        axes: Sequence[tuple[int, int, int, int, int, int, int, int, int, int, int]],
        batch: Sequence[tuple[int, int, int, int, int]],
        dtype: int,
        kernel_dtype: int,
        out_dtype: int,
        compute: int,
        complex_samples: bool,
        complex_kernel: bool,
        conjugate: bool,
        zero_fill: bool,
        store: int,
        fill: bytes,
        kernel_offset: int,
        method: int,
        terms: int,
        block: Sequence[int],
        folded: bool,
        local: bool,
        keep: bool,
    ) -> None: ...
    def run(
        self, a: NDArray[Any], kernel: NDArray[Any], out: NDArray[Any], threads: int, release: bool
    ) -> bool: ...
    def summary(self) -> Summary: ...

class CallCache:
    """Decisions by raw arguments; holds no data."""

    def __init__(
        self, array_type: type[NDArray[Any]], empty: Callable[..., NDArray[Any]], limit: int
    ) -> None: ...
    def run(self, a: object, k: object, options: tuple[Any, ...], out: object) -> NDArray[Any] | None: ...
    def add(
        self,
        a: NDArray[Any],
        k: NDArray[Any],
        options: tuple[Any, ...],
        out: NDArray[Any] | None,
        correlation: Correlation,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        threads: int,
        release: bool,
    ) -> None: ...
    def clear(self) -> None: ...
    def __len__(self) -> int: ...

class LayerSummary(TypedDict):
    """What `Layer.summary` tells of a plan of the core; no name of the extension."""

    kernel: str
    tile: tuple[int, int]
    strip: int
    chunk: int
    splits: int
    units: int
    scratch_bytes: int
    shared_bytes: int
    weight_bytes: int
    packs_input: bool
    turns_output: bool

class PackedWeights:
    """Weights as a planned layer wants them."""

    nbytes: int

class Layer:
    """A planned layer: fixed shapes and strides, any arrays."""

    def __init__(
        self,
        sizes: tuple[int, int, int, int],
        axes: Sequence[tuple[int, int, int, int, int, int, int, int, int, int, int]],
        steps: tuple[int, int, int, int, int, int, int, int],
        types: tuple[int, int, int, int],
        complex_numbers: bool,
        store: int,
        bias: bool,
        residual: bool,
        activation: tuple[int, float, float],
        in_zero: int,
        weight_zero: Sequence[int],
        weight_offset: int,
        method: int,
        transposed: bool,
        spectral: tuple[Sequence[int], bool, bool, bool] = ([], False, False, False),
        channels_last: bool = False,
        products: int = 6,
    ) -> None: ...
    def pack(self, weights: NDArray[Any], threads: int) -> PackedWeights: ...
    def run(
        self,
        x: NDArray[Any],
        packed: PackedWeights,
        bias: NDArray[Any] | None,
        residual: NDArray[Any] | None,
        out: NDArray[Any],
        threads: int,
        release: bool,
    ) -> bool: ...
    def summary(self) -> LayerSummary: ...

class LayerPair(Layer):
    """A depthwise and a 1x1 layer in one pass: fixed shapes and strides, any arrays."""

    def __init__(self, depthwise: Layer, pointwise: Layer) -> None: ...
    def pack(  # type: ignore[override]
        self,
        depthwise: NDArray[Any],
        pointwise: NDArray[Any],
        middle_bias: NDArray[Any] | None,
        threads: int,
    ) -> PackedWeights: ...
    def call(
        self,
        x: NDArray[Any],
        depthwise: NDArray[Any],
        pointwise: NDArray[Any],
        middle_bias: NDArray[Any] | None,
        bias: NDArray[Any] | None,
        residual: NDArray[Any] | None,
        out: NDArray[Any],
        threads: int,
        release: bool,
    ) -> bool: ...

class WeightGradientCache:
    """Decisions on gradients of weights by raw arguments."""

    def __init__(
        self, array_type: type[NDArray[Any]], empty: Callable[..., NDArray[Any]], limit: int
    ) -> None: ...
    def run(self, x: object, g: object, out: object, options: tuple[Any, ...]) -> NDArray[Any] | None: ...
    def add(
        self,
        x: NDArray[Any],
        g: NDArray[Any],
        out: NDArray[Any] | None,
        options: tuple[Any, ...],
        plan: WeightGradient,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        threads: int,
        release: bool,
    ) -> None: ...
    def clear(self) -> None: ...
    def __len__(self) -> int: ...

class WeightGradient:
    """The planned gradient of a layer's weights: fixed shapes and strides, any arrays."""

    def __init__(
        self,
        sizes: tuple[int, int, int, int],
        axes: Sequence[tuple[int, int, int, int, int, int, int, int, int, int]],
        steps: tuple[int, int, int, int, int, int],
        type: int,
        complex_numbers: bool,
        wide: bool,
        offset: int,
        method: int,
    ) -> None: ...
    def run(
        self, x: NDArray[Any], g: NDArray[Any], dw: NDArray[Any], threads: int, release: bool
    ) -> None: ...
    def summary(self) -> LayerSummary: ...

class LayerCache:
    """Decisions on layers by raw arguments; a plan's hold its weights."""

    def __init__(
        self, array_type: type[NDArray[Any]], empty: Callable[..., NDArray[Any]], limit: int
    ) -> None: ...
    def run(
        self, x: object, w: object, bias: object, residual: object, out: object, options: tuple[Any, ...]
    ) -> NDArray[Any] | None: ...
    def add(
        self,
        x: NDArray[Any],
        w: NDArray[Any] | None,
        bias: NDArray[Any] | None,
        residual: NDArray[Any] | None,
        out: NDArray[Any] | None,
        options: tuple[Any, ...],
        layer: Layer,
        packed: PackedWeights | None,
        held_bias: NDArray[Any] | None,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        threads: int,
        release: bool,
    ) -> None: ...
    def clear(self) -> None: ...
    def __len__(self) -> int: ...

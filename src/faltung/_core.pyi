"""The compiled core of faltung. Private: use the names of the package."""

from collections.abc import Sequence


def isa() -> str:
    """The instruction set in use."""

def available_isas() -> list[str]:
    """The instruction sets that FALTUNG_ISA may name here, ascending."""

def cpu_features() -> list[str]:
    """Vector and matrix features of this processor."""

def cpu_limit() -> int:
    """
    CPUs that this thread may use: its affinity, cut by the CPU quota of its cgroup.
    """

def num_threads() -> int:
    """Threads that a call uses unless told otherwise."""

def set_num_threads(n: int) -> None: ...

def fma_ceiling(double_precision: bool, seconds: float = 0.2) -> float:
    """
    Operations a second of one thread on multiply-adds alone (a multiply-add counts two), best of the given time.
    """

class Correlation:
    """A planned correlation: fixed shapes and strides, any arrays."""

    def __init__(self, axes: Sequence[tuple[int, int, int, int, int, int, int, int, int, int, int]], batch: Sequence[tuple[int, int, int, int, int]], dtype: int, kernel_dtype: int, out_dtype: int, compute: int, complex_samples: bool, complex_kernel: bool, conjugate: bool, zero_fill: bool, store: int, fill: bytes, kernel_offset: int, reference: bool) -> None: ...

    def run(self, a: object, kernel: object, out: object, threads: int, release: bool) -> bool: ...

    def summary(self) -> dict: ...

class CallCache:
    """Decisions by raw arguments; holds no data."""

    def __init__(self, array_type: object, empty: object, limit: int) -> None: ...

    def run(self, a: object | None, k: object | None, options: object) -> object: ...

    def add(self, a: object, k: object, options: object, correlation: object, shape: object, dtype: object, threads: int, release: bool) -> None: ...

    def clear(self) -> None: ...

    def __len__(self) -> int: ...

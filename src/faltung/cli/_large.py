"""``--memory-limit``: from one .npy file to another, neither of them ever in memory as a whole.

One kernel and nothing after it is one call of the library. What --abs, --offset and edges do needs the
responses themselves: they go to files beside the result, which are gone when it is there.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung.cli._atomic import replacing
from faltung.cli._kernel import KernelSpec
from faltung.cli._messages import InputError, note, share
from faltung.cli._npy import Array
from faltung.cli._run import TOO_WIDE, Options, convolved, finished, needs_64_bits, result_shape, work_dtype
from faltung.cli._samples import Samples

Report: TypeAlias = Callable[[int, int, int, Samples], None]
Progress: TypeAlias = Callable[[int, int], None]

_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4,
          "ki": 1024, "mi": 1024**2, "gi": 1024**3, "ti": 1024**4}  # fmt: skip
_VALUE_BYTES = 128
"""What a value takes while it is finished: a few numbers of 8 or 16 bytes."""
_MOST_VALUES = 1 << 18


def parse_size(text: str) -> int:
    """Return the bytes that `text` names.

    Examples
    --------
    >>> parse_size("500MB"), parse_size("2 GiB"), parse_size("1.5k"), parse_size("4096")
    (500000000, 2147483648, 1500, 4096)
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([kmgt]i?)?b?", text.strip().lower())
    if match is None:
        raise InputError(f"`--memory-limit` (={text!r}) must be a size such as 500MB, 2GiB or 1500000")
    number, unit = match.groups()
    return int(float(number) * _UNITS[unit or ""]) if "." in number else int(number) * _UNITS[unit or ""]


def filter_large(samples: Array, spec: KernelSpec, options: Options, output: Path, report: Report) -> None:
    """Filter `samples` into the file `output`; `report` is told how many values were cut."""
    result_shape(samples, spec, options)
    if spec.is_magnitude or options.absolute or options.offset:
        report(*_by_responses(samples, spec, options, output), samples)
        return
    with _bar(1) as told:
        dtype, limit = samples.dtype, options.memory_limit
        result = convolved(
            samples.values, samples, spec.taps[0], options, dtype, "saturate",
            out=output, memory_limit=limit, progress=told(0),
        )  # fmt: skip
    if samples.limits is not None and _may_be_cut(samples, spec, samples.limits):
        _report_ends(result, samples.limits)


def _by_responses(samples: Array, spec: KernelSpec, options: Options, output: Path) -> tuple[int, int, int]:
    """Filter by way of responses; return how many values were cut below and above, of how many."""
    source = samples.values.dtype.newbyteorder("=")
    ends = [np.iinfo(source).min, np.iinfo(source).max] if source.kind in "iu" else []
    dtype = work_dtype(np.array(ends, source), spec)
    if needs_64_bits(dtype, source, samples, spec):
        raise InputError(TOO_WIDE)
    below = above = 0
    limit = options.memory_limit
    with TemporaryDirectory(prefix=".faltung-", dir=output.parent) as folder, _bar(len(spec.taps)) as told:
        responses = [
            convolved(samples.values, samples, kernel, options, dtype,
                      out=Path(folder, f"{i}.npy"), memory_limit=limit, progress=told(i))
            for i, kernel in enumerate(spec.taps)
        ]  # fmt: skip
        with replacing(output) as file:
            for first, parts in _parts(responses, (limit or 0) // _VALUE_BYTES):
                values, few, many = finished(parts, source, samples, spec, options)
                if not first:
                    kept = np.lib.format.dtype_to_descr(values.dtype)
                    header = {"descr": kept, "fortran_order": False, "shape": responses[0].shape}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(values.tobytes())
                below, above = below + few, above + many
    return below, above, responses[0].size


def _parts(files: Sequence[NDArray[Any]], most: int) -> Iterator[tuple[int, list[NDArray[Any]]]]:
    """Read mapped .npy files side by side, at most so many values at once; the index of the first of them."""
    step = min(max(most, 1), _MOST_VALUES)
    for first in range(0, files[0].size, step):
        yield first, [np.array(file.reshape(-1)[first : first + step]) for file in files]


def _may_be_cut(samples: Array, spec: KernelSpec, limits: tuple[int, int]) -> bool:
    """Whether these taps can lead samples of this type out of the limits."""
    if samples.values.dtype.kind not in "iu":
        return True
    low, high = np.iinfo(samples.values.dtype).min, np.iinfo(samples.values.dtype).max
    taps = np.asarray(spec.kernels[0], np.float64)
    up, down = float(taps[taps > 0].sum()), float(taps[taps < 0].sum())
    least, most = up * min(low, 0) + down * max(high, 0), up * max(high, 0) + down * min(low, 0)
    return least < limits[0] - 0.5 or most > limits[1] + 0.5


def _report_ends(result: NDArray[Any], limits: tuple[int, int]) -> None:
    """Say how many values are those where the type ends, for what lay beyond became them."""
    low = high = 0
    for _, (values,) in _parts([result], _MOST_VALUES):
        low += int(np.count_nonzero(values == limits[0]))
        high += int(np.count_nonzero(values == limits[1]))
    if low or high:
        note(
            f"{share(low, result.size)} of the values are {limits[0]} and {share(high, result.size)} are "
            f"{limits[1]}, where {result.dtype} ends and what lay beyond was cut; --dtype float32 keeps it"
        )


@contextmanager
def _bar(kernels: int) -> Iterator[Callable[[int], Progress | None]]:
    """A bar on a terminal; what it gives is called with the number of a kernel, for a callback."""
    if not sys.stderr.isatty():
        yield lambda kernel: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("filtering", total=None)

        def told(kernel: int) -> Progress:
            def progress(done: int, total: int) -> None:
                bar.update(task, completed=kernel * total + done, total=kernels * total)

            return progress

        yield told

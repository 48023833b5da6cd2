"""Show on standard output how a filter will run: the data, the kernel, and the plan with its candidates."""

from __future__ import annotations

import math

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

import faltung as fl
from faltung.cli._kernel import KernelSpec
from faltung.cli._messages import duration
from faltung.cli._run import Options, blocks, margins, work_dtype
from faltung.cli._samples import Samples


def show_plan(samples: Samples, spec: KernelSpec, options: Options, console: Console | None = None) -> None:
    """Print the plan of ``faltung filter`` as a table, followed by the library's own explanation."""
    console = console or Console()
    shape, axis = samples.values.shape, samples.axes[0]
    limited = options.memory_limit is not None
    dtype = samples.dtype if limited else work_dtype(samples.values, spec)
    result = list(shape)
    for position, (lo, hi) in zip(samples.axes, margins(spec.shape, options.mode), strict=True):
        result[position] += lo + hi
    parts = (
        []
        if limited
        else blocks(
            shape[axis],
            spec.shape[0],
            options,
            math.prod(result) // max(1, result[axis]),
            math.prod(spec.shape) * len(spec.kernels),
        )
    )
    facts = Table(box=box.SIMPLE, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="bold")
    facts.add_column()
    facts.add_row(
        "samples", f"{_size(shape)}  {samples.values.dtype}, filtered along axes {_listed(samples.axes)}"
    )
    pair = f"magnitude of {len(spec.kernels)} kernels, " if spec.is_magnitude else ""
    facts.add_row("kernel", f"{spec.text}  ({pair}{_size(spec.shape)} taps)")
    facts.add_row("operation", "correlation" if options.correlate else "convolution")
    facts.add_row("mode", f"{options.mode}, boundary {options.boundary}")
    facts.add_row("result", f"{_size(result)}  {samples.dtype or 'data type by the library'}")
    if len(parts) > 1:
        facts.add_row("blocks", f"{len(parts)} of {parts[0].stop - parts[0].start} rows")
    if limited:
        facts.add_row("memory limit", f"{options.memory_limit:,} bytes")
    console.print(facts)
    first = list(shape)
    if parts:
        source = parts[0].source
        first[axis] = len(range(shape[axis])[source]) if isinstance(source, slice) else source.size
    make = fl.plan_correlate if options.correlate else fl.plan_convolve
    plan = make(
        tuple(first),
        spec.taps[0],
        options.mode,
        boundary=options.boundary,
        axes=samples.axes,
        dtype=samples.values.dtype.newbyteorder("="),
        result_dtype=dtype,
        workers=options.workers,
    )
    told = plan.explain()
    candidates = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text(told.heading), title_justify="left")
    for name in ("", "method", "predicted", "extra memory", "promise", "why"):
        candidates.add_column(name)
    for one in told.candidates:
        candidates.add_row(
            "*" if one.chosen else "",
            one.method,
            "-" if one.seconds is None else duration(one.seconds),
            _bytes(one.extra_bytes),
            one.promise,
            one.reason,
            style="bold" if one.chosen else "dim",
        )
    console.print(candidates)
    details = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, text in told.details:
        details.add_row(name, text, style="dim")
    console.print(details)


def _bytes(n: int | None) -> str:
    return "-" if n is None else f"{n / 1024:.0f} KiB a thread" if n else "none"


def _size(shape: tuple[int, ...] | list[int]) -> str:
    return " x ".join(map(str, shape))


def _listed(axes: tuple[int, ...]) -> str:
    return ", ".join(map(str, axes))

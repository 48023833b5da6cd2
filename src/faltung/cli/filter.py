"""``faltung filter``: convolve a picture, a sound or an array with a kernel."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from faltung.cli._atomic import replacing
from faltung.cli._kernel import ACCEPTED, parse_kernel
from faltung.cli._large import filter_large, parse_size
from faltung.cli._messages import InputError, near_match, note, one_of, share
from faltung.cli._npy import Array, read_array
from faltung.cli._run import Block, Options, filter_samples
from faltung.cli._samples import Samples

MODES = ("same", "full", "valid")
BOUNDARIES = ("constant", "edge", "reflect", "symmetric", "wrap")


def filter_file(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A picture, a .wav sound or a .npy array.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="The file to write; its suffix is the format."),
    ],
    kernel: Annotated[str, typer.Option("--kernel", "-k", metavar="SPEC", help=f"{ACCEPTED}.")],
    boundary: Annotated[
        str, typer.Option(help=f"What lies beyond the border: {', '.join(BOUNDARIES)}.")
    ] = "reflect",
    mode: Annotated[str, typer.Option(help="Size of the result: same, full or valid.")] = "same",
    correlate: Annotated[bool, typer.Option("--correlate", help="Do not flip the kernel.")] = False,
    absolute: Annotated[
        bool, typer.Option("--abs", help="Keep the size of a response, drop its sign.")
    ] = False,
    offset: Annotated[float, typer.Option(help="Add this to every response; 128 makes signs visible.")] = 0.0,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the plan: methods, cost, promise.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; by default all that faltung has.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="Data type of a .npy result, such as float32.")] = None,
    axes: Annotated[str | None, typer.Option(help="Axes of a .npy array to filter, such as 0,1.")] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Filter a .npy file in at most so much memory: 500MB, 2GiB."),
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option(min=1, help="Accept pictures up to this many pixels, if you trust them.")
    ] = None,
) -> None:
    """Convolve a picture, a sound or an array with a kernel.

    Colour is filtered channel by channel, alpha is kept. Results that are whole numbers are rounded and cut
    to what the file holds. The file is written whole or not at all.
    """
    options = Options(
        mode=one_of("--mode", mode, MODES),
        boundary=boundary,
        correlate=correlate,
        absolute=absolute,
        offset=_finite(offset),
        workers=workers,
        memory_limit=None if memory_limit is None else parse_size(memory_limit),
    )
    _check_folder(output)
    samples = _read(source, _dtype(dtype), _axes(axes), max_pixels)
    samples.check_output(output.suffix.lower())
    if samples.values.size == 0:
        raise InputError(f"{source}: is empty; there is nothing to filter")
    spec = parse_kernel(kernel, len(samples.axes))
    if explain:
        from faltung.cli._explain import show_plan

        show_plan(samples, spec, options)
    if options.memory_limit is not None:
        if not isinstance(samples, Array):
            raise InputError("`--memory-limit` is for .npy files: pictures and sounds are read as a whole")
        filter_large(samples, spec, options, output, _report_cut)
        return
    result = filter_samples(samples, spec, options, _progress)
    with replacing(output) as file:
        samples.write(result.values, file, output.suffix.lower(), result.margins)
    _report_cut(result.cut_below, result.cut_above, result.values.size, samples)


def _read(
    path: Path, dtype: np.dtype[Any] | None, axes: tuple[int, ...] | None, max_pixels: int | None
) -> Samples:
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file")
    if path.suffix.lower() == ".npy":
        return read_array(path, dtype, axes)
    if axes is not None:
        raise InputError(
            "`--axes` is for .npy arrays: pictures are filtered along y and x, sounds along time"
        )
    if path.suffix.lower() in (".wav", ".wave"):
        from faltung.cli._audio import read_sound

        return read_sound(path, dtype)
    try:
        from faltung.cli._image import read_picture
    except ImportError as error:
        raise InputError(f'pictures need {error.name}; run: pip install "faltung[cli]"') from error
    return read_picture(path, dtype, max_pixels)


def _check_folder(output: Path) -> None:
    if output.is_dir():
        raise InputError(f"`-o` (={str(output)!r}) is a folder; name a file in it")
    if not output.parent.is_dir():
        raise InputError(f"`-o` (={str(output)!r}) is in a folder that does not exist; make it first")
    if output.exists() and not output.is_file():
        raise InputError(f"`-o` (={str(output)!r}) is not an ordinary file")


def _dtype(text: str | None) -> np.dtype[Any] | None:
    if text is None:
        return None
    names = ["bool", "complex64", "complex128", "float16", "float32", "float64"]
    names += [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    if text not in names:
        raise InputError(
            f"`--dtype` (={text!r}) must be a NumPy type such as float32 or uint8{near_match(text, names)}"
        )
    return np.dtype(text)


def _axes(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.replace(",", " ").split()) or _axes("none")
    except ValueError:
        raise InputError(f"`--axes` (={text!r}) must be whole numbers such as 0,1") from None


def _finite(offset: float) -> float:
    if not math.isfinite(offset):
        raise InputError(f"`--offset` (={offset}) must be a finite number")
    return offset


def _progress(blocks: list[Block]) -> Iterator[Block]:
    """Hand the blocks through, with a bar on a terminal when there is more than one."""
    if len(blocks) == 1 or not sys.stderr.isatty():
        yield from blocks
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(blocks, description="filtering", console=Console(stderr=True), transient=True)


def _report_cut(below: int, above: int, total: int, samples: Samples) -> None:
    """Say what share of the values did not fit, and what to do."""
    cut = below + above
    if not cut or samples.limits is None:
        return
    low, high = samples.limits
    keep = f"--offset {(high + 1) // 2} keeps signs visible" if low == 0 else "--offset shifts them"
    note(
        f"{share(cut, total)} of the values were cut to {low}..{high} "
        f"({share(below, total)} below, {share(above, total)} above); "
        f"--abs or {keep}, a .npy file with --dtype float32 keeps everything"
    )

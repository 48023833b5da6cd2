"""Block by block: arrays larger than memory, files, and calls that tell how far they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _describe
from ._blocks_cost import Costs, Layout
from ._blocks_cut import Box, Kernel, sizes, view
from ._blocks_files import File, mapping, new_file, new_file_path, open_array, overlap
from ._blocks_plan import Division, divide
from ._blocks_run import Runner
from ._dtype import is_integer
from ._errors import FaltungTypeError
from ._kinds import factors_of, is_path, to_array
from ._machine import get_num_threads
from ._missing import find_mask
from ._normalize import normalize_int
from ._operands import out_array, prepared
from ._recipe import Recipe, contiguous, recipe

Array: TypeAlias = NDArray[Any]
Progress: TypeAlias = Callable[[int, int], object]


def call_in_blocks(
    a: Any,
    k: Any,
    options: tuple[Any, ...],
    out: Any,
    mask: Any,
    memory_limit: int | None,
    progress: Progress | None,
) -> Any:
    """A call that keeps to a memory limit, tells its progress, or works on files."""
    if memory_limit is not None:
        memory_limit = normalize_int("memory_limit", memory_limit, 1)
    if progress is not None and not callable(progress):
        raise FaltungTypeError(
            f"`progress` (={progress!r}) must be callable as `progress(done, total)`; leave it out for none."
        )
    a = open_array("a", a) if is_path(a) else a
    mask = open_array("mask", mask) if is_path(mask) else mask
    samples, weak, restore = to_array("a", a, masked=True)
    missing = find_mask(a, mask, samples)
    taps, kernel_weak, _ = to_array("k", k)
    request, workers = _describe.described(samples, weak, taps, kernel_weak, options, missing is not None)
    how, kernel = recipe(request), Kernel(prepared(taps), factors_of(k))
    how.choose(kernel.taps, known=kernel.known)  # an error where the method asked for cannot compute this
    call = _Call(how, samples, kernel, missing, workers, memory_limit, progress)
    if is_path(out):
        y, weight = call.to_file(out)
    elif out is None:
        y, weight = call.to_new_array()
        y = restore(y)
    else:
        array = out_array(out, how)
        assert array is not None
        y, weight = out, call.to_array(array)
    return (y, restore(weight)) if weight is not None else y


class _Call:
    """A call whose arguments are checked; it is cut into boxes when it is known where they go."""

    def __init__(
        self,
        how: Recipe,
        samples: Array,
        kernel: Kernel,
        missing: Array | None,
        workers: int | None,
        limit: int | None,
        progress: Progress | None,
    ) -> None:
        self.how = how
        self.samples = samples
        self.kernel = kernel
        self.missing = missing
        self.workers = workers
        self.limit = limit
        self.progress = progress
        self.mapped = mapping(samples) if limit is not None else None

    def to_new_array(self) -> tuple[Array, Array | None]:
        """The result and the weights."""
        division = self._divided(self._new_layout(False))
        y = np.empty(self.how.out_shape, self.how.out_dtype)
        return y, self._run(division, y)

    def to_file(self, out: File) -> tuple[Array, Array | None]:
        """The same, the result in a file that appears when it is whole, mapped for reading."""
        path = new_file_path(out, self.how.out_dtype)
        division = self._divided(self._new_layout(self.limit is not None))
        with new_file(path, self.how.out_shape, self.how.out_dtype) as target:
            weight = self._run(division, target)
        return open_array("out", path), weight

    def to_array(self, out: Array) -> Array | None:
        """The weights; `out` stays as it is where an error can be foreseen."""
        if overlap(out, self.kernel.taps):
            self.kernel = self.kernel._replace(taps=self.kernel.taps.copy())
        operands = [self.samples] if self.missing is None else [self.samples, self.missing]
        if any(overlap(out, operand) for operand in operands):
            division = self._divided(_layout(out), out.nbytes)
            y = np.empty(self.how.out_shape, self.how.out_dtype)
            weight = self._run(division, y)
            out[...] = y
            return weight
        division = self._divided(_layout(out, self.limit is not None and mapping(out) is not None))
        if is_integer(self.how.out_dtype) and division.shape != self.how.out_shape:
            runner = self._runner(division)
            for box in division.boxes():
                runner.check(box, self._threads(division, box))
        done = 0

        def count(outputs: int, total: int) -> None:
            nonlocal done
            done = outputs
            if self.progress is not None:
                self.progress(outputs, total)

        try:
            return self._run(division, out, count)
        except BaseException as error:
            error.add_note(
                f"`out` is not whole: {done} of its {self.how.size} outputs are computed. With the path of a "
                ".npy file as `out` nothing is seen of a result before it is whole."
            )
            raise

    def _new_layout(self, mapped: bool) -> Layout:
        item = self.how.out_dtype.itemsize
        return Layout(contiguous(self.how.out_shape, item), item, mapped)

    def _divided(self, target: Layout, reserved: int = 0) -> Division:
        in_place = self.samples.dtype.isnative and self.samples.flags.aligned
        samples = _layout(self.samples, self.mapped is not None)._replace(in_place=bool(in_place))
        costs = Costs(self.how, self.kernel, samples, target, reserved)
        return divide(costs, self.limit, self.progress is not None)

    def _runner(self, division: Division) -> Runner:
        return Runner(division.costs.how, self.samples, self.kernel, self.missing, self.mapped)

    def _threads(self, division: Division, box: Box) -> int | None:
        """Those asked for, or fewer; None: the setting."""
        wanted = self.workers or get_num_threads()
        threads = division.threads(box, wanted)
        return self.workers if threads == wanted else threads

    def _run(self, division: Division, target: Array, progress: Progress | None = None) -> Array | None:
        """Fills `target`, box by box; the weights where they are asked for."""
        progress = progress or self.progress
        how, done, weights = self.how, 0, None
        runner = self._runner(division)
        if how.request.nan_policy == "raise" and division.shape != how.out_shape:
            runner.refuse_nan()
            runner.how = Recipe(replace(runner.how.request, nan_policy="propagate"))
        pages = mapping(target) if self.limit is not None else None
        for box in division.boxes() if how.size else ():
            part = view(target, box)
            if pages is not None:
                pages.prepare(part)
            _, weight = runner.box(box, part, self._threads(division, box))
            if weight is not None:
                weights = np.empty(how.out_shape, weight.dtype) if weights is None else weights
                weights[box] = weight
            if pages is not None:
                pages.release(part)
            done += prod(sizes(box))
            if progress is not None:
                progress(done, how.size)
        return weights


def _layout(array: Array, mapped: bool = False) -> Layout:
    in_place = array.flags.aligned and all(step % array.itemsize == 0 for step in array.strides)
    return Layout(array.strides, array.itemsize, mapped, bool(in_place))

"""What is around every run: operands made readable, results checked and given back, decisions kept.

`calls` holds decisions by raw arguments; a call that it knows runs without passing through Python again. It
is the first thing that `convolve`, `correlate` and a plan ask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import _core, _describe
from ._kinds import factors_of, is_path, to_array
from ._missing import find_mask, perform
from ._operands import out_array, prepared
from ._recipe import Recipe, recipe
from ._tuning import CACHED_CALLS
from ._ways import Choice

Array: TypeAlias = NDArray[Any]

forgetting: list[Callable[[], None]] = []  # what clears the caches of the floors above
calls = _core.CallCache(np.ndarray, np.empty, CACHED_CALLS)


def call(
    a: Any,
    k: Any,
    options: tuple[Any, ...],
    out: Any,
    mask: Any = None,
    memory_limit: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Any:
    """A call that `calls` does not know."""
    if memory_limit is not None or progress is not None or is_path(a) or is_path(out) or is_path(mask):
        from ._blocks import call_in_blocks  # a few milliseconds that few imports need

        return call_in_blocks(a, k, options, out, mask, memory_limit, progress)
    samples, weak, restore = to_array("a", a, masked=True)
    missing = find_mask(a, mask, samples)
    taps, kernel_weak, _ = to_array("k", k)
    request, workers = _describe.described(samples, weak, taps, kernel_weak, options, missing is not None)
    how = recipe(request)
    target = out_array(out, how)
    samples, kernel = prepared(samples), prepared(taps)
    choice = how.choose(kernel, known=factors_of(k))
    y, weight = perform(how, samples, kernel, missing, target, workers, choice)
    if samples is a and kernel is k:
        remember(a, k, options, out, how, workers)
    y = restore(y) if out is None else out
    return (y, restore(weight)) if weight is not None else y


def remember(
    a: Array,
    k: Array,
    options: tuple[Any, ...],
    out: Any,
    how: Recipe,
    workers: int | None,
    choice: Choice | None = None,
) -> None:
    """Later calls with arrays of this shape, strides and type run without passing through Python."""
    bound = how.bound(a, k, out, workers, choice)
    if bound is not None:
        calls.add(a, k, options, out, *bound)


def clear_cache() -> None:
    """Forget every cached decision; results do not change.

    Examples
    --------
    >>> import faltung as fl
    >>> fl.clear_cache()
    """
    calls.clear()
    recipe.cache_clear()
    _describe.forget()
    for forget in forgetting:
        forget()

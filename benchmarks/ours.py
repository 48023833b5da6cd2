"""faltung as a contestant: by its public function with and without ``out=``, and by a plan."""

from __future__ import annotations

from typing import Any

import numpy as np

from .contestant import Contestant, Prepared, Unsupported, module
from .problem import Problem


def ours(problem: Problem, threads: int, *, out: bool, plan: bool = False, touched: bool = False,
         method: str = "auto") -> Prepared:  # fmt: skip
    """faltung by its public function, or by a plan made beforehand; ``touched`` makes ``out`` resident."""
    fl = module("faltung")
    if not hasattr(fl, "convolve"):
        raise Unsupported("not built")
    options: dict[str, Any] = {}
    if problem.boundary != "constant":
        options["boundary"] = problem.boundary
    if problem.axes is not None:
        options["axes"] = problem.axes
    if problem.stride != 1:
        options["stride"] = problem.stride
    if problem.dilation != 1:
        options["dilation"] = problem.dilation
    if problem.precision is not None:
        options["precision"] = problem.precision
    if problem.missing:
        options["nan_policy"] = "omit"
    if method != "auto":
        options["method"] = method
    a, mode = problem.a, problem.mode
    k: Any = problem.k
    if problem.factors and not problem.whole:
        k = fl.kernels.Separable(*problem.factors)
    buffer = np.empty(problem.shape, problem.dtype) if out else None
    if buffer is not None and touched:
        buffer.fill(1)
    if plan:
        make = fl.plan_correlate if problem.correlate else fl.plan_convolve
        planned = make(a.shape, k, mode, dtype=a.dtype, workers=threads, **options)
        return Prepared(lambda: planned(a, out=buffer))
    if problem.result is not None:
        options |= {"dtype": problem.result, "overflow": "saturate"}
    if problem.memory_limit is not None:
        options["memory_limit"] = problem.memory_limit
    if buffer is not None:
        options["out"] = buffer
    run = fl.correlate if problem.correlate else fl.convolve
    return Prepared(lambda: run(a, k, mode, workers=threads, **options))


OURS = (
    Contestant("faltung", "faltung", lambda p, t: ours(p, t, out=False)),
    Contestant("faltung out=", "faltung", lambda p, t: ours(p, t, out=True), out=True),
)
OURS_PLAN = Contestant(
    "faltung plan, out=", "faltung", lambda p, t: ours(p, t, out=True, plan=True), out=True
)

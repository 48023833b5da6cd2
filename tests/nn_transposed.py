"""Transposed layers in tests: their data, and how a result is held to the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import faltung as fl
import reference_nn
from grids import draw
from nn_tools import Shape, allowance, assert_within, compare, fits, result_dtype, turned, turned_weights
from reference_nn import Sums

METHODS = ("gemm", "depthwise", "grouped", "planes", "reference")
DEFINITION = (
    "stride", "padding", "output_padding", "output_size", "dilation", "groups", "layout", "flip", "residual",
    "x_zero_point", "w_zero_point",
)  # fmt: skip


def layer(
    rng: np.random.Generator,
    dtype: Any,
    shape: Shape,
    sizes: tuple[int, ...],
    taps: tuple[int, ...],
    batch: int | None = 2,
    layout: str = "channels_first",
    spread: str = "small",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, w and b at random; ``batch`` None is unbatched."""
    x = turned(draw(rng, (1 if batch is None else batch, shape.inside, *sizes), dtype, spread), layout)
    w = turned_weights(draw(rng, (shape.inside, shape.outside // shape.groups, *taps), dtype, spread), layout)
    b = draw(rng, (shape.outside,), result_dtype(dtype), spread)
    return (x[0] if batch is None else x), w, b


def oracle(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, **options: Any) -> Sums:
    """The exact sums of a call."""
    named = {name: options[name] for name in DEFINITION if name in options}
    return reference_nn.conv_transpose(x, w, b, **named)


def residual_for(
    rng: np.random.Generator, x: np.ndarray, w: np.ndarray, spread: str = "small", **options: Any
) -> np.ndarray:
    """A residual of the output's shape, at random."""
    left_out = ("residual", "x_zero_point", "w_zero_point")
    named = {name: value for name, value in options.items() if name not in left_out}
    zeros = [np.zeros(v.shape, np.float64) for v in (x, w)]
    return draw(rng, oracle(*zeros, **named).shape, result_dtype(x.dtype), spread)


def check(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, *, want: Sums | None = None, **options: Any
) -> Any:
    """Run ``fl.nn.conv_transpose``; shape, dtype and every output by the definition. Returns the result."""
    want = want or oracle(x, w, b, **options)
    activation, overflow = options.get("activation"), options.get("overflow", "raise")
    dtype = result_dtype(x.dtype)
    if dtype.kind in "iu" and overflow == "raise" and not fits(want, dtype, activation):
        with pytest.raises(OverflowError):
            fl.nn.conv_transpose(x, w, b, **options)
        return None
    got = fl.nn.conv_transpose(x, w, b, **options)
    compare(got, want, dtype, activation, overflow)
    return got


def runs_by(method: str, x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, **options: Any) -> bool:
    """Check a call by a method that may refuse it; whether it ran."""
    try:
        check(x, w, b, method=method, **options)
    except fl.FaltungError as refusal:
        if f"`method` (={method!r})" not in str(refusal):
            raise
        return False
    return True


def by_every_method(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, **options: Any) -> list[str]:
    """Check the call as it is and by every method; which methods took it."""
    want = oracle(x, w, b, **options)
    check(x, w, b, want=want, **options)
    ran = [method for method in METHODS if runs_by(method, x, w, b, want=want, **options)]
    assert "reference" in ran
    return ran


def planned(x: np.ndarray, w: np.ndarray, b: np.ndarray | None, method: str, **options: Any) -> Any:
    """A plan by this method, or None where the method refuses."""
    try:
        plan = fl.nn.plan_conv_transpose(x.shape, w, b, dtype=x.dtype, method=method, **options)
    except fl.FaltungError as refusal:
        if f"`method` (={method!r})" not in str(refusal):
            raise
        return None
    assert method in ("auto", plan.method)
    return plan


def stays_within(
    x: np.ndarray, w: np.ndarray, b: np.ndarray | None, method: str, want: Sums, **options: Any
) -> bool:
    """Whether the method runs; then every output must lie within the promise and ``plan.error_bound``."""
    plan = planned(x, w, b, method, **options)
    if plan is None:
        return False
    got, activation = plan(x), options.get("activation")
    bound = np.broadcast_to(plan.error_bound(x), got.shape).astype(np.longdouble)
    assert_within(got, want, allowance(want, got.dtype, activation), activation)
    assert_within(got, want, bound, activation)
    return True

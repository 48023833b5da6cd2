"""faltung as a contestant of layers: a plan made beforehand, with ``out=``; for pairs also a plan each."""

from __future__ import annotations

from typing import Any

import numpy as np

from .contestant import Contestant, Prepared, Unsupported, module
from .layers_problem import Problem
from .problem import Array

NAME = "faltung"
TWO = "faltung, two plans"


def own_layout(p: Problem, weight: Array) -> Array:
    """Weights in the shape that the layout wants: (Cout, Cin/groups, *taps) or (*taps, Cin/groups, Cout)."""
    if not p.channels_last:
        return weight
    return np.ascontiguousarray(np.moveaxis(weight, (0, 1), (-1, -2)))


def nn() -> Any:
    """``faltung.nn``, if it is built."""
    return module("faltung.nn")


def options_of(p: Problem, threads: int) -> dict[str, Any]:
    """The arguments of the (first) convolution."""
    s = p.shape
    options: dict[str, Any] = {"layout": p.layout, "workers": threads}
    options |= {"stride": s.stride, "padding": s.padding, "dilation": s.dilation}
    if s.precision is not None:
        options["precision"] = s.precision
    return options


def plans(p: Problem, threads: int) -> list[Any]:
    """A plan for each convolution, with the activation that follows it."""
    s, make = p.shape, nn().plan_conv
    size = p.x_in.shape
    weights = [own_layout(p, w) for w in p.weights]
    first = make(size, weights[0], p.biases[0], dtype=p.x.dtype, groups=s.groups,
                 activation=s.between if s.then else s.after, **options_of(p, threads))  # fmt: skip
    if not s.then:
        return [first]
    middle = (size[0], *s.out, s.cout) if p.channels_last else (size[0], s.cout, *s.out)
    second = make(middle, weights[1], p.biases[1], dtype=p.x.dtype, activation=s.after, layout=p.layout,
                  workers=threads)  # fmt: skip
    return [first, second]


def planned(p: Problem, threads: int, fresh: bool = False) -> Prepared:
    """A plan's call; ``fresh``: without ``out=``."""
    x, out = p.x_in, None if fresh else np.ones(p.out_shape, p.x.dtype)
    if p.shape.then:
        return separable(p, threads, out)
    (plan,) = plans(p, threads)
    return Prepared(lambda: plan(x, out=out), p.first, plan.method)


def separable(p: Problem, threads: int, out: Array | None) -> Prepared:
    """A pair by one plan."""
    s, x = p.shape, p.x_in
    depthwise, pointwise = (own_layout(p, w) for w in p.weights)
    plan = nn().plan_separable_conv(x.shape, depthwise, pointwise, p.biases[1], dtype=p.x.dtype,
                                    mid_bias=p.biases[0], mid_activation=s.between, activation=s.after,
                                    **options_of(p, threads))  # fmt: skip
    return Prepared(lambda: plan(x, out=out), p.first, plan.method)


def one_by_one(p: Problem, threads: int, fresh: bool = False) -> Prepared:
    """The two convolutions of a pair, each with its plan and its own array between them."""
    if not p.shape.then:
        raise Unsupported("pairs only")
    first, second = plans(p, threads)
    x, out = p.x_in, None if fresh else np.ones(p.out_shape, p.x.dtype)
    middle = np.zeros_like(first(x))

    def call() -> object:
        first(x, out=middle)
        return second(middle, out=out)

    return Prepared(call, p.first)


OURS = (
    Contestant(NAME, "faltung", planned, out=True),
    Contestant(TWO, "faltung", one_by_one, out=True),
)

"""Valid calls over the whole option space, for hypothesis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from grids import BFLOAT16, BOUNDARIES, DTYPES, MODES, OPS, draw


@dataclass
class Call:
    """The arguments of one call."""

    op: str
    a: Any
    k: Any
    mode: str
    options: dict[str, Any]


LAYOUTS = {
    "C": lambda x: x,
    "Fortran": np.asfortranarray,
    "reversed": lambda x: x[::-1].copy()[::-1] if x.ndim else x,
    "every second": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "swapped": lambda x: x if x.dtype == BFLOAT16 else x.astype(x.dtype.newbyteorder("S")),
}


@st.composite
def calls(draw_from: st.DrawFn, max_ndim: int = 4) -> Call:
    """A call that must succeed, or overflow as integers do."""
    choose = lambda options: draw_from(st.sampled_from(options))  # noqa: E731
    number = lambda low, high: draw_from(st.integers(low, high))  # noqa: E731
    ndim = number(1, max_ndim)
    axes = tuple(draw_from(st.permutations(range(ndim)))[: number(1, ndim)])
    mode, op = choose(MODES), choose(OPS)
    aligned = ndim > len(axes) and draw_from(st.booleans())

    per_axis = {"stride": 3, "dilation": 3}
    steps = {name: [number(1, high) for _ in axes] for name, high in per_axis.items()}
    longest = {1: 70, 2: 24, 3: 7, 4: 5}[ndim]
    taps = [number(1, min(9, longest)) for _ in axes]
    least = [
        gap * (n - 1) + 1 if mode == "valid" else 1 for gap, n in zip(steps["dilation"], taps, strict=True)
    ]
    sizes = [number(low, max(low, longest)) for low in least]
    shape, kernel = [], []
    for d in range(ndim):
        if d in axes:
            shape.append(sizes[axes.index(d)])
            kernel.append(taps[axes.index(d)])
        else:
            n = number(0, 3)
            shape.append(choose([n, 1]) if aligned else n)
            kernel.append(n if shape[-1] == 1 or (aligned and draw_from(st.booleans())) else 1)
    if not aligned:
        kernel = [taps[i] for i in range(len(axes))]

    options: dict[str, Any] = {name: one_or_each(draw_from, values) for name, values in steps.items()}
    options["boundary"] = one_or_each(draw_from, [choose(BOUNDARIES) for _ in axes])
    if axes != tuple(range(ndim)) or aligned or draw_from(st.booleans()):
        options["axes"] = tuple(axis - ndim * number(0, 1) for axis in axes)
    if mode == "same" and draw_from(st.booleans()):
        options["anchor"] = tuple(number(0, n - 1) for n in taps)

    a_dtype, k_dtype = choose(pairs())
    spread = choose(["small", "small", "wide"])
    rng = np.random.default_rng(number(0, 2**32))
    a, k = draw(rng, tuple(shape), a_dtype, spread), draw(rng, tuple(kernel), k_dtype, spread)
    for x in (a, k):
        if x.dtype.kind in "fV" and x.size and number(0, 9) == 0:
            x.flat[number(0, x.size - 1)] = choose([np.inf, -np.inf, np.nan, 0, -0.0])
    a, k = LAYOUTS[choose(list(LAYOUTS))](a), LAYOUTS[choose(list(LAYOUTS))](k)
    if k.size and k_dtype != BFLOAT16 and draw_from(st.booleans()):
        k = k.tolist()
    options["fill_value"] = choose([0, 0, 1] if a_dtype.kind in "biu" else [0, 0, 1, -2.5, np.inf, np.nan])
    if draw_from(st.booleans()):
        options["dtype"] = choose(
            [t for t in DTYPES[1:] if t.kind == "c" or "c" not in a_dtype.kind + k_dtype.kind]
        )
    options["overflow"] = choose(["raise", "wrap", "saturate"])
    options["method"] = choose(["auto", "direct", "reference"])
    options["workers"] = choose([None, 1, 2])
    return Call(op, a, k, mode, options)


def one_or_each(draw_from: st.DrawFn, values: list[Any]) -> Any:
    """The first value for all axes, or one for each."""
    return draw_from(st.sampled_from([values[0], tuple(values)])) if len(set(values)) == 1 else tuple(values)


def pairs() -> list[tuple[np.dtype, np.dtype]]:
    """Pairs of dtypes that have a common one; twice as often two of a kind."""
    mixed = [(one, other) for one in DTYPES for other in DTYPES if one.kind != "V" and other.kind != "V"]
    signed = [p for p in mixed if not (np.uint64 in p and any(dtype.kind == "i" for dtype in p))]
    return signed + [(dtype, dtype) for dtype in DTYPES] * 15

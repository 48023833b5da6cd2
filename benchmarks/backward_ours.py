"""faltung backwards: a plan of the transposed convolution; gradients and the block by their functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .backward_peers import by_work
from .backward_problem import EPS, Task, joined
from .contestant import Contestant, Prepared, Unsupported
from .layers_ours import NAME, nn, own_layout
from .problem import Array


def asked(*names: str) -> Any:
    """What of ``faltung.nn`` has these names, one inside the other."""
    found = nn()
    for name in names:
        found = getattr(found, name, None)
        if found is None:
            raise Unsupported(f"faltung.nn has no {'.'.join(names)}")
    return found


def options_of(p: Task, threads: int) -> dict[str, Any]:
    """The arguments that all have."""
    s = p.work
    return {"stride": s.stride, "padding": s.padding, "dilation": s.dilation, "groups": s.groups,
            "layout": p.layout, "workers": threads}  # fmt: skip


def room(p: Task, fresh: bool) -> Array | None:
    """The array to write to."""
    return None if fresh else np.ones(p.out_shape, p.x.dtype)


def transposed(p: Task, threads: int, fresh: bool = False) -> Prepared:
    """A plan, made beforehand."""
    x, out, make = p.x_in, room(p, fresh), asked("plan_conv_transpose")
    plan = make(x.shape, own_layout(p, p.weights[0]), p.biases[0], dtype=x.dtype,
                output_padding=p.work.output_padding, **options_of(p, threads))  # fmt: skip
    return Prepared(lambda: plan(x, out=out), p.first, plan.method)


def gradient_of_input(p: Task, threads: int, fresh: bool = False) -> Prepared:
    """conv_input, which prepares its weights in every call."""
    g, out, run = p.x_in, room(p, fresh), asked("grad", "conv_input")
    w, options = own_layout(p, p.weights[0]), options_of(p, threads)
    return Prepared(lambda: run(p.out_shape, w, g, out=out, **options), p.first)


def gradient_of_weights(p: Task, threads: int, fresh: bool = False) -> Prepared:
    """conv_weight."""
    x, g, out, run = p.x_in, p.g_in, room(p, fresh), asked("grad", "conv_weight")
    options = options_of(p, threads)
    return Prepared(lambda: run(x, p.out_shape, g, out=out, **options), p.first)


def block(p: Task, threads: int, fresh: bool = False) -> Prepared:
    """conv_block_train, then grad.conv_block."""
    forward, backward, batch_norm = asked("conv_block_train"), asked("grad", "conv_block"), asked("BatchNorm")
    s, x, g, w = p.work, p.x_in, p.g_in, own_layout(p, p.weights[0])
    scale, bias = p.biases
    norm = batch_norm(scale, bias, np.zeros(s.cout, np.float32), np.ones(s.cout, np.float32), eps=EPS)
    options = options_of(p, threads) | {"batch_norm": norm, "activation": "relu"}

    def call() -> Any:
        y, saved = forward(x, w, **options)
        return y, backward(g, saved)

    def finish(found: Any) -> Array:
        y, grads = found
        parts = [y, grads.x, grads.w, grads.scale, grads.bias]
        if p.channels_last:
            parts[:2] = (np.moveaxis(part, -1, 1) for part in parts[:2])
            parts[2] = np.moveaxis(parts[2], (-1, -2), (0, 1))
        return joined(p, parts)

    return Prepared(call, finish)


OURS = (
    Contestant(NAME, "faltung", by_work({
        "transposed": transposed, "input": gradient_of_input, "weight": gradient_of_weights, "block": block,
    }), out=True),
)  # fmt: skip

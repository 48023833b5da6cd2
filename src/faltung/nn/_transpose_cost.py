"""The predicted time of a transposed layer by each method, from the same constants as that of a layer.

Residues of the output positions modulo the stride are layers of their own: rows of the result are as many
times shorter, and lines are woven from them while they are near.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from faltung import _core, _tuning

from ._cost import LANES, ceiling

if TYPE_CHECKING:
    from ._recipe import LayerRecipe


def seconds(how: LayerRecipe, method: str, compute: str) -> float:
    """Of one thread, with prepared weights."""
    item = 8 if compute == "f64" else 4
    r, spec = how.request, how.request.spec
    parts = 2 if r.complex else 1
    lanes = LANES[_core.isa()] // item
    samples, results = prod(r.in_shape) * item * parts, how.size * item * parts
    channels = spec.out_channels // spec.groups * parts
    row = max(1, spec.output_size[-1] // spec.stride[-1])
    last = r.layout == "channels_last"
    share = _tuning.LAYER_SHARE[method]
    call = _tuning.CALL_SECONDS + _tuning.LAYER_GEMM_SECONDS * min(prod(spec.stride), prod(spec.kernel_size))
    if method == "gemm":
        woven = channels * prod(spec.stride)  # residues may stand side by side
        share *= woven / (-(-woven // lanes) * lanes)
        if spec.groups > 1:
            share *= channels / (channels + _tuning.LAYER_GEMM_GROUPS)
        # In both layouts results pass through cache once more, and go out as whole lines.
        written, read = _tuning.LAYER_GEMM_BYTE["last"]
        moved = results * written + samples * read
    elif method == "grouped":
        share *= channels / (channels + _tuning.LAYER_GROUPED_REUSE) * row / (-(-row // lanes) * lanes)
        moved = (samples + results) * _tuning.LAYER_GROUPED_BYTE["last" if last else "first"]
    else:
        multiplier = max(1, spec.out_channels // spec.in_channels)
        share *= 1 if last and method == "depthwise" else 1 / multiplier
        near, short = _tuning.LAYER_DEPTHWISE_BYTE
        byte = near + short * (1 if last else min(1.0, _tuning.LAYER_SHORT_ROW / row))
        if method == "planes":
            byte += _tuning.LAYER_PLANES_TURN if last else 0
            call += r.batch * spec.out_channels * _tuning.LAYER_PLANE_SECONDS * prod(spec.stride)
        moved = (samples + results) * byte
    return call + 2 * how.products / (ceiling(compute) * share) + moved

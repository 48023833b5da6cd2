"""The spectral method of depthwise layers: every channel is an array with its own kernel, in blocks."""

from __future__ import annotations

from math import ceil, prod
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from faltung import _core, _tuning
from faltung._spectral import Work, choose_blocks

from ._cost import LANES

if TYPE_CHECKING:
    from ._recipe import LayerRecipe

Told: TypeAlias = tuple[tuple[int, ...], bool, bool, bool]

NOT_SPECTRAL: Told = ((), False, False, False)
_LANE_CHANNELS = 64  # of one unit of work along one axis; as the core has it


class Transforms(NamedTuple):
    """What the core is told (block, folded, local, keep), the type that transforms, the predicted time."""

    told: Told
    compute: str
    seconds: float


def transforms(how: LayerRecipe) -> Transforms | None:
    """The blocks of a layer; None where none fits in memory. float32 transforms only below "highest"."""
    request, spec = how.request, how.request.spec
    double = request.double or request.precision == "highest"
    item = 8 if double else 4
    together = min(spec.out_channels, _LANE_CHANNELS) if spec.rank == 1 else 1
    work = Work(
        outputs=tuple((n - 1) * s + 1 for n, s in zip(spec.output_size, spec.stride, strict=True)),
        reach=spec.receptive_field,
        batch=request.batch * together,
        channels=together if request.layout == "channels_last" else 1,
        item=item,
        pairs=True,
        lanes=LANES[_core.isa()] // item,
    )
    found = choose_blocks(work, max(_tuning.LEAST_SCRATCH, how.size * how.out_dtype.itemsize // 4))
    if found is None:
        return None
    told = (found.block, found.folded, double, False)
    units = ceil(spec.out_channels / together)
    each = found.seconds - _tuning.SPECTRAL_SECONDS + found.spectrum_seconds * together
    seconds = _tuning.CALL_SECONDS + _tuning.SPECTRAL_SECONDS + units * each * _tuning.LAYER_SPECTRAL
    if request.layout == "channels_last" and spec.rank > 1:  # planes whose samples lie apart
        moved = prod(request.in_shape) * request.dtype.itemsize + how.size * how.out_dtype.itemsize
        seconds += moved * _tuning.LAYER_SPECTRAL_TURN
    return Transforms(told, "f64" if double else "f32", seconds)

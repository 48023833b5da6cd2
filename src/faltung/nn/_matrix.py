"""The method "matrix": float32 on a matrix unit as sums of bfloat16 parts; how many, their error, their time.

    x = x1 + x2 + x3,  w = w1 + w2 + w3             each part the nearest bfloat16 to what is left: 24 bits
    highest   6 products, of 9                      what is left out is rounding
    high      3 products of 2 parts, of 4           2^-15 S more
    medium    1 product                             1.01 2^-7 S more

S is the sum of magnitudes of an output's terms. bfloat16 is its own part: one product keeps every promise.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from faltung import _tuning
from faltung._dtype import part

if TYPE_CHECKING:
    from ._recipe import LayerRecipe
    from ._request import LayerRequest

PRODUCTS = {"highest": 6, "high": 3, "medium": 1}
LOOSENESS = {6: 0.0, 3: 2.0**-15, 1: 1.01 * 2.0**-7}


def products(request: LayerRequest) -> int:
    """Tile products for every pair of operands."""
    return 1 if _whole(request) else PRODUCTS[request.precision]


def looseness(request: LayerRequest) -> float:
    """What a result may owe beyond the highest promise, as a share of S."""
    return 0.0 if _whole(request) else LOOSENESS[products(request)]


def _whole(request: LayerRequest) -> bool:
    """Whether the operands are their own first parts."""
    return part(request.dtype).name == part(request.weight_dtype).name == "bfloat16"


def seconds(how: LayerRecipe) -> float:
    """The predicted time on one thread, with prepared weights.

    Tiles are 32 positions, 32 terms and 16 output channels; what does not fill them is computed all the same.
    """
    request, spec = how.request, how.request.spec
    parts = products(request)
    channels, outputs = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    columns, stride, dilation = spec.kernel_size[-1], spec.stride[-1], spec.dilation[-1]
    folded = dilation == stride == 1 and channels % 32 != 0
    outer = prod(spec.kernel_size) // columns
    terms = outer * (_up(columns * channels, 32) if folded else columns * _up(channels, 32))
    *sheets, rows, row = (1, 1, *spec.output_size)
    if prod(spec.kernel_size) == 1 and set(spec.stride) == {1}:
        tiles = _up(prod(spec.output_size), 32)
    else:
        flowing = (rows - 1) * (row + (columns - 1) * dilation // stride) + row
        tiles = min(_up(flowing, 32), rows * _up(row, 16)) * prod(sheets)
    products_done = request.batch * spec.groups * tiles * terms * _up(outputs, 16)
    samples, results = prod(request.in_shape), how.size
    weights = spec.groups * terms * _up(outputs, 16) * 2 * {6: 3, 3: 2, 1: 1}[parts]
    far = max(weights - _tuning.LAYER_MATRIX_NEAR, 0) * _tuning.LAYER_MATRIX_FAR_BYTE
    read, written = _tuning.LAYER_MATRIX_NUMBER
    return (
        _tuning.CALL_SECONDS
        + _tuning.LAYER_MATRIX_SECONDS
        + 2 * products_done / _tuning.LAYER_MATRIX_RATE[parts]
        + samples * read
        + results * written
        + far
    )


def _up(n: int, d: int) -> int:
    return -(-n // d) * d

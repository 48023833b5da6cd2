"""The depthwise separable layer as one: two recipes, and the pass of the core that runs both.

Both weights of a pass are prepared together, with the bias between: to the core it is a layer.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import TypeAlias

from faltung import _tuning
from faltung._recipe import contiguous

from ._cost import pair_seconds
from ._recipe import CorePair, recipe
from ._request import LayerRequest
from ._ways import Refusal, Way, candidates

Strides: TypeAlias = tuple[int, ...]

FUSED = "fused"


class PairRecipe:
    """What `LayerRecipe` is to a layer."""

    def __init__(self, first: LayerRequest, second: LayerRequest) -> None:
        self.first, self.second = recipe(first), recipe(second)
        self.layer = lru_cache(maxsize=64)(self._layer)

    @property
    def asked(self) -> bool:
        """Whether a method was asked for."""
        return self.first.request.method != "auto"

    @cached_property
    def way(self) -> Way:
        """The faster of one pass and two layers; a method that is asked for is that of both layers."""
        if self.asked:
            return self.candidates[1]
        return min((way for way in self.candidates if isinstance(way, Way)), key=lambda way: way.seconds)

    @cached_property
    def candidates(self) -> tuple[Way | Refusal, Way]:
        """One pass, and two layers."""
        one, two = self.first.way, self.second.way
        return self._fused(), Way(f"{one.method}, {two.method}", two.compute, one.seconds + two.seconds)

    def _fused(self) -> Way | Refusal:
        if not (self.first.size and self.second.size):
            return Refusal(FUSED, "has nothing to compute")
        parts = []
        for how, method in ((self.first, "depthwise"), (self.second, "gemm")):
            part = next(way for way in candidates(how) if way.method == method)
            if isinstance(part, Refusal):
                return part._replace(method=FUSED)
            parts.append(part)
        try:
            self.usual()
        except ValueError as error:
            return Refusal(FUSED, str(error))
        seconds = pair_seconds(self.first, self.second, parts[0].seconds, parts[1].seconds)
        return Way(FUSED, self.second.compute, seconds)

    def _layer(
        self, x: Strides, depthwise: Strides, pointwise: Strides, out: Strides, residual: Strides | None
    ) -> CorePair:
        """The pass of the core for arrays with these strides in bytes.

        Raises
        ------
        ValueError
            The core has none for them; the message says why.
        """
        one, two = self.first, self.second
        middle = contiguous(one.out_shape, one.out_dtype.itemsize)
        return CorePair(
            one.layer(x, depthwise, middle, None, one.compute, "cast", "depthwise"),
            two.layer(middle, pointwise, out, residual, two.compute, "cast", "gemm"),
        )

    def usual(self, residual: bool = False) -> CorePair:
        """The pass for C-contiguous arrays."""
        one, two = self.first.request, self.second.request
        size = one.dtype.itemsize
        out = contiguous(two.out_shape, size)
        return self.layer(
            contiguous(one.in_shape, size), contiguous(one.weight_shape, size),
            contiguous(two.weight_shape, size), out, out if residual else None,
        )  # fmt: skip

    def threads(self, workers: int | None) -> tuple[int, bool]:
        """As of a layer."""
        return self.second.threads(workers, self.way)


@lru_cache(maxsize=_tuning.CACHED_CALLS)
def pair_recipe(first: LayerRequest, second: LayerRequest) -> PairRecipe:
    """The recipe of a pair, kept."""
    return PairRecipe(first, second)

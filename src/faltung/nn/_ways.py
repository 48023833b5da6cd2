"""The choice of method, in one place: what may run, what it costs, what is taken.

Which methods can run is the core's to say; the time of each is predicted from the request alone, so that the
choice, and with it every bit of a result, depends on neither strides nor threads nor data.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from faltung import _core, _tuning
from faltung._errors import FaltungValueError

from . import _transpose_cost
from ._cost import seconds
from ._transforms import NOT_SPECTRAL, Told, transforms

if TYPE_CHECKING:
    from ._recipe import LayerRecipe

METHODS = ("gemm", "depthwise", "grouped", "planes", "matrix", "spectral")
TRANSPOSED = METHODS[:-2]


class Way(NamedTuple):
    """A method, the type that computes by it, and its predicted time on one thread."""

    method: str
    compute: str
    seconds: float
    transform: Told = NOT_SPECTRAL


class Refusal(NamedTuple):
    """A method that cannot run this, and why."""

    method: str
    reason: str


def choose(how: LayerRecipe) -> Way:
    """The fastest way that keeps the promise, or the one that was asked for.

    Raises
    ------
    FaltungValueError
        The method asked for cannot compute this.
    """
    asked = how.request.method
    if asked == "reference" or not how.size:
        return reference(how)
    if asked != "auto":
        found = _candidate(how, asked)
        if isinstance(found, Refusal):
            raise FaltungValueError(
                f"`method` (={asked!r}) cannot run this layer: {found.reason}; use 'auto' or 'reference'."
            )
        return found
    return min((way for way in candidates(how) if isinstance(way, Way)), key=lambda way: way.seconds)


def fastest_sums(how: LayerRecipe) -> Way:
    """The fastest way whose errors stay with their sums: no transform carries them to other outputs."""
    ways = (way for way in candidates(how) if isinstance(way, Way) and way.method != "spectral")
    return min(ways, key=lambda way: way.seconds)


def candidates(how: LayerRecipe) -> tuple[Way | Refusal, ...]:
    """What every method would be."""
    methods = TRANSPOSED if how.request.spec.transposed else METHODS
    return *(_candidate(how, method) for method in methods), reference(how)


def reference(how: LayerRecipe) -> Way:
    """The definition."""
    return Way("reference", how.compute, _tuning.CALL_SECONDS + how.products / _tuning.REFERENCE_RATE)


def _candidate(how: LayerRecipe, method: str) -> Way | Refusal:
    return _spectral(how) if method == "spectral" else _direct(how, method)


def _spectral(how: LayerRecipe) -> Way | Refusal:
    if how.request.exact:
        return Refusal("spectral", "cannot promise integers exact")
    found = transforms(how)
    if found is None:
        return Refusal("spectral", "finds no block that fits in memory")
    way = Way("spectral", found.compute, found.seconds, found.told)
    try:
        how.usual(way)
    except ValueError as error:
        return Refusal("spectral", str(error))
    return way


def _direct(how: LayerRecipe, method: str) -> Way | Refusal:
    computes = (how.compute, "f64") if how.request.exact and how.compute == "f32" else (how.compute,)
    reason = ""
    for compute in computes:
        try:
            how.usual(Way(method, compute, 0.0))
        except ValueError as error:
            reason = reason or str(error)
        else:
            predicted = _transpose_cost.seconds if how.request.spec.transposed else seconds
            return Way(method, compute, predicted(how, method, compute))
    return Refusal(method, reason)


@lru_cache(maxsize=2)
def measured_ceiling(double: bool) -> float:
    """Operations a second of multiply-adds on one thread, measured here and now."""
    return _core.fma_ceiling(double, 0.05)

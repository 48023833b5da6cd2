"""What a plan of a layer tells: its candidates, why one was taken, and how that one runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from faltung._explain import Cells, Details, Explanation, time_cell

from . import _matrix, _ways
from ._cost import ceiling, traffic
from ._recipe import LayerRecipe
from ._ways import Refusal, Way


class LayerCandidate(NamedTuple):
    """One method: seconds of one thread, bytes beyond the arrays (None: it cannot run), promise, why."""

    method: str
    seconds: float | None
    measured: float | None
    extra_bytes: int | None
    promise: str
    reason: str
    chosen: bool

    @property
    def head(self) -> Cells:
        """The columns of a table of such candidates."""
        return "", "method", "predicted", "measured", "extra memory", "promise", "why"

    @property
    def cells(self) -> Cells:
        """One row of it."""
        return (
            "*" if self.chosen else "", self.method, time_cell(self.seconds), time_cell(self.measured),
            "-" if self.extra_bytes is None else in_bytes(self.extra_bytes), self.promise, self.reason,
        )  # fmt: skip


def explain(how: LayerRecipe, taken: Way, measured: Mapping[str, float] | None) -> Explanation:
    """The candidates for a recipe, what they cost and promise, and why one was taken."""
    rows = []
    for found in _ways.candidates(how):
        if isinstance(found, Refusal):
            rows.append(LayerCandidate(found.method, None, None, None, "", found.reason, False))
            continue
        seconds = measured.get(found.method) if measured else None
        chosen = found.method == taken.method
        reason = why(how, measured) if chosen else why_not(found, taken, measured)
        extra = extra_bytes(how, found)
        rows.append(
            LayerCandidate(
                found.method, found.seconds, seconds, extra, promise_of(how, found), reason, chosen
            )
        )
    return Explanation(title(how), tuple(rows), _details(how, taken, measured))


def title(how: LayerRecipe) -> str:
    """The layer in one line."""
    r, spec = how.request, how.request.spec
    name = "conv_transpose" if spec.transposed else "conv"
    words = [f"{name} {r.dtype} {r.in_shape} with {r.weight_dtype} {r.weight_shape}"]
    words[0] += f" -> {how.out_dtype} {how.out_shape}"
    if set(spec.stride) != {1}:
        words.append(f"stride {_short(spec.stride)}")
    if any(map(any, spec.padding)):
        words.append(f"padding {spec.padding}")
        words += [] if spec.transposed else [f"boundary {' '.join(dict.fromkeys(r.boundary))}"]
    if any(spec.output_padding):
        words.append(f"output padding {spec.output_padding}")
    if set(spec.dilation) != {1}:
        words.append(f"dilation {_short(spec.dilation)}")
    if spec.groups > 1:
        words.append(f"{spec.groups} groups")
    words += [word for word, given in (("flip", spec.flip), ("bias", spec.bias)) if given]
    if r.activation.name != "none":
        words.append(str(r.activation))
    return ", ".join([*words, r.layout])


def why(how: LayerRecipe, measured: Mapping[str, float] | None) -> str:
    """Why a way was taken."""
    if measured:
        return "measured fastest"
    if how.request.method != "auto":
        return f"`method={how.request.method!r}` was asked for"
    return "fastest that keeps the promise"


def why_not(way: Way, taken: Way, measured: Mapping[str, float] | None) -> str:
    """Why a way that can run was not taken."""
    seconds, best = way.seconds, taken.seconds
    if measured and way.method in measured:
        seconds, best = measured[way.method], measured[taken.method]
    factor = seconds / best
    return f"about {factor:.{0 if factor >= 9.95 else 1}f} times slower" if factor > 1 else "gains too little"


def promise_of(how: LayerRecipe, way: Way) -> str:
    """What a way promises, in short."""
    if how.request.exact:
        return "exact"
    if way.method == "spectral":
        double = how.request.double or how.request.precision == "highest"
        return "highest + 2^-44 X Σ|w|" if double else "high"
    if way.method == "matrix" and _matrix.looseness(how.request):
        return how.request.precision
    return "highest"


def extra_bytes(how: LayerRecipe, way: Way) -> int:
    """Prepared weights, what a call shares, and what one thread needs."""
    told = how.summary(way)
    return told["weight_bytes"] + told["shared_bytes"] + told["scratch_bytes"] if told else 0


def _details(how: LayerRecipe, taken: Way, measured: Mapping[str, float] | None) -> Details:
    """How the way that was taken runs."""
    told = how.summary(taken)
    if told is None:
        return ()
    moved = traffic(how)
    operations = 2 * how.products
    details: Details = (
        ("multiply-adds", f"{how.products:,}"),
        ("bytes moved", f"{moved:,}: {operations / moved:.3g} operations a byte"),
    )
    if taken.method == "reference":
        return details
    positions, channels = told["tile"]
    inputs = "packed strip by strip into cache" if told["packs_input"] else "read in place"
    outputs = ", tiles are turned at the store" if told["turns_output"] else ""
    parts = "1 part" if told["splits"] == 1 else f"{told['splits']} parts, added as a fixed tree"
    peak = ceiling(taken.compute)
    shares = f"{operations / taken.seconds / peak:.0%} of {peak / 1e9:.0f} GFLOP/s a thread, predicted"
    if measured and taken.method in measured:
        rate, real = operations / measured[taken.method], _ways.measured_ceiling(taken.compute == "f64")
        shares += (
            f"; {rate / 1e9:.1f} GFLOP/s measured, {rate / real:.0%} of the {real / 1e9:.0f} of one thread"
        )
    return (
        ("microkernel", told["kernel"]),
        ("register tile", f"{positions} positions x {channels} channels"),
        ("unit of work", f"{told['strip']} output rows, {told['units']} units"),
        ("sums", f"chains of at most {told['chunk']} terms, {parts}"),
        ("input", inputs + outputs),
        ("weights", f"{in_bytes(told['weight_bytes'])} prepared"),
        ("share of the ceiling", shares),
        *details,
    )


def _short(steps: tuple[int, ...]) -> str:
    return str(steps[0]) if len(set(steps)) == 1 else str(steps)


def in_bytes(n: int) -> str:
    """A size of memory."""
    return f"{n / 1024:.0f} KiB" if n >= 1024 else f"{n} bytes"

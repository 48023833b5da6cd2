"""What a plan of a depthwise separable layer tells: one pass or two layers, why, and how that runs."""

from __future__ import annotations

from collections.abc import Mapping

from faltung._explain import Details, Explanation

from ._cost import ceiling, traffic
from ._explain import LayerCandidate, extra_bytes, in_bytes, promise_of, title, why, why_not
from ._explain import explain as explain_layer
from ._pair import FUSED, PairRecipe
from ._ways import Refusal, Way


def explain(how: PairRecipe, taken: Way, measured: Mapping[str, float] | None) -> Explanation:
    """The candidates for a pair, what they cost and promise, and why one was taken."""
    rows = []
    for found in how.candidates:
        if isinstance(found, Refusal):
            rows.append(LayerCandidate(found.method, None, None, None, "", found.reason, False))
            continue
        chosen = found.method == taken.method
        seconds = measured.get(found.method) if measured else None
        if chosen:
            reason = why(how.first, measured)
        elif how.asked and seconds is None:
            reason = f"`method={how.first.request.method!r}` was asked for both layers"
        else:
            reason = why_not(found, taken, measured)
        rows.append(
            LayerCandidate(
                found.method, found.seconds, seconds, _extra(how, found), _promise(how, found), reason, chosen
            )
        )  # fmt: skip
    details = _of_pass(how, taken) if taken.method == FUSED else _of_layers(how)
    return Explanation(pair_title(how), tuple(rows), (*details, *_work(how, taken, measured)))


def pair_title(how: PairRecipe) -> str:
    """The pair in one line."""
    return f"{title(how.first)}; then {title(how.second)}"


def _extra(how: PairRecipe, way: Way) -> int:
    """Prepared weights, what a call shares, and what one thread needs."""
    if way.method == FUSED:
        told = how.usual().summary()
        return told["weight_bytes"] + told["shared_bytes"] + told["scratch_bytes"]
    middle = how.first.size * how.first.out_dtype.itemsize
    return middle + sum(extra_bytes(layer, layer.way) for layer in (how.first, how.second))


def _promise(how: PairRecipe, way: Way) -> str:
    if way.method == FUSED:
        return "highest"
    promises = dict.fromkeys(promise_of(layer, layer.way) for layer in (how.first, how.second))
    return ", then ".join(promises)


def _of_pass(how: PairRecipe, way: Way) -> Details:
    told = how.usual().summary()
    positions, channels = told["tile"]
    return (
        ("microkernels", told["kernel"]),
        ("register tile", f"{positions} positions x {channels} channels"),
        ("unit of work", f"{told['strip']} output rows, {told['units']} units; what lies between stays near"),
        ("sums", f"chains of at most {told['chunk']} terms"),
        ("weights", f"{in_bytes(told['weight_bytes'])} prepared"),
    )


def _of_layers(how: PairRecipe) -> Details:
    """Of each layer, by itself."""
    both = (("depthwise", how.first), ("pointwise", how.second))
    return tuple(
        (f"{name}: {word}", text)
        for name, layer in both
        for word, text in explain_layer(layer, layer.way, None).details
        if word in ("microkernel", "register tile", "unit of work", "sums", "input", "weights")
    )


def _work(how: PairRecipe, way: Way, measured: Mapping[str, float] | None) -> Details:
    products = how.first.products + how.second.products
    middle = how.first.size * how.first.out_dtype.itemsize
    moved = traffic(how.first) + traffic(how.second) - (2 * middle if way.method == FUSED else 0)
    peak = ceiling(way.compute)
    share = f"{2 * products / way.seconds / peak:.0%} of {peak / 1e9:.0f} GFLOP/s a thread, predicted"
    if measured and way.method in measured:
        share += f"; {2 * products / measured[way.method] / 1e9:.1f} GFLOP/s measured"
    return (
        ("share of the ceiling", share),
        ("multiply-adds", f"{products:,}"),
        ("bytes moved", f"{moved:,}: {2 * products / max(moved, 1):.3g} operations a byte"),
    )

"""How often auto picks the fastest method of a layer: ``python -m benchmarks.layers_picks``.

Every single layer of `layers_rows` in both layouts runs by every method that can, in turn, on one thread; the
pick of ``method="auto"`` is compared with the fastest, and every prediction with its time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import faltung as fl

from .layers_ours import options_of, own_layout
from .layers_problem import LAYOUTS, problem
from .layers_rows import ROWS, Row
from .picks import NEAR, turns

METHODS = ("gemm", "depthwise", "grouped", "planes", "spectral")


class Pick(NamedTuple):
    """What was measured: the seconds of every method that can run, and the pick."""

    title: str
    seconds: dict[str, float]
    predicted: dict[str, float]
    pick: str

    @property
    def cost(self) -> float:
        """Time by the pick over the best time."""
        return self.seconds[self.pick] / min(self.seconds.values())


def measure(row: Row, layout: str, budget: float) -> Pick:
    """Every method that can run, taking turns; the fastest time of each."""
    p = problem(row.shape).turned(layout)
    options = {"dtype": p.x.dtype, "groups": row.shape.groups, **options_of(p, 1)}
    weights, bias = own_layout(p, p.weights[0]), p.biases[0]
    plan = fl.nn.plan_conv(p.x_in.shape, weights, bias, **options)
    predicted = {c.method: c.seconds for c in plan.explain().candidates if c.method in METHODS and c.seconds}
    out = np.empty(plan.shape, plan.dtype)
    calls: dict[str, Callable[[], object]] = {}
    for method in predicted:
        forced = fl.nn.plan_conv(p.x_in.shape, weights, bias, method=method, **options)
        calls[method] = lambda forced=forced: forced(p.x_in, out=out)  # type: ignore[misc]
    return Pick(f"{row.name} {layout}", turns(calls, budget), predicted, plan.method)


def report(picks: list[Pick]) -> str:
    """Shares, the mean cost, and the picks that cost more."""
    costs = np.array([pick.cost for pick in picks])
    lines = [
        f"{len(picks)} layers: the fastest method is picked in {np.mean(costs == 1):.0%}, one within "
        f"{NEAR - 1:.0%} of it in {np.mean(costs <= NEAR):.1%}; a pick costs {costs.mean() - 1:.1%} on "
        f"average, {costs.max():.2f} times the best at worst."
    ]
    for pick in sorted(picks, key=lambda pick: -pick.cost):
        if pick.cost > NEAR:
            told = ", ".join(
                f"{m} {t * 1e6:.0f} us (predicted {pick.predicted[m] * 1e6:.0f})"
                for m, t in sorted(pick.seconds.items(), key=lambda item: item[1])
            )
            lines.append(f"{pick.cost:5.2f}  {pick.title}: picks {pick.pick}; {told}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers_picks", description=(__doc__ or "")[:80]
    )
    parser.add_argument("--budget", type=float, default=0.1, help="seconds a layer")
    parser.add_argument("--every", type=int, default=1, help="only every n-th layer")
    options = parser.parse_args(arguments)
    rows = [row for row in ROWS if not row.shape.then]
    picks = [measure(row, layout, options.budget) for row in rows[:: options.every] for layout in LAYOUTS]
    print(report(picks))
    return 0


if __name__ == "__main__":
    sys.exit(main())

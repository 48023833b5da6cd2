"""What a benchmark of layers consists of; `layers.main` runs one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .contestant import Contestant
from .layers_ours import OURS
from .layers_peers import PEERS
from .layers_problem import Problem, problem, reference
from .layers_rows import CLASSES, ROWS, Class, Row
from .layers_shape import Shape
from .reference import Reference


@dataclass(frozen=True, eq=False)
class Suite:
    """``python -m benchmarks.NAME``: rows, figures of their classes, contestants, questions and answers."""

    name: str
    rows: tuple[Row, ...]
    classes: Mapping[str, Class]
    contestants: tuple[Contestant, ...]
    problem: Callable[[Shape], Problem]
    reference: Callable[[Problem], Reference]


LAYERS = Suite("layers", ROWS, CLASSES, OURS + PEERS, problem, reference)

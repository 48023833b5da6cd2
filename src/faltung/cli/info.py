"""``faltung info``: what this installation is and what it runs on."""

from __future__ import annotations

import json
import platform
from typing import Annotated, Any

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

import faltung as fl


def show_info(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the version, the processor and what faltung uses of it."""
    facts = gather()
    if as_json:
        underscored = {name.replace(" ", "_"): value for name, value in facts.items()}
        typer.echo(json.dumps(underscored, indent=2))
        return
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in facts.items():
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        table.add_row(name, text)
    Console(highlight=False).print(table)


def gather() -> dict[str, Any]:
    """Return what `faltung.show_config` shows, and the versions of NumPy and Python.

    Examples
    --------
    >>> list(gather())[:3]
    ['faltung', 'machine', 'instruction set']
    """
    versions = {"numpy": np.__version__, "python": platform.python_version()}
    return {**fl.show_config("dict"), **versions}

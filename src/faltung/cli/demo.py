"""``faltung demo``: filter a real photograph, check every answer, and write a page that shows it."""

from __future__ import annotations

import datetime
import sys
import webbrowser
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faltung.cli._atomic import replacing
from faltung.cli._messages import InputError, complain, duration

if TYPE_CHECKING:
    from faltung.cli._demo.measure import Measured


def run_demo(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="The folder for index.html; made if missing."),
    ] = Path("faltung-demo"),
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Filter a photograph, check every answer against SciPy, and write it all into one page.

    The exit status is 1 when an answer is wrong.
    """
    for package in ("PIL", "matplotlib", "skimage"):
        if find_spec(package) is None:
            raise InputError(f'the demo needs {package}; run: pip install "faltung[demo]"')
    if output.exists() and not output.is_dir():
        raise InputError(f"`-o` (={str(output)!r}) is a file; name a folder")
    from faltung.cli._demo.measure import WrongAnswerError

    try:
        page, results = _compute()
    except WrongAnswerError as error:
        complain(f"wrong answer: {error}")
        raise typer.Exit(1) from error
    output.mkdir(parents=True, exist_ok=True)
    path = output / "index.html"
    with replacing(path) as file:
        file.write(page.encode())
    _print_summary(results, path)
    if show:
        webbrowser.open(path.resolve().as_uri())


def _compute() -> tuple[str, list[Measured]]:
    """Return the page and what it shows."""
    import scipy
    from rich.console import Console
    from rich.progress import track

    from faltung.cli._demo import measure, notes, page, steps
    from faltung.cli._image import read_picture
    from faltung.cli.info import gather

    spec = find_spec("skimage")
    assert spec is not None and spec.submodule_search_locations is not None
    photo = read_picture(Path(spec.submodule_search_locations[0]) / "data" / "coffee.png", None, None).values
    inputs = steps.make_inputs(photo)
    example = notes.worked_example()
    todo = steps.make_steps(inputs)
    console = Console(stderr=True)
    results = [
        measure.measure(step)
        for step in track(todo, "measuring", console=console, transient=True, disable=not sys.stderr.isatty())
    ]
    content = page.Content(
        inputs=inputs,
        measured={item.step.key: item for item in results},
        notes=example,
        facts={**gather(), "scipy": scipy.__version__},
        today=f"{datetime.date.today():%-d %B %Y}",
    )
    return page.render(content), results


def _print_summary(results: list[Measured], path: Path) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from faltung.cli._demo.page import ratio

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("step", no_wrap=True, min_width=18)
    for name, width in (("faltung", 7), ("SciPy", 7), ("ratio", 5), ("error", 5)):
        style = "bold" if name == "ratio" else None
        table.add_column(name, justify="right", style=style, no_wrap=True, min_width=width)
    table.add_column("SciPy's fastest way", style="dim", no_wrap=True, overflow="ellipsis")
    for item in results:
        share = "exact" if item.step.size is None else f"{100 * item.share_of_bound:.1f} %"
        table.add_row(
            item.step.title, duration(item.ours), duration(item.theirs), ratio(item), share, item.peer
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(
        "Ratio: SciPy's time over faltung's. Error: the largest, as a share of the promise.", soft_wrap=True
    )
    console.print(f"All answers agree with SciPy. The page: [bold]{path}[/bold]", soft_wrap=True)

"""The typer application, and the one place where an error becomes a line and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

import faltung as fl
from faltung.cli._messages import complain
from faltung.cli.demo import run_demo
from faltung.cli.filter import filter_file
from faltung.cli.info import show_info

app = typer.Typer(
    name="faltung",
    help="Convolve pictures, sounds and arrays.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("filter", no_args_is_help=True)(filter_file)
app.command("info")(show_info)
app.command("demo")(run_demo)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"faltung {fl.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", callback=_show_version, is_eager=True
    ),
) -> None:
    """Convolve pictures, sounds and arrays."""


def run(arguments: Sequence[str]) -> int:
    """Run the command with `arguments` and return the exit status."""
    try:
        status = app(args=list(arguments), prog_name="faltung", standalone_mode=False)
        sys.stdout.flush()
        if status == 130:  # typer has met Ctrl-C first
            complain("stopped")
    except KeyboardInterrupt:
        complain("stopped")
        return 130
    except typer.Abort:
        complain("stopped")
        return 130
    except BrokenPipeError:  # `faltung info | head -1`: the reader has gone, nothing is wrong
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except fl.FaltungError as error:
        complain(str(error))
        return 2
    except OSError as error:
        complain(_os_error(error))
        return 2
    except MemoryError as error:
        complain(f"not enough memory: {str(error) or 'the input is too large'}; filter it in parts")
        return 2
    except Exception as error:
        # typer's own errors: an unknown option, a missing value, a word out of a list
        describe = getattr(error, "format_message", None)
        if describe is None:
            raise
        if message := (describe() or "").strip():  # empty when the help has been shown instead
            complain(f"{message.rstrip('.')}; see: faltung --help")
        return 2
    return status if isinstance(status, int) else 0


def _os_error(error: OSError) -> str:
    if error.filename is None:
        return str(error)
    return f"{os.fspath(error.filename)!s}: {error.strerror or error}"

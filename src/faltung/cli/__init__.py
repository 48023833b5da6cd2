"""The command ``faltung``: one command a file, over the public face of the library.

Whatever is wrong with the input ends as one line on standard error and exit status 2, with nothing written.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``faltung`` and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``faltung``; those of the process by default.

    Returns
    -------
    int
        0 for success, 1 when the demo finds a wrong answer, 2 for wrong input, 130 after Ctrl-C.

    Examples
    --------
    >>> main(["filter", "missing.png", "-o", "out.png", "--kernel", "box:3"])
    2
    """
    try:
        from faltung.cli._app import run
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in {"typer", "rich", "click"}:
            raise
        print(f'faltung: the command needs {package}; run: pip install "faltung[cli]"', file=sys.stderr)
        return 2
    return run(sys.argv[1:] if argv is None else argv)

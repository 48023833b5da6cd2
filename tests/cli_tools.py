"""What the tests of the command share: run it, and expect a refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest


class Run(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


Command = Callable[..., Run]


def refused(run: Run, *words: str) -> None:
    """Expect one line on standard error that says all `words`, exit status 2, nothing on standard output."""
    assert run.status == 2
    assert run.out == ""
    assert run.err.startswith("faltung: ")
    assert run.err.count("\n") == 1
    for word in words:
        assert word in run.err


@pytest.fixture(name="faltung")
def fixture_faltung(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run the command in an empty folder of its own."""
    pytest.importorskip("typer", reason="the command is in the extra [cli]")
    pytest.importorskip("PIL", reason="the command is in the extra [cli]")
    from faltung.cli import main

    monkeypatch.chdir(tmp_path)

    def command(*words: str | Path) -> Run:
        capfd.readouterr()
        status = main([str(word) for word in words])
        return Run(status, *capfd.readouterr())

    return command

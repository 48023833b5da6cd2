"""What every test shares: peers, the forced instruction set, hypothesis' seeds, and what ``--full`` adds.

``make test`` runs fixed seeds and small covers of the grids. ``--full`` (``make test-all``) adds what is
marked ``full`` and more examples. ``FALTUNG_REQUIRE_PEERS=1`` turns the skip for a missing peer into
a failure.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import warnings
from types import ModuleType
from typing import Any

import hypothesis
import pytest

hypothesis.settings.register_profile(
    "fixed",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "full", hypothesis.settings.get_profile("fixed"), derandomize=False, max_examples=2000, print_blob=True
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also what is marked full, and more random examples")


def pytest_configure(config: pytest.Config) -> None:
    if not config.getoption("--hypothesis-profile", None):
        hypothesis.settings.load_profile("full" if config.getoption("--full") else "fixed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    dropped = [item for item in items if item.get_closest_marker("full")]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if not item.get_closest_marker("full")]


def peer(name: str) -> ModuleType:
    """The module `name` of a package that faltung is compared with; where it is missing, the test is skipped.

    A peer that is installed but cannot be imported is an error, never a skip; so is a missing one under
    ``FALTUNG_REQUIRE_PEERS=1``. For a test or the top of a test module: ``from conftest import peer``.
    """
    if importlib.util.find_spec(name.partition(".")[0]) is None:
        message = f"the peer {name} is not installed (make peers)"
        if os.environ.get("FALTUNG_REQUIRE_PEERS") == "1":
            pytest.fail(f"{message}, and FALTUNG_REQUIRE_PEERS=1", pytrace=False)
        pytest.skip(message, allow_module_level=True)
    with warnings.catch_warnings():  # a peer's own deprecations are not ours
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def pytest_report_header(config: pytest.Config) -> str:
    import faltung._core

    how = "forced by FALTUNG_ISA" if os.environ.get("FALTUNG_ISA") else "the best available"
    return f"faltung: instruction set {faltung._core.isa()}, {how}"


@pytest.fixture(scope="session", autouse=True)
def _forced_isa_runs(record_testsuite_property: Any) -> None:
    """A run that asks for one instruction set and silently tests another proves nothing."""
    import faltung._core

    runs, forced = faltung._core.isa(), os.environ.get("FALTUNG_ISA")
    record_testsuite_property("isa", runs)
    assert not forced or runs == forced, f"FALTUNG_ISA={forced}, but {runs} runs"


@pytest.fixture
def plain_environment() -> dict[str, str]:
    """The environment without faltung's variables, for subprocesses that look at the defaults."""
    return {key: value for key, value in os.environ.items() if not key.startswith("FALTUNG_")}

"""What the command says on standard error: always one line, always ``faltung: ...``."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable

import faltung as fl


class InputError(fl.FaltungError, ValueError):
    """A file or an option that the command cannot work with; the message says what to do."""


def complain(message: str) -> None:
    r"""Print `message` on standard error as one line.

    >>> import contextlib
    >>> with contextlib.redirect_stderr(sys.stdout):
    ...     complain("two words,\n   one line")
    faltung: two words, one line
    """
    print("faltung:", " ".join(message.split()), file=sys.stderr)


note = complain


def near_match(word: str, accepted: Iterable[str]) -> str:
    """Return ``"; did you mean X?"`` when an accepted word is close to `word`, else an empty string.

    >>> near_match("gausian", ["gaussian", "box"])
    '; did you mean gaussian?'
    >>> near_match("zzz", ["gaussian", "box"])
    ''
    """
    matches = difflib.get_close_matches(word.lower(), list(accepted), n=1, cutoff=0.6)
    return f"; did you mean {matches[0]}?" if matches else ""


def one_of(option: str, word: str, accepted: Iterable[str]) -> str:
    """Return `word` when it is among `accepted`, else raise an error that lists them.

    >>> one_of("--mode", "sam", ["full", "same", "valid"])
    Traceback (most recent call last):
        ...
    faltung.cli._messages.InputError: `--mode` is 'sam' but must be full, same or valid; did you mean same?
    """
    words = list(accepted)
    if word in words:
        return word
    listed = f"{', '.join(words[:-1])} or {words[-1]}"
    raise InputError(f"`{option}` is {word!r} but must be {listed}{near_match(word, words)}")


def duration(seconds: float) -> str:
    """Return a time with three digits and its unit.

    >>> duration(0.0012345), duration(4.56e-6), duration(2.0)
    ('1.23 ms', '4.56 µs', '2.00 s')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{_three(seconds / size)} {unit}"
    return f"{_three(seconds * 1e6)} µs"


def _three(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def share(count: int, total: int) -> str:
    """Return a percentage that is never shown as 0 or as 100 unless it is.

    >>> share(0, 10), share(1, 10**6), share(123, 1000), share(999_999, 10**6)
    ('0 %', '<0.01 %', '12.3 %', '>99.9 %')
    """
    percent = 100 * count / total
    if count in (0, total):
        return f"{percent:.0f} %"
    if percent < 0.01:
        return "<0.01 %"
    return ">99.9 %" if percent > 99.9 else f"{percent:.2g} %" if percent < 10 else f"{percent:.1f} %"

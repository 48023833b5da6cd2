"""The exceptions that faltung raises, and the one helper that adds shapes to a message.

Every message names the argument in backticks, its value, the rule it broke and the fix. Each class is also
the built-in that fits (`ValueError`, `TypeError`, `OverflowError`, `ImportError`): callers may catch either.
"""

from __future__ import annotations


class FaltungError(Exception):
    """The base of every exception that faltung raises on purpose.

    Examples
    --------
    >>> import faltung as fl
    >>> try:
    ...     fl.ConvSpec(input_size=8, kernel_size=3, stride=0)
    ... except fl.FaltungError as error:
    ...     print(error)
    `stride` (=0) must be at least 1; pass an int or one int an axis.
    """


class FaltungValueError(FaltungError, ValueError):
    """An argument of the right type has a value that cannot work."""


class FaltungTypeError(FaltungError, TypeError):
    """An argument, or a combination of data types, is of the wrong kind."""


class FaltungOverflowError(FaltungError, OverflowError):
    """An exact integer result does not fit the data type of the result."""


class MissingExtra(FaltungError, ImportError):
    """A feature needs a package that only an optional extra installs.

    Parameters
    ----------
    feature : str
        What was asked for, as the user would write it.
    extra : str
        The extra of this package that brings what is missing.

    Examples
    --------
    >>> print(MissingExtra("`faltung filter`", "cli"))
    `faltung filter` needs the extra `cli`, which is not installed; run: pip install 'faltung[cli]'
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(feature, extra)
        self.feature = feature
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"{self.feature} needs the extra `{self.extra}`, which is not installed; "
            f"run: pip install 'faltung[{self.extra}]'"
        )


def with_shapes(message: str, **shapes: tuple[int, ...]) -> str:
    """Append the shapes of the arrays that an error is about.

    Parameters
    ----------
    message : str
        The complete message, without shapes.
    **shapes : tuple of int
        One shape under the name that the user gave the array.

    Returns
    -------
    str
        The message followed by the shapes in parentheses.

    Examples
    --------
    >>> with_shapes("`k` has more axes than `a`.", a=(3, 4), k=(5,))
    '`k` has more axes than `a`. (a: (3, 4), k: (5,))'
    """
    if not shapes:
        return message
    listed = ", ".join(f"{name}: {tuple(shape)}" for name, shape in shapes.items())
    return f"{message} ({listed})"

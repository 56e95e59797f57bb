"""The errors of the package, one family, grouped by what a caller can do about them."""

from __future__ import annotations


class RBGPError(Exception):
    """The base of every error that this package raises on purpose."""


class ArgumentError(RBGPError, ValueError):
    """An argument has a value that the function does not accept."""


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument has a type that the function does not accept."""


class InfeasibleError(RBGPError, ValueError):
    """No object with the requested parameters exists, or none can be built here.

    The message says why and names the nearest parameters that work.
    """


class FormatError(RBGPError, ValueError):
    """A file, a byte string or a recipe is not what it claims to be."""


class BackendError(RBGPError, RuntimeError):
    """A backend cannot run the product that was asked of it."""


class MissingDependencyError(RBGPError, ImportError):
    """An optional package is missing; the message holds the command that installs it."""

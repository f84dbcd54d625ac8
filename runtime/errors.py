"""The one exception that is meant for the person at the keyboard."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can put right; its text is one line that says what is wrong and what to do.

    The command line prints it as ``error: ...`` and exits with status 1.
    """


class BundleError(UserError):
    """A bundle that is incomplete, damaged, of another schema, or that points outside itself."""

"""Exit codes, and the error that ends a command with 64."""

from typing import Final

from firedrill.api.verdict import Verdict

EXIT_INVALID: Final = 64
EXIT_ERROR: Final = 3
EXIT_INTERRUPTED: Final = 130
EXIT_OF: Final = {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.INCONCLUSIVE: 2, Verdict.ERROR: EXIT_ERROR}


class UsageError(Exception):
    """What was given can not be used: arguments, files, documents. Each line of the message is one problem."""

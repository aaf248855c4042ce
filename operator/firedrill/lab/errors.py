"""What goes wrong with a lab, in words that say what to do next."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot go on. The message names the cause and what the person at the keyboard can do."""

"""Decisions: pure functions over typed values, with the time given to them."""

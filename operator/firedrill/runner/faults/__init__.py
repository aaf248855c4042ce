"""Faults: how each is put in place, and how it is undone and seen undone."""

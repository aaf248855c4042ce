"""Faults of data stores."""

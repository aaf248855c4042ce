"""Simulated systems to practise on: they know nothing of Firedrill."""

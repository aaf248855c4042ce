"""Chaos Toolkit in processes of its own."""

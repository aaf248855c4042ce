"""Firedrill practises failure before it happens."""


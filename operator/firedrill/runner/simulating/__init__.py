"""Builds simulations in a target, watches over them, and takes them away."""

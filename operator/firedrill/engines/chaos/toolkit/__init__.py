"""Chaos Toolkit: what an experiment may do, and what its journal says."""

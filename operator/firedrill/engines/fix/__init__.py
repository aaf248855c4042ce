"""Repairs: what is wrong with a rollout, what would mend it, and whether it did. Pure decisions over typed views."""

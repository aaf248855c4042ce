"""Model servers as they really are: one port, and an adapter for each tongue that they speak."""

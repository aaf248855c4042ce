"""What a DriftCheck starts when it has found drift."""

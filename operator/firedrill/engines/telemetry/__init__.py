"""Telemetry of a window as tables: what a diagnosis may read, and apart from it the ground truth that it must find."""

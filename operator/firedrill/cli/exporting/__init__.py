"""Telemetry of a window: read from the parts of a simulation, written as Parquet."""

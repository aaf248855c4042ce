"""The resources, tasks, results and records of Firedrill: the only place that knows a field's name."""

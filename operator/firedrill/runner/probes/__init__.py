"""How probes ask that do not speak HTTP."""

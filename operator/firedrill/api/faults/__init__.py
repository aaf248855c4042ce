"""The faults of a ChaosExperiment: what each asks for, whom it hits, and how it is undone and proven."""

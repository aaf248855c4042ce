"""ChaosExperiment: who is hit, whether that is allowed, when it has recovered, what the verdict is."""

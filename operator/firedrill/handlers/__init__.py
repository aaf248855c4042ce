"""The operator process: kopf delivers keys, workers work on them."""

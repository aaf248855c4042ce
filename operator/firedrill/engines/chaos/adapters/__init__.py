"""Other operators' objects as faults: what is created, what its status says, how it is stopped."""

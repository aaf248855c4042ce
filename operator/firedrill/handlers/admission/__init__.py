"""The admission webhook: who may ask for faults and fixes, and who has."""

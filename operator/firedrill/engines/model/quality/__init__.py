"""How right the answers are: metrics with intervals, for each kind of task."""

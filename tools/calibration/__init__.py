"""How often the drift engine says drift where nothing has drifted: the cases, and the repetitions that count."""

"""Statistics that several engines judge by. It knows no engine, and nothing of what was measured."""

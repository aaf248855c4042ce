"""What several engines judge by: statistics and chains of policies. It knows no engine, and not what was measured."""

"""The command line: each subcommand a module, each with ``add`` (its arguments) and a function that runs it."""

"""The plan, its execution and the command line."""

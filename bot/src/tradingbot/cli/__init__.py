"""The command line. Everything heavy is imported inside the commands."""

"""The groups of subcommands of the command line."""

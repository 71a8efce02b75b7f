"""The command line: one module per group of commands, which parse, call and print.

`frame` has what all commands share: modes, output, and how errors end. Each command loads heavy
libraries when it is called, so that ``facebench --help`` is quick. Results go to standard output,
all other words to standard error.
"""

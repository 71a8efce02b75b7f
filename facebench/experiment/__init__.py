"""Experiments written as YAML: from a file to models, tasks and a manager, and its execution.

The order of use: `sources` gathers the file, its includes, the environment and overrides
(`yaml_reader` keeps the line of every value, `locations` holds it); `config` checks them against
`schema`; `building` makes models and tasks, with names from `registry` and `plugins` and
arguments from `arguments`; `execution` runs them into a run folder, and `digest` tells whether an
experiment has been run before. `starters` writes first files for newcomers.
"""

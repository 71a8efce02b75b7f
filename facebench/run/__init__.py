"""A run: models x layers x tasks, measured once and kept.

`manager.MultiModelTaskManager` is the entry point. `passes` says what goes through a network for
which tasks, `planning` what a run would do, `shards` does a machine's share. `model_tasks` takes a
model's tasks one by one: `measurement` applies each to what the model returned, `estimates` makes
the intervals, `run_tables` keeps the results and `run_export` writes them. `failures` keeps a run
going when a part of it fails.
"""

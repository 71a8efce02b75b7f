"""A run: models x layers x tasks, measured once and kept.

`manager.MultiModelTaskManager` is the entry point. `measurement` applies one task to what one
model returned, and `estimates` makes the intervals. `failures` keeps a run going when a part of it
fails, and `task_images` lists the images that a task names.
"""

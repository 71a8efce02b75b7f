"""First files for newcomers: an experiment, a plug-in, or a prompt for an assistant.

`folder` writes an experiment for a folder of faces, with the help of the other modules; `plugin`
writes a model or a task with its test; `ready_made` copies one of ``experiments/``. What cannot be
known from the files is left as a comment to fill in. Files are replaced only if that is asked for.
"""

"""First files for newcomers: an experiment, a plug-in, or a prompt for an assistant."""

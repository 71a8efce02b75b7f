"""What facebench asks of models and tasks, one check at a time; `facebench.testing` is the door."""

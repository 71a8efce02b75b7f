"""Tasks: what is asked of a network, one file each."""

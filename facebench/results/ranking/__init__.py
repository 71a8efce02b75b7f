"""Models of many runs in one order: what may be ranked together, and what each row is called."""

"""One module per group of commands; each loads what is heavy when it is called."""

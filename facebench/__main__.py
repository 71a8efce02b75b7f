"""``python -m facebench``: the command line."""

from facebench.cli import main

if __name__ == "__main__":
    main()

"""``python -m facebench``: the command line."""

import sys

from facebench.utils.lazy_names import missing_packages_named

if __name__ == "__main__":
    try:
        with missing_packages_named():
            from facebench.cli import main
    except ModuleNotFoundError as error:
        sys.exit(f"Error: {error}")
    main()

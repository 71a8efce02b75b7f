"""Which libraries a program loads, asked of a process of its own."""

import os
import subprocess
import sys

# All that take longer to import than facebench's own modules together.
HEAVY = {
    "PIL", "dlib", "imagehash", "jinja2", "matplotlib", "numpy", "pandas", "plotly", "pyarrow",
    "pydantic", "rich", "scipy", "scipy.optimize", "scipy.stats", "seaborn", "sklearn", "torch",
    "torch._dynamo", "torchvision", "transformers", "yaml",
}  # fmt: skip
COMMAND = "from facebench.cli import main\nmain()"


def loaded_by(*arguments, code=COMMAND, cwd=None, **variables):
    """Run code, by default the command line; give what it printed, and the heavy ones it loaded."""
    program = (
        "import sys\n"
        f"try:\n    exec({code!r})\n"
        f"finally:\n    print('loaded', *{HEAVY!r} & sys.modules.keys(), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, set(done.stderr.splitlines()[-1].split()[1:])

"""Python in a process of its own."""

import os
import subprocess
import sys


def printed(folder, code, *arguments):
    """What some code prints, run in a folder and with bytecode and numba's code kept as they are by default."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout

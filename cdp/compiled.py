"""The compiled code that numba keeps beside a package: made anew when any of the package's files has changed.

numba itself looks at the file of a function only, though what it keeps holds the functions of other files, too.
"""

import hashlib
import os
from pathlib import Path


def discard_stale(package: Path) -> None:
    """Remove what was compiled from other files than the package has now.

    Parameters
    ----------
    package : Path
        Its folder. What numba keeps elsewhere, because this cannot be written to or NUMBA_CACHE_DIR says so, is left.
    """
    mark = package / "__pycache__" / "compiled_from"
    try:
        digest = hashlib.sha256()
        for path in sorted(package.rglob("[!.]*.py")):
            digest.update(path.read_bytes())
        if mark.exists() and mark.read_text() == digest.hexdigest():
            return
        for compiled in package.rglob("__pycache__/*.nb[ci]"):
            compiled.unlink(missing_ok=True)
        mark.parent.mkdir(exist_ok=True)
        own = mark.with_name(f"compiled_from.{os.getpid()}")
        own.write_text(digest.hexdigest())
        own.replace(mark)
    except OSError:  # read-only, or a file that another process replaces
        return

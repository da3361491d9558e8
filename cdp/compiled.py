"""The compiled code that numba keeps beside a package: made anew when any of the package's files has changed.

numba itself looks at the file of a function only, though what it keeps holds the functions of other files, too.
"""

import hashlib
from pathlib import Path


def discard_stale(package: Path) -> None:
    """Remove what was compiled from other files than the package has now.

    Parameters
    ----------
    package : Path
        Its folder. If it cannot be written to, nothing is kept in it, either.
    """
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes())
    mark = package / "__pycache__" / "compiled_from"
    try:
        if mark.exists() and mark.read_text() == digest.hexdigest():
            return
        for compiled in package.rglob("__pycache__/*.nb[ci]"):
            compiled.unlink(missing_ok=True)
        mark.parent.mkdir(exist_ok=True)
        mark.write_text(digest.hexdigest())
    except OSError:
        return

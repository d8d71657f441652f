"""Files written whole or not at all, and the lock of a folder."""

import os
import threading
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


@contextmanager
def opened_atomic(path):
    """Open a binary file that appears at ``path`` only when it is complete; if the block raises, nothing is left."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with temporary.open("wb") as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomic(path, content):
    """Write bytes or text so that a reader sees the old file or the new one, never a part."""
    with opened_atomic(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def locked(directory):
    """Hold a directory alone, as a context: two runs that write figures take turns, a killed one blocks nobody."""
    directory = Path(directory).resolve()
    return FileLock(directory.with_name(f".{directory.name}.lock"))  # beside it, so that it holds figures only

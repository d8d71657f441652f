"""Tables of molecules as a study takes them: cleaned, sampled down, and with a fingerprint to hold jobs to."""

import hashlib
from functools import lru_cache
from pathlib import Path

from qmis_utils import embeddings, molecules


def load_table(task, smiles_column="smiles", label_column="y", task_kind=None, max_molecules=3000, seed=0):
    """Load a table, clean it and sample it down.

    Parameters: as ``molecules.load_task``; ``max_molecules`` is the largest number of molecules kept, ``seed`` the one
    of the sample. Returns the frame of ``molecules.load_task``, at most ``max_molecules`` rows, its ``attrs`` with it.
    A table is read once a process, and again when a ``csv:`` file has changed. Raises as ``molecules.load_task``.
    """
    path = Path(task.removeprefix("csv:"))
    stamp = hashlib.sha256(path.read_bytes()).hexdigest() if task.startswith("csv:") and path.is_file() else ""
    return _load_table(stamp, task, smiles_column, label_column, task_kind, max_molecules, seed)


@lru_cache(maxsize=16)
def _load_table(stamp, task, smiles_column, label_column, task_kind, max_molecules, seed):
    frame = molecules.load_task(task, smiles_column, label_column, task_kind)
    attrs = frame.attrs
    frame = frame.sample(min(len(frame), max_molecules), random_state=seed).reset_index(drop=True)
    frame.attrs = attrs
    return frame


def fingerprint(frame, representation):
    """Return a hash of a table's molecules and labels and of a representation's version (its code if it has none).

    It belongs to the point of a sweep: a cached result is then never that of an earlier table of the same name.
    """
    chosen = embeddings.EMBEDDERS.get(representation)
    if chosen is None:
        raise ValueError(f"unknown representation {representation!r}; valid: {', '.join(embeddings.EMBEDDERS)}")
    version = chosen.version or _code_text(chosen.function.__code__)
    parts = [*frame.smiles, frame.y.to_numpy(float).tobytes().hex(), representation, version]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _code_text(code):
    """Return the instructions, names and constants of a function as text, the same in every process."""
    constants = [_code_text(c) if hasattr(c, "co_code") else repr(c) for c in code.co_consts]
    return " ".join([code.co_code.hex(), *code.co_names, *constants])

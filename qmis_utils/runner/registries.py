"""A reader's own entries in the open registries of the package: told apart, and taken along to other processes."""

import sys
from functools import lru_cache
from importlib import import_module

import cloudpickle

from qmis_utils.store.code_text import code_text

REGISTRIES = {  # module -> its registry; each module keeps what it came with as BUILT_IN
    "qmis_utils.quantizers.rules": "QUANTIZERS",
    "qmis_utils.attacks.catalogue": "ATTACKS",
    "qmis_utils.molecules.embeddings": "EMBEDDERS",
    "qmis_utils.assess": "NUMBERS",
}


def own_entries():
    """Return what a reader has added, replaced or removed (None), module -> name -> entry, of the modules in use."""
    found = {}
    for module in REGISTRIES.keys() & sys.modules.keys():
        built_in = sys.modules[module].BUILT_IN
        own = {name: entry for name, entry in _registry(module).items() if built_in.get(name) is not entry}
        own |= dict.fromkeys(built_in.keys() - _registry(module).keys())
        if own:
            found[module] = own
    return found


def entries_text(entries):
    """Return what tells some entries from others, the same in every process; ValueError names one that has no text."""
    lines = []
    for module, own in sorted(entries.items()):
        for name in sorted(own):
            try:
                lines.append(f"{module} {name} {code_text(own[name])}\n")
            except ValueError as error:
                raise ValueError(f"{REGISTRIES[module]}[{name!r}]: {error}") from None
    return "".join(lines)


def call_with(pickled, function, **arguments):
    """Call a function in a process whose registries hold these entries beside the built-in ones, and no others."""
    entries = _unpickled(pickled)
    for module in entries.keys() | (REGISTRIES.keys() & sys.modules.keys()):
        wanted = import_module(module).BUILT_IN | entries.get(module, {})
        wanted = {name: entry for name, entry in wanted.items() if entry is not None}
        registry = _registry(module)
        registry.update(wanted)
        for name in registry.keys() - wanted.keys():  # of an earlier sweep in this process
            del registry[name]
    return function(**arguments)


def _registry(module):
    return getattr(sys.modules[module], REGISTRIES[module])


@lru_cache(maxsize=1)
def _unpickled(pickled):
    return cloudpickle.loads(pickled)

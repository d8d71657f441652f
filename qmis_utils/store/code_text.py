"""What a function says, as text: the same in every process, and another whenever its result may be another."""

import copyreg
import dis
import functools
import pickle
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path

import joblib

OURS = __name__.partition(".")[0]
NAMED = (int, float, complex, bool, str, bytes, type(None), type(...), range, slice)
CODE = [f"co_{part}" for part in ("code", "names", "varnames", "freevars", "argcount", "kwonlyargcount", "consts")]
CODE += ["co_exceptiontable"]


def code_text(value):
    """Return what a function, or an object that holds functions, computes with.

    Parameters
    ----------
    value : object
        A function, a ``functools.partial``, an instance of a reader's class, or what holds such.

    Returns
    -------
    str
        Instructions, names, constants, defaults, closures and the globals that are read, of all functions in reach.
        Where they stand, file and line, is left out. What is installed, or of this package, is given by its name:
        whoever keeps results knows the versions.

    Raises
    ------
    ValueError
        For something in reach that cannot be pickled, such as an open file: no process but this one can have it.
    """
    return _text(value, {})


def _text(value, seen):
    match value:
        case types.ModuleType():  # a reader's own by what stands in its file; what that imports is not followed
            file = getattr(value, "__file__", None)
            if value.__name__.partition(".")[0] == OURS or file is None or _is_package_file(file):
                return value.__name__
            return f"{value.__name__} {joblib.hash(Path(file).read_bytes())}"
        case types.CodeType():
            return _all([getattr(value, part) for part in CODE], seen)
        case list() | tuple() if type(value) in (list, tuple):
            return _all(value, seen)
        case dict() if type(value) is dict:
            return _all([part for item in value.items() for part in item], seen)
        case set() | frozenset() if type(value) in (set, frozenset):
            return "{" + ", ".join(sorted(_text(item, seen) for item in value)) + "}"  # their order is the process's
        case types.FunctionType() | type() if _is_installed(value) or _is_ours(value):
            return f"{value.__module__}.{value.__qualname__}"
        case _ if type(value) in NAMED:
            return repr(value)
        case _ if id(value) in seen:
            return f"the {seen[id(value)]}th"
    seen[id(value)] = len(seen)
    match value:
        case types.FunctionType():
            cells = [cell.cell_contents for cell in value.__closure__ or ()]
            parts = [value.__code__, value.__defaults__, value.__kwdefaults__, cells, _globals_read(value)]
        case types.MethodType():
            parts = [value.__func__, value.__self__]
        case functools.partial():
            parts = [value.func, value.args, value.keywords]
        case staticmethod() | classmethod():
            parts = [value.__func__]
        case property():
            parts = [value.fget, value.fset]
        case type():
            kept = (types.FunctionType, staticmethod, classmethod, property)
            parts = [value.__bases__, {k: v for k, v in vars(value).items() if isinstance(v, kept) or k[:2] != "__"}]
        case _ if hasattr(value, "__wrapped__"):  # by functools.cache, say
            parts = [value.__wrapped__]
        case _ if hasattr(value, "requires_grad"):  # a tensor: its pickle is another every time
            parts = [_pickled(value.detach().cpu().numpy(), joblib.hash)]
        case _ if hasattr(value, "__dict__"):
            reduced = _pickled(value, copyreg.dispatch_table.get(type(value), lambda it: it.__reduce_ex__(4)))
            parts = [list(part) if isinstance(part, Iterator) else part for part in reduced]
        case _:
            return _pickled(value, joblib.hash)
    return _all(parts, seen)


def _all(parts, seen):
    return "(" + ", ".join(_text(part, seen) for part in parts) + ")"


def _globals_read(function):
    """Return the globals that a function and those within it read, name -> value."""
    todo, names = [function.__code__], set()
    while todo:
        code = todo.pop()
        names |= {step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"}
        todo += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return {name: function.__globals__[name] for name in sorted(names & function.__globals__.keys())}


def _is_ours(thing):
    return (thing.__module__ or "").partition(".")[0] == OURS


def _is_installed(thing):
    """Tell whether a function or class is Python's own or of an installed package, and no reader's."""
    module = sys.modules.get(thing.__module__)
    if module is None or thing.__module__ == "__main__" or _is_ours(thing):
        return False
    file = getattr(module, "__file__", None)
    return file is None or _is_package_file(file)


def _is_package_file(file):
    return "-packages" in file or file.startswith(sysconfig.get_path("stdlib"))


def _pickled(value, how):
    try:
        return how(value)
    except (pickle.PicklingError, TypeError) as error:
        raise ValueError(f"it reads {value!r}, which no other process can have ({error}): make it within") from None

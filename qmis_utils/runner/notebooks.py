"""What a notebook declares and is given (parameters, code hash, run time), and the form in which it is written."""

import ast
import copy
import hashlib
import io
import re
import sys
import tokenize
from dataclasses import dataclass
from pathlib import Path

from qmis_utils.store.extras import extra
from qmis_utils.store.paths import ROOT, given_path

with extra("companion"):
    import yaml

TEXTS = ("str", "str | None", "None | str")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^']|'')*'")
NAMED_TYPES = {"int": int, "float": float, "bool": bool, "str": str, "list": list, "dict": dict, "None": type(None)}
_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
RANGES = {  # form in a comment -> the test of a number; words, since papermill takes "=" for another assignment
    rf"at least {_NUMBER}": lambda value, low: value >= low,
    rf"above {_NUMBER}": lambda value, low: value > low,
    rf"at most {_NUMBER}": lambda value, high: value <= high,
    rf"below {_NUMBER}": lambda value, high: value < high,
    rf"from {_NUMBER} to {_NUMBER}": lambda value, low, high: low <= value <= high,
}
RUN_TIME = re.compile(r"\*\*Run time\*\* \(2 cores\): full ([\d.]+) (s|min), quick ([\d.]+) (s|min)\.")


@dataclass(frozen=True)
class Parameter:
    """One line of the cell tagged `parameters`: ``name: kind = default  # comment``."""

    name: str
    kind: str
    default: object
    comment: str

    @property
    def limits(self):
        """The limits that the comment declares in brackets, in order: "not empty", or (words, test, bounds)."""
        groups = re.findall(r"\(([^()]*)\)", self.comment)
        return [limit for group in groups for part in group.split(",") if (limit := _limit(part.strip()))]


def read_notebook(path):
    """Return the notebook at a path; ValueError if it is missing or not a notebook."""
    with extra("companion"):  # here: seconds, which a notebook that imports `run` for its sweeps need not wait
        import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise ValueError(f"no notebook {path}") from None
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a notebook: {str(error).splitlines()[0]}") from None


def code_sha256(notebook):
    """Return the hash of what the code cells of a notebook do.

    Prose, exercises, comments and the breaking of lines may change without making a figure stale.
    """
    apart = ("injected-parameters", "exercise", "solution")
    code = (cell for cell in notebook.cells if cell.cell_type == "code")
    sources = [cell.source for cell in code if not any(has_tag(cell, tag) for tag in apart)]
    return hashlib.sha256("\0".join(filter(None, map(_plain, sources))).encode()).hexdigest()


def _plain(source):
    """Return code without comments and in one layout; what Python alone cannot read, such as a magic, as it stands."""
    try:
        return ast.unparse(ast.parse(source))
    except SyntaxError:
        return source


def has_tag(cell, tag):
    """Tell whether a cell carries a tag."""
    return tag in cell.metadata.get("tags", [])


def run_minutes(notebook):
    """Return the stated run times (full, quick) in minutes, or None if the opening cell states none."""
    match = RUN_TIME.search(notebook.cells[0].source) if notebook.cells else None
    if match is None:
        return None
    full, full_unit, quick, quick_unit = match.groups()
    minutes = {"s": 1 / 60, "min": 1.0}
    return float(full) * minutes[full_unit], float(quick) * minutes[quick_unit]


def read_parameters(notebook, stem):
    """Return the declared parameters of a notebook, name -> `Parameter`, in order.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Its cell tagged ``parameters`` holds lines ``name: type = literal value  # comment``.
    stem : str
        What the notebook is called in errors.

    Returns
    -------
    dict
        Empty without such a cell.

    Raises
    ------
    ValueError
        For anything else in that cell, a default that is not valid, or a range that cannot be read.

    Notes
    -----
    A comment may declare in brackets what is valid: ``(at least 8)``, ``(above 0)``, ``(at most 5)``, ``(below 1)``,
    ``(from 0 to 1)``, with both ends; of a list or mapping this is said of each number in it. ``(not empty)`` is for
    lists, mappings and texts,
    and ``(not empty, above 0)`` asks for both. Undeclared, a value must be of its type, and numbers finite.

    Examples
    --------
    A line of such a cell::

        n_models: int = 128  # shadow models (at least 8)
    """
    cells = [cell for cell in notebook.cells if has_tag(cell, "parameters")]
    if not cells:
        return {}
    if len(cells) > 1:
        raise ValueError(f"{stem}: {len(cells)} cells are tagged 'parameters'; one is allowed")
    try:
        return {parameter.name: parameter for parameter in _parse_parameters(cells[0].source)}
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"{stem}, cell tagged 'parameters': {error}") from None


def _parse_parameters(source):
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
    for node in ast.parse(source).body:
        text = ast.get_source_segment(source, node)
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value):
            raise ValueError(f"write `name: type = value`, not `{text}`")
        try:
            default = ast.literal_eval(node.value)
        except ValueError:
            raise ValueError(f"the value of `{text}` must be a literal") from None
        kind = ast.unparse(node.annotation)
        parameter = Parameter(node.target.id, kind, default, comments.get(node.end_lineno, ""))
        if not _matches(default, node.annotation):
            raise ValueError(f"the value of `{text}` is not of the declared type")
        if wanted := _wanted(parameter, default):
            raise ValueError(f"the value of `{text}` must {wanted}")
        yield parameter


def read_text(parameter, text):
    """Return what a text on the command line says of a parameter.

    A parameter declared ``str`` takes the text as it is given, without quotes that stand around all of it; for one
    declared ``str | None``, an empty text, ``null``, ``None`` and ``~`` say None, and quotes keep them texts. Any other
    is read as YAML.
    """
    if parameter.kind not in TEXTS or QUOTED.fullmatch(text):
        return read_yaml(text, f"-p {parameter.name}")
    return None if "None" in parameter.kind and text in ("", "~", "null", "Null", "NULL", "None") else text


def convert(parameter, value, stem):
    """Return a value given for a parameter, checked against type and range; an int given for a float is converted.

    Raises
    ------
    ValueError
        Naming notebook, parameter, what is valid and what was given.
    """
    if "float" in parameter.kind:
        value = _as_floats(value)  # YAML 1.1 reads 1e-3 as text
    if not _matches(value, ast.parse(parameter.kind, mode="eval").body):
        raise ValueError(
            f"{stem}: {parameter.name} is declared {parameter.kind}, got {value!r} ({type(value).__name__})"
            + _how_to_write(parameter.kind, value)
        )
    if wanted := _wanted(parameter, value):
        raise ValueError(f"{stem}: {parameter.name} must {wanted} (default {parameter.default!r}), got {value!r}")
    return float(value) if parameter.kind == "float" else value


def _how_to_write(kind, value):
    """Return how to write a text that YAML took for something else, and a list of one text; nothing if neither."""
    if kind.startswith("list[str]") and isinstance(value, str):
        return f"; write '[\"{value}\"]'"
    items = value if isinstance(value, list) else [value]
    plain = "str" in kind and not any(isinstance(item, list | dict) for item in items)
    return "; put quotes around a text that YAML takes for a number, a date, yes, no or null" if plain else ""


def _limit(text):
    """Return the limit that a part of a comment declares, or None where it is prose."""
    if text == "not empty":
        return text
    for form, holds in RANGES.items():
        if match := re.fullmatch(form, text):
            return text, holds, [float(bound) for bound in match.groups()]
    if text[:1] in ("<", ">", "="):
        raise ValueError(
            f"cannot read the range ({text}): write (at least 1), (above 0), (at most 5), (below 1), (from 0 to 1) or "
            "(not empty)"
        )
    return None


def _wanted(parameter, value):
    """Return what a value must be or hold and does not, in words, or None."""
    items = list(value.values()) if isinstance(value, dict) else value
    verb, items = ("hold only numbers", items) if isinstance(items, list) else ("be", [items])
    numbers = [item for item in items if type(item) in (int, float)]
    if not all(abs(number) <= sys.float_info.max for number in numbers):
        return "be finite"
    for limit in parameter.limits:
        if limit == "not empty":
            if value in ([], {}, ""):
                return "not be empty"
            continue
        words, holds, bounds = limit
        if not all(holds(number, *bounds) for number in numbers):
            return f"{verb} {words}"
    return None


def _as_floats(value):
    if isinstance(value, list):
        return [_as_floats(item) for item in value]
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?e[-+]?\d+", value, re.IGNORECASE):
        return float(value)
    return value


def _matches(value, kind):
    """Tell whether a value is of the type that an annotation (a syntax tree) names."""
    match kind:
        case ast.Constant(value=None):
            return value is None
        case ast.Name(id="float"):
            return type(value) in (int, float)
        case ast.Name(id=name) if name in NAMED_TYPES:
            return type(value) is NAMED_TYPES[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _matches(value, left) or _matches(value, right)
        case ast.Subscript(value=ast.Name(id="list"), slice=item):
            return type(value) is list and all(_matches(element, item) for element in value)
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, item])):
            return type(value) is dict and all(_matches(k, key) and _matches(v, item) for k, v in value.items())
    raise ValueError(
        f"type `{ast.unparse(kind)}` is not supported; use int, float, bool, str, list[...], dict[...] or | None"
    )


class _Plain(yaml.SafeLoader):
    """Read YAML without its two silent surprises: 010 is 8 and 1:30 is 90; of two equal keys the last one counts."""

    def construct_mapping(self, node, deep=False):
        """Refuse a mapping that holds a key twice."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if not key.tag.endswith(":merge")]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_number(self, node):
        """Refuse a whole number that does not mean what it says in decimals."""
        if re.search(r":|^[-+]?0\d", node.value):
            problem = f"{node.value} is no decimal number (in quotes it is a text)"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return self.construct_yaml_int(node) if node.tag.endswith("int") else self.construct_yaml_float(node)


for _tag in ("int", "float"):
    _Plain.add_constructor(f"tag:yaml.org,2002:{_tag}", _Plain.construct_number)


def read_yaml(text, source):
    """Return the value of a YAML text; ValueError naming the source if it is none."""
    try:
        return yaml.load(text, _Plain)  # a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(f"{source} is not YAML: {' '.join(str(error).split())}") from None
    except ValueError as error:  # a date that is none
        raise ValueError(f"{source} is not YAML: {error}; put quotes around a text") from None


def read_table(path, stems):
    """Return the parameters of a YAML file, notebook stem -> name -> value; ValueError for a stem not in `stems`."""
    try:
        table = read_yaml(given_path(path).read_text(encoding="utf-8"), str(path)) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--params {path}: {error}") from None
    if not isinstance(table, dict) or not all(isinstance(entry, dict | None) for entry in table.values()):
        raise ValueError(f"--params {path}: write `notebook_stem: {{name: value}}`")
    unknown = [str(stem) for stem in table if stem not in stems]
    if unknown:
        valid = ", ".join(sorted(stems))
        raise ValueError(f"--params {path}: no notebook {', '.join(unknown)}; write whole names, there are {valid}")
    return table


def clean(notebook, hidden):
    """Return an executed notebook as it is written: without timings, papermill's marks, widget states, machine paths.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        The executed notebook.
    hidden : dict
        Machine path -> what to write instead.
    """
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if not has_tag(cell, "papermill-error-cell-tag")]
    for name in ("papermill", "widgets"):
        notebook.metadata.pop(name, None)
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if has_tag(cell, "injected-parameters"):
            cell.source, cell.id = hide(cell.source, hidden), "injected-parameters"
        if cell.cell_type == "code":
            cell.outputs = [_clean_output(output, hidden) for output in cell.outputs if not _is_widget(output)]
    return notebook


def _is_widget(output):
    """Tell whether an output is a view of a live widget, which is nothing without its kernel."""
    return "application/vnd.jupyter.widget-view+json" in output.get("data", {})


def _clean_output(output, hidden):
    for name in ("text", "evalue"):
        if name in output:
            output[name] = hide(output[name], hidden)
    if "traceback" in output:
        output.traceback = [hide(line, hidden) for line in output.traceback]
    for kind, content in output.get("data", {}).items():
        if kind.startswith("text/"):
            output.data[kind] = hide(content, hidden)
    return output


def machine_paths():
    """Return machine path -> what is written instead."""
    paths = {str(Path.home()): "~", sys.prefix: "<environment>", str(ROOT or "/"): "."}
    return {path: new for path, new in paths.items() if path != "/"}


def hide(text, hidden):
    """Replace machine paths in a text, the longest first, each only where it stands as a whole path.

    A warning names the cell by a file of the kernel's process number, which no two runs share: that goes as well.
    """
    text = re.sub(r"\S*/ipykernel_\d+/\d+\.py", "<cell>", text)
    for path in sorted(hidden, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(path)}(?![\w-])", lambda _, new=hidden[path]: new, text)
    return text


def write_text(notebook):
    """Return a notebook as the text of its file."""
    import nbformat

    return nbformat.writes(notebook) + "\n"


def find_notebooks(directory):
    """Return the notebooks of a directory, stem -> path: the numbered ones in order, then the lettered studies."""
    return {path.stem: path for path in sorted(Path(directory).glob("[0-9A-Z]*.ipynb"))}

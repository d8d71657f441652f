"""Build the HTML book offline: put the sources together in build/book_source, then run Sphinx, warnings being errors.

python book/build.py [OUT]    OUT is build/book unless told

What is built is a site of plain files, which any static host takes: its links are relative, and it asks nobody else.

Notebooks come as they are committed, executed; figures, statements, tests and helpers are listed from the sources
themselves, so that no page can fall behind them.
"""

import ast
import copy
import re
import shutil
import sys
from pathlib import Path

import explorables
import handout
import references
import results
import slides
from pybtex.database import parse_file
from sphinx.cmd.build import build_main

from qmis_utils import run
from qmis_utils.runner import figure_files, notebooks
from qmis_utils.store import downloads
from qmis_utils.store.paths import BUILD, PACKAGE, ROOT

BOOK = Path(__file__).resolve().parent
FOLDED = {  # tag -> myst-nb's, and what is folded, in words
    "imports": ("hide-input", "imports"),
    "hide-input": ("hide-input", "drawing code"),
    "solution": ("hide-cell", "solution"),
}
NOT_PAGES = ("*.py", "*.yaml", "slides.html", "explore", "__pycache__")
TEST = re.compile(r"`tests/(?:\w+/)*(test_\w+)\.py::(test_\w+)`")
STATEMENT = re.compile(
    r"\*\*(?:Statement \d+|Theorem [A-E])(?: \(ours\)|, [^*]*)?\.\*\*.*?(?=\n\n\*(?:Derivation|Proof|Idea)|\Z)",
    re.DOTALL,
)
SECTION = re.compile(r"^## (\d+) · (.+)$", re.MULTILINE)


def main(out):
    """Build the book in a folder, the slides with it, and return Sphinx's exit status."""
    if stale := run.stale_figures(ROOT / "figures", notebooks.find_notebooks(run.NOTEBOOKS).values()):
        print(
            f"figures/ is not what the notebooks make by themselves: {stale[0]}, and {len(stale) - 1} more; "
            "`git checkout figures` brings the committed ones back, `make figures` makes them anew",
            file=sys.stderr,
        )
        return 1
    source = BUILD / "book_source"
    for folder in (source, out):
        shutil.rmtree(folder, ignore_errors=True)
    assemble(source)
    slides.write(out / "slides")
    handout.write(out / "handout.pdf")
    status = build_main(
        ["-W", "--keep-going", "-q", "-b", "html", "-d", str(source / ".doctrees"), str(source), str(out)]
    )
    (out / ".nojekyll").touch()  # else a host that runs Jekyll leaves out the folders that begin with "_"
    if status == 0:
        print(f"open {out / 'index.html'} in a browser")
    return status


def assemble(source):
    """Write all that Sphinx reads into a folder."""
    shutil.copytree(BOOK, source, ignore=shutil.ignore_patterns(*NOT_PAGES))
    shutil.copy(BOOK / "conf.py", source)
    downloads.copy_members(
        "sphinx_mathjax_offline", slides.MATHJAX, slides.MATHJAX_PARTS, source / "_static" / "mathjax"
    )
    explorables.write_pages(source)
    shutil.copytree(ROOT / "figures", source / "figures", ignore=shutil.ignore_patterns("*.svg", "*.json"))
    sources = {stem: notebooks.read_notebook(path) for stem, path in notebooks.find_notebooks(run.NOTEBOOKS).items()}
    helpers = helper_names()
    pages = {f"notebooks/{stem}.ipynb": linked(stem, notebook, helpers) for stem, notebook in sources.items()}
    pages |= {
        "index.md": (BOOK / "index.md").read_text(encoding="utf-8").replace("@RESULTS@", results.first_page()),
        "results.md": results.page(),
        "lesson_plan.md": references.resolved((BOOK / "lesson_plan.md").read_text(encoding="utf-8")),
        "statements.md": statements_page(sources),
        "figures.md": figures_page(),
        "tests.md": tests_page(sources),
    }
    pages |= {f"api/{name}.md": api_page(name) for name in modules()}
    for name, text in pages.items():
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")


# ---------------------------------------------------------------------------------------------------------- notebooks


def linked(stem, notebook, helpers):
    """Return a notebook as text, its prose linked to the other notebooks, tests, helpers and the bibliography."""
    notebook, cited = copy.deepcopy(notebook), citations()
    first = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
    for position, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = link_prose(cell.source, stem, helpers, cited)
            if position:  # a page has one title; that of a part becomes a section
                cell.source = re.sub(r"^# ", "## ", cell.source, flags=re.MULTILINE)
            continue
        shown = {}
        for output in cell.outputs:
            for picture in output.get("metadata", {}).values():
                shown["image"] = {"alt": picture["alt"]}  # all that myst-nb reads
        if cell is first and cell.source.startswith(("import ", "from ")):
            cell.metadata.tags = [*cell.metadata.get("tags", []), "imports"]
        for tag, (hidden, what) in FOLDED.items():
            if notebooks.has_tag(cell, tag):
                cell.metadata.tags = [*(set(cell.metadata.tags) - {hidden}), hidden]
                shown |= {"code_prompt_show": f"Show the {what}", "code_prompt_hide": f"Hide the {what}"}
                break
        if shown:
            cell.metadata["mystnb"] = shown
    return notebooks.write_text(notebook)


def link_prose(text, stem, helpers, cited):
    """Return the text of a cell with its links; a work is cited at its first mention in the notebook only."""
    text = SECTION.sub(rf"({stem.split('_')[0]}-\1)=\n## \1 · \2", text)
    text = TEST.sub(r"[`\2`](#\1-\2)", text)
    text = re.sub(r"`((?:\d\d|[A-Z])_[a-z]\w+)`", lambda match: notebook_link(match[1], stem), text)
    text = re.sub(r"(?<!\[)`(\w+)`", lambda match: helpers.get(match[1], match[0]), text)
    for key, pattern in list(cited.items()):
        text, found = pattern.subn(rf"\g<0> {{cite}}`{key}`", text, count=1)
        if found:
            del cited[key]
    return text


def notebook_link(name, here):
    """Return the link to a notebook or a figure by its name."""
    if name != here and (run.NOTEBOOKS / f"{name}.ipynb").exists():
        return f"[`{name}`]({name}.ipynb)"
    return f"[`{name}`](#figure-{name})" if name in figure_files.read_manifest(ROOT / "figures") else f"`{name}`"


def citations():
    """Return bibliography key -> pattern of what the text calls the work: its arXiv number, or author and year."""
    patterns = {}
    for key, entry in parse_file(BOOK / "references.bib").entries.items():
        fields = {name.lower(): value for name, value in entry.fields.items()}
        names = [re.escape(fields[name]) for name in ("eprint", "cited") if name in fields]
        if names:
            patterns[key] = re.compile("|".join(names).replace(r"\ ", r"\s+"))
    return patterns


def modules():
    """Return name -> path of the helper modules of every room, the name as in ``theory.security``."""
    names = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in sorted(PACKAGE.rglob("*.py"))}
    return {name: path for name, path in names.items() if "__init__" not in name}


def node_is_helper(node):
    """Say whether a statement defines a public function or class with a docstring."""
    return isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_" and bool(ast.get_docstring(node))


def helper_names():
    """Return function or class name -> link to its API entry, for the names that one module defines and documents.

    A name that another module or a room has, such as `survival`, would be taken for it: it has no link.
    """
    found, names = {}, modules()
    places = {name: {part for other in names if other != name for part in other.split(".")} for name in names}
    for module, path in names.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if node_is_helper(node) and node.name not in places[module]:
                found.setdefault(node.name, []).append(f"{{py:obj}}`~qmis_utils.{module}.{node.name}`")
    return {name: links[0] for name, links in found.items() if len(links) == 1}


# ---------------------------------------------------------------------------------------------------- generated pages


def equation_rows(notebook):
    """Return (equation, section number, module, test) of each row of a notebook's table of equations and tests."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for line in text.splitlines():
        if (test := TEST.search(line)) and line.startswith("|"):
            equation, section = (cell.strip() for cell in line.split("|")[1:3])
            yield equation, section, *test.groups()


def statements_page(sources):
    """Return the page that leads from each statement, in its notebook's words, to its equations and their tests."""
    parts = [
        "# Statement, equation, test\n\nEvery statement of the theory, with the tests that fail when it is wrong.\n"
    ]
    for stem, notebook in sources.items():
        number, rows = stem.split("_")[0], list(equation_rows(notebook))
        text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
        sections = dict(SECTION.findall(text))
        said = {}
        for match in STATEMENT.finditer(text):
            section = [n for n, _ in SECTION.findall(text[: match.start()])][-1]
            said.setdefault(section, []).append(match[0])
        for section in sorted({row[1] for row in rows}, key=int):
            parts.append(
                f"## Notebook {number}, section {section}: {sections[section]}\n\n" + "\n\n".join(said.get(section, []))
            )
            link = f"[notebook {number}, section {section}](#{number}-{section})"
            parts.append("| equation | derived in | test |\n|---|---|---|\n" + "\n".join(
                f"| {equation} | {link} | [`{test}`](#{module}-{test}) |"
                for equation, where, module, test in rows if where == section
            ))  # fmt: skip
    return "\n\n".join(parts) + "\n"


def tests_page(sources):
    """Return the page with the source of every test that a table of equations names."""
    named = {row[2:]: None for notebook in sources.values() for row in equation_rows(notebook)}
    parts = ["# The tests of the equations\n\nAs they stand in `tests/`; `make test` runs them with all others."]
    paths = {path.stem: path for path in (ROOT / "tests").rglob("test_*.py")}
    for module in sorted({module for module, _ in named}):
        text = paths[module].read_text(encoding="utf-8")
        parts.append(f"## {paths[module].relative_to(ROOT).as_posix()}")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and (module, node.name) in named:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                code = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
                parts.append(f"({module}-{node.name})=\n### {node.name}\n\n````python\n{code}\n````")
    return "\n\n".join(parts) + "\n"


def figures_page():
    """Return the page that leads from each figure to its notebook, the command that makes it, and its numbers."""
    table, gallery = ["| figure | notebook | command |", "|---|---|---|"], []
    for stem, entry in figure_files.read_manifest(ROOT / "figures").items():
        notebook, command = entry["notebook"], f"`.venv/bin/python -m qmis_utils.run {stem.split('_')[0]}`"
        table.append(f"| [`{stem}`](#figure-{stem}) | [{notebook}](notebooks/{notebook}.ipynb) | {command} |")
        alt = entry["alt"].replace("\n", " ").replace("[", "(").replace("]", ")")
        gallery.append(
            f"(figure-{stem})=\n### {stem}\n\n![{alt}](figures/{stem}.png)\n\n{alt}\n\nFrom "
            f"[{notebook}](notebooks/{notebook}.ipynb), by {command}; the plotted numbers: "
            f"{{download}}`{stem}.csv <figures/{stem}.csv>`."
        )
    opening = (
        "# Figure, notebook, command\n\n`make figures` makes all of them, `make check` compares them with new ones."
    )
    return "\n\n".join([opening, "\n".join(table), "## The figures", *gallery]) + "\n"


def api_page(name):
    """Return the API page of a helper module, such as ``theory.security``."""
    return f"# {name}\n\n```{{eval-rst}}\n.. automodule:: qmis_utils.{name}\n```\n"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else BUILD / "book"))

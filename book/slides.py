"""Make slides of notebook 01 that need no network: its statements and figures, the derivations as speaker notes.

python book/slides.py    writes build/slides
"""

import html
import re
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter

from qmis_utils import run
from qmis_utils.runner import notebooks
from qmis_utils.store import downloads

BOOK = Path(__file__).resolve().parent
STEM = "01_theory_derivation"
# Folder in each wheel, and the parts of it that the pages load.
MATHJAX = "sphinx-mathjax-offline/static/mathjax/"  # 3.2.2
MATHJAX_PARTS = ("tex-chtml.js", "output/chtml/fonts/woff-v2/", "input/tex/extensions/")
REVEAL = "sphinx_revealjs/_static/revealjs/"
REVEAL_PARTS = ("dist/reveal.", "dist/theme/white.css", "dist/theme/fonts/source-sans-pro/", "plugin/notes/", "LICENSE")


def slide(kind, cell):
    """Return a cell as a slide of a kind: slide, subslide or notes."""
    cell.metadata = {"slideshow": {"slide_type": kind}}
    return cell


def text_slides(source):
    """Yield the slides of a text cell: the title, statements without derivation, the summary; the rest as notes."""
    for part in re.split(r"\n(?=# |## )", source):
        if part.startswith(("# ", "## What we saw")) or "**Statement" in part:
            shown, *rest = re.split(r"\n\n(?=\*Derivation|\*\*In the paper|\*\*Exercises)", part, maxsplit=1)
            yield slide("slide" if shown.startswith("#") else "subslide", nbformat.v4.new_markdown_cell(shown))
            if rest:
                yield slide("notes", nbformat.v4.new_markdown_cell(rest[0]))


def picture_slide(output):
    """Return the slide of a figure with its alt text, which is shown below it too."""
    alt = " ".join(output.metadata["image/png"]["alt"].split())
    picture = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{output.data["image/png"].strip()}">'
    return slide("subslide", nbformat.v4.new_markdown_cell(f"{picture}\n\n{alt}"))


def deck(notebook):
    """Return the slides of a notebook as a notebook: its title, statements, figures and summary, in order."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cells += text_slides(cell.source)
        else:
            cells += [picture_slide(output) for output in cell.outputs if "image/png" in output.get("data", {})]
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def write(out):
    """Write the slides and all that they load into a folder."""
    downloads.copy_members("sphinx_mathjax_offline", MATHJAX, MATHJAX_PARTS, out / "mathjax")
    downloads.copy_members("sphinx_revealjs", REVEAL, REVEAL_PARTS, out / "reveal")
    exporter = SlidesExporter(
        template_name="slides_template",
        extra_template_basedirs=[str(BOOK)],
        reveal_url_prefix="reveal",
        mathjax_url="mathjax/tex-chtml.js",
        reveal_theme="white",
    )
    notebook = deck(notebooks.read_notebook(run.NOTEBOOKS / f"{STEM}.ipynb"))
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": "QMIS 01"}})
    (out / f"{STEM}.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write(run.BUILD / "slides")
    print(run.BUILD / "slides" / f"{STEM}.html")

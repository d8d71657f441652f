"""Make slides of every reading notebook that need no network, out of its cells.

A notebook's slides are, in its order: its title with the question and the answer; every cell tagged `slide`, a text or
what its code shows; every statement, its derivation as speaker notes; every figure; "What we saw".

python book/slides.py    writes build/slides
"""

import html
import re
from dataclasses import dataclass
from pathlib import Path

from nbconvert.filters import markdown2html

from qmis_utils import run
from qmis_utils.runner import figure_files, notebooks
from qmis_utils.store import downloads
from qmis_utils.store.paths import ROOT

BOOK = Path(__file__).resolve().parent
# Folder in each wheel, and the parts of it that the pages load.
MATHJAX = "sphinx-mathjax-offline/static/mathjax/"  # 3.2.2
MATHJAX_PARTS = ("tex-chtml.js", "output/chtml/fonts/woff-v2/", "input/tex/extensions/")
REVEAL = "sphinx_revealjs/_static/revealjs/"
REVEAL_PARTS = ("dist/reveal.", "dist/theme/white.css", "dist/theme/fonts/source-sans-pro/", "plugin/notes/", "LICENSE")

HEADING = re.compile(r"^## (?:(\d+) · )?(.+)$", re.MULTILINE)
LINK = re.compile(r"\[([^\]\n]+)\]\((?:[^()\s]*\.ipynb[^()\s]*|#[^()\s]*|https?:[^()\s]*)\)")
STATEMENT = re.compile(
    r"\*\*Statement (\d+)(?: \(ours\))?\.\*\*.*?(?=\n\n\*Derivation|\n\n\*\*Statement|\n\n\*\*In the paper|\Z)",
    re.DOTALL,
)
WHAT_WE_SAW = re.compile(
    r"^## (?:\d+ · )?What we saw\n.*?(?=\n\n\*\*(?:Exercises|Next|To go)|\n## |\Z)", re.DOTALL | re.MULTILINE
)


@dataclass
class Slide:
    """A slide: its anchor, its kind (`text` or `figure`), what it shows as HTML, and the speaker's notes."""

    anchor: str
    kind: str
    shown: str
    notes: str = ""

    def __str__(self):
        notes = f'<aside class="notes">{self.notes}</aside>' if self.notes else ""
        return f'<section id="{self.anchor}">\n<div class="{self.kind}">{self.shown}</div>\n{notes}</section>'


def as_html(text):
    """Return Markdown with formulas as HTML; what its links say stays, where they lead does not."""
    return markdown2html(LINK.sub(r"\1", text))


def opening(source):
    """Return the slide of the first cell: title, question and answer; without these, what it says first."""
    title, *paragraphs = source.split("\n\n")
    asked = [part for part in paragraphs if part.startswith(("**Question.**", "**Answer.**"))] or paragraphs[:1]
    return Slide("title", "text", as_html("\n\n".join([title, *asked])), as_html("\n\n".join(paragraphs)))


def statements(source, section):
    """Yield a slide for each statement of a text cell, below the section; what else the cell says is notes."""
    for match in STATEMENT.finditer(source):
        shown = f"## {section}\n\n{match[0]}" if section else match[0]
        yield Slide(f"statement-{match[1]}", "text", as_html(shown), as_html(source))


def figure(output, stems):
    """Return the slide of a figure; its alt text is for those who cannot see it."""
    alt = " ".join(output.metadata["image/png"]["alt"].split())
    picture = f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{output.data["image/png"].strip()}">'
    return Slide(f"figure-{stems.get(alt, 'of-this-notebook')}", "figure", picture)


def shown_output(output):
    """Return what a code cell shows beside figures: a table as it is, a text as it was printed."""
    if "text/html" in output.get("data", {}):
        return re.sub(r"<style.*?</style>", "", output.data["text/html"], flags=re.DOTALL)
    return f"<pre>{html.escape(output.get('text') or output.get('data', {}).get('text/plain', ''))}</pre>"


def deck(notebook, stem):
    """Return the slides of a notebook, in order, each with an anchor of its own."""
    entries = figure_files.read_manifest(ROOT / "figures").items()
    stems = {" ".join(entry["alt"].split()): name for name, entry in entries if entry["notebook"] == stem}
    slides, number, section = [opening(notebook.cells[0].source)], "0", ""
    for cell in notebook.cells[1:]:
        tagged = notebooks.has_tag(cell, "slide")
        if cell.cell_type == "markdown":
            if headings := HEADING.findall(cell.source):
                number, section = headings[-1][0] or number, headings[-1][1]
            if tagged:
                text, *notes = re.split(r"\n\n(?=\*Derivation)", cell.source, maxsplit=1)
                title = "" if HEADING.match(text) else f"## {section}\n\n"
                slides.append(Slide(f"section-{number}", "text", as_html(title + text), as_html("\n\n".join(notes))))
            else:
                slides += statements(cell.source, section)
            if match := WHAT_WE_SAW.search(cell.source):
                slides.append(Slide("what-we-saw", "text", as_html(match[0])))
            continue
        if notebooks.has_tag(cell, "solution") or notebooks.has_tag(cell, "exercise"):
            continue
        pictures = [output for output in cell.outputs if "image/png" in output.get("data", {})]
        slides += [figure(output, stems) for output in pictures]
        if tagged and (rest := [output for output in cell.outputs if output not in pictures]):
            title = as_html(f"## {section}")
            slides.append(Slide(f"section-{number}", "text", title + "".join(map(shown_output, rest))))
    return with_own_anchors(slides)


def with_own_anchors(slides):
    """Return slides of which no two have the same anchor: the second of a section ends in -2."""
    seen = {}
    for slide in slides:
        seen[slide.anchor] = seen.get(slide.anchor, 0) + 1
        if seen[slide.anchor] > 1:
            slide.anchor += f"-{seen[slide.anchor]}"
    return slides


def reading_notebooks():
    """Return the notebooks that have slides, stem -> path: the numbered ones."""
    return {stem: path for stem, path in notebooks.find_notebooks(run.NOTEBOOKS).items() if stem[0].isdigit()}


def write(out):
    """Write the slides and all that they load into a folder."""
    downloads.copy_members("sphinx_mathjax_offline", MATHJAX, MATHJAX_PARTS, out / "mathjax")
    downloads.copy_members("sphinx_revealjs", REVEAL, REVEAL_PARTS, out / "reveal")
    template = (BOOK / "slides.html").read_text(encoding="utf-8")
    for stem, path in reading_notebooks().items():
        notebook = notebooks.read_notebook(path)
        title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
        page = template.replace("@TITLE@", html.escape(title))
        page = page.replace("@SLIDES@", "\n".join(map(str, deck(notebook, stem))))
        (out / f"{stem}.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write(run.BUILD / "slides")
    print(f"{run.BUILD / 'slides'}: {', '.join(f'{stem}.html' for stem in reading_notebooks())}")

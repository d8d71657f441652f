"""The references of the lesson plan: `[[05#7]]` to a notebook, `[[slide 01#statement-5]]`, `[[exercise 04.1]]`.

Where a reference leads nowhere, the page says it in words, without a link; a test finds it.
"""

import re
from functools import cache

import slides
import yaml

from qmis_utils import run
from qmis_utils.runner import notebooks

REFERENCE = re.compile(r"\[\[(slide |exercise )?(\w+)(?:#([\w-]+)|\.(\d+))?\]\]")


def find(text):
    """Return the references of a text: (kind, notebook's number, place)."""
    return [((match[1] or "").strip(), match[2], match[3] or match[4]) for match in REFERENCE.finditer(text)]


@cache
def stems():
    """Return number -> stem of the notebooks."""
    return {stem.split("_")[0]: stem for stem in notebooks.find_notebooks(run.NOTEBOOKS)}


@cache
def anchors(number):
    """Return the anchors of a notebook's slides."""
    notebook = notebooks.read_notebook(run.NOTEBOOKS / f"{stems()[number]}.ipynb")
    return {slide.anchor for slide in slides.deck(notebook, stems()[number])}


@cache
def sections(number):
    """Return the numbers of a notebook's sections."""
    notebook = notebooks.read_notebook(run.NOTEBOOKS / f"{stems()[number]}.ipynb")
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return set(re.findall(r"^## (\d+) · ", text, re.MULTILINE))


@cache
def exercises():
    """Return the numbers of all exercises."""
    return set(yaml.safe_load((run.NOTEBOOKS / "exercises.yaml").read_text(encoding="utf-8")))


def leads_somewhere(kind, number, place):
    """Say whether a reference leads to what there is."""
    if kind == "exercise":
        return f"{number}.{place}" in exercises()
    if number not in stems():
        return False
    if kind == "slide":
        return number.isdigit() and place in anchors(number)
    return place is None or place in sections(number)


def link(kind, number, place):
    """Return a reference as the book's link, or in words where there is nothing to link."""
    if kind == "exercise":
        return f"exercise {number}.{place}"
    known = leads_somewhere(kind, number, place)
    if kind == "slide":
        words = f"slides {number}, " + ("figure" if place.startswith("figure") else place.replace("-", " "))
        return f'<a href="slides/{stems()[number]}.html#/{place}">{words}</a>' if known else words
    words = f"{'notebook' if number.isdigit() else 'study'} {number}" + (f", section {place}" if place else "")
    if not known:
        return words
    return f"[{words}](#{number}-{place})" if place else f"[{words}](notebooks/{stems()[number]}.ipynb)"


def resolved(text):
    """Return a text with its references as links, and with links to the slides of all reading notebooks."""
    decks = ", ".join(
        f'<a href="slides/{stem}.html">{number}</a>' for number, stem in stems().items() if number.isdigit()
    )
    text = text.replace("@SLIDES@", decks)
    return REFERENCE.sub(lambda match: link(*find(match[0])[0]), text)

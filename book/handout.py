"""Draw the two-page handout of the course: its formulas, and three figures. It needs neither a network nor LaTeX.

python book/handout.py [FILE]    FILE is build/handout.pdf unless told
"""

import sys
import textwrap
from pathlib import Path

import PIL.Image
import yaml
from matplotlib import pyplot as plt
from matplotlib.backends.backend_pdf import PdfPages

from qmis_utils import figures
from qmis_utils.store.paths import BUILD, ROOT

SIZE = (8.27, 11.69)  # A4, inches
LEFT, RIGHT = 0.08, 0.93
TEXTS = Path(__file__).with_name("handout.yaml")


def blank():
    """Return the axes of an empty page, its coordinates from 0 to 1."""
    page = plt.figure(figsize=SIZE, layout="none")
    axes = page.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return page, axes


def formulas(pages, entries):
    """Draw the page of formulas."""
    page, axes = blank()
    axes.text(LEFT, 0.955, "Membership inference and quantization", size=19, weight="bold", va="top")
    axes.text(LEFT, 0.922, "QMIS, handout, page 1: the formulas", size=10, color="#555555", va="top")
    height = 0.885
    for entry in entries:
        axes.text(LEFT, height, entry["title"], size=11, weight="bold", color="#0b5394", va="top")
        axes.text(LEFT + 0.02, height - 0.032, entry["formula"], size=12.5, va="center")
        lines = textwrap.wrap(entry["words"], 116)
        axes.text(LEFT + 0.02, height - 0.049, "\n".join(lines), size=8.5, va="top", linespacing=1.25)
        height -= 0.0645 + 0.0125 * len(lines)
    pages.savefig(page)
    plt.close(page)


def pictures(pages, entries, rules):
    """Draw the page of figures, with what to remember below."""
    page, axes = blank()
    axes.text(LEFT, 0.955, "QMIS, handout, page 2: three figures, five rules", size=10, color="#555555", va="top")
    top, room = 0.93, 0.255
    for entry in entries:
        paths = [ROOT / "figures" / f"{stem}.png" for stem in entry["stems"]]
        found = [path for path in paths if path.exists()]
        if not found:
            raise ValueError(f"book/handout.yaml: there is no figure {' or '.join(entry['stems'])}")
        picture = PIL.Image.open(found[0]).convert("RGB")
        width = min(RIGHT - LEFT, (room - 0.03) * SIZE[1] / SIZE[0] * picture.width / picture.height)
        height = width * SIZE[0] / SIZE[1] * picture.height / picture.width
        place = page.add_axes(((LEFT + RIGHT - width) / 2, top - height, width, height))
        place.imshow(picture, interpolation="none", resample=False)
        place.set_axis_off()
        axes.text(0.505, top - height - 0.008, entry["words"], size=9, style="italic", ha="center", va="top")
        top -= height + 0.042
    for position, words in enumerate(rules, start=1):
        axes.text(LEFT, top - 0.025 * (position - 1), f"{position}.  {words}", size=9.5, va="top")
    pages.savefig(page)
    plt.close(page)


def write(path):
    """Write the handout; two runs give the same bytes."""
    figures.use_style()
    given = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    information = {"Title": "QMIS: handout", "Creator": None, "Producer": None, "CreationDate": None}
    with plt.rc_context({"mathtext.fontset": "cm"}), PdfPages(path, metadata=information) as pages:
        formulas(pages, given["formulas"])
        pictures(pages, given["figures"], given["rules"])


if __name__ == "__main__":
    goal = Path(sys.argv[1]) if len(sys.argv) > 1 else BUILD / "handout.pdf"
    write(goal)
    print(goal)

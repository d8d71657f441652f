"""The book: it builds without a warning and without a network, every link leads somewhere, every list is whole."""

import html.parser
import importlib
import json
import os
import re
import subprocess
import sys
import urllib.parse

import nbformat
import pandas as pd
import pytest

from qmis_utils import PUBLIC, run
from qmis_utils.runner import figure_files, notebooks
from qmis_utils.store import downloads
from qmis_utils.store.paths import PACKAGE

sys.path.insert(0, str(run.ROOT / "book"))
import explorables
import handout
import references
import results
import slides

build = importlib.import_module("build")  # by name: linters take it for the folder of what is built
NOTEBOOKS = notebooks.find_notebooks(run.NOTEBOOKS)
NO_NETWORK = """import socket
def refuse(*_): raise OSError("no network")
socket.socket.connect = socket.getaddrinfo = refuse"""


class Page(html.parser.HTMLParser):
    """The addresses, anchors, pictures and own scripts of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.anchors, self.alts = [], [], set(), {}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "img":
            self.alts[given["src"]] = given.get("alt", "")
        if "src" in given or tag == "link":
            self.loads.append(given.get("src") or given["href"])


def test_a_book_is_not_made_of_figures_that_other_parameters_made(tmp_path):
    kept = tmp_path / "index.html"
    kept.write_text("an earlier book")
    code = (
        "import sys; sys.path.insert(0, 'book'); import pathlib, build\n"
        "build.run.stale_figures = lambda *_: ['05_ranking: made with n_models = 16', '05_roc: too']\n"
        "sys.exit(build.main(pathlib.Path(sys.argv[1])))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=run.ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "05_ranking: made with n_models = 16, and 1 more; `git checkout figures`" in done.stderr
    assert kept.exists()


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The book, built with every connection refused once the two JavaScript wheels are in the cache."""
    for wheel in ("sphinx_mathjax_offline", "sphinx_revealjs"):
        downloads.fetch_wheel(wheel)
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(NO_NETWORK)
    places = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    out, environment = folder / "book", os.environ | {"PYTHONPATH": places}
    command = [sys.executable, str(run.ROOT / "book" / "build.py"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # a warning
    return out


@pytest.fixture(scope="module")
def pages(book):
    return {path: Page(path) for path in book.rglob("*.html") if "_static" not in path.parts}


def target(path, link):
    """Return the file and the anchor that a link of a page leads to."""
    parts = urllib.parse.urlparse(link)
    goal = path.parent / urllib.parse.unquote(parts.path) if parts.path else path
    return goal.resolve(), urllib.parse.unquote(parts.fragment)


def test_every_internal_link_leads_to_a_page_and_an_anchor_that_exist(pages):
    for path, page in pages.items():
        for link in page.links:
            if not link.startswith(("http://", "https://", "mailto:")):
                goal, anchor = target(path, link)
                assert goal.exists(), f"{path.name}: {link}"
                assert not anchor or anchor in pages[goal].anchors or "slides" in goal.parts, f"{path.name}: {link}"


def test_all_that_a_page_loads_is_on_the_site(book, pages):
    for path, page in pages.items():
        for link in page.loads:
            if not link.startswith("data:"):
                goal, _ = target(path, link)
                assert goal.is_relative_to(book.resolve()) or link.startswith(("#", "search")), f"{path.name}: {link}"
                assert goal.exists(), f"{path.name}: {link}"
    for sheet in book.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*[\"']?https?:", sheet.read_text(encoding="utf-8")), sheet.name


def test_every_figure_of_a_notebook_is_shown_with_its_alt_text(book, pages):
    for stem in NOTEBOOKS:
        alts = {" ".join(alt.split()) for alt in pages[book / "notebooks" / f"{stem}.html"].alts.values()}
        entries = figure_files.read_manifest(run.ROOT / "figures").values()
        assert alts == {" ".join(entry["alt"].split()) for entry in entries if entry["notebook"] == stem}


def test_drawing_code_and_solutions_are_folded():
    new = nbformat.v4
    picture = new.new_output("display_data", {"image/png": "AA=="}, metadata={"image/png": {"alt": "A curve."}})
    cells = [
        new.new_code_cell("import numpy as np"),
        new.new_code_cell("draw", metadata={"tags": ["hide-input"]}, outputs=[picture]),
        new.new_code_cell("solve", metadata={"tags": ["solution"]}),
        new.new_code_cell("plain"),
    ]
    linked = nbformat.reads(build.linked("99_x", new.new_notebook(cells=cells), {}), 4)
    imports, drawn, solved, plain = (cell.metadata for cell in linked.cells)
    assert imports.mystnb.code_prompt_show == "Show the imports"
    assert "hide-input" in imports.tags
    assert drawn.tags == ["hide-input"]
    assert drawn.mystnb.image.alt == "A curve."
    assert drawn.mystnb.code_prompt_show == "Show the drawing code"
    assert solved.tags == ["solution", "hide-cell"]
    assert solved.mystnb.code_prompt_show == "Show the solution"
    assert "mystnb" not in plain


def test_every_figure_has_its_notebook_and_command(book, pages):
    page = pages[book / "figures.html"]
    text = re.sub(r"<[^>]+>", "", (book / "figures.html").read_text(encoding="utf-8"))
    for stem, entry in figure_files.read_manifest(run.ROOT / "figures").items():
        assert f"notebooks/{entry['notebook']}.html" in page.links
        assert f"-m qmis_utils.run {stem.split('_')[0]}" in text
        assert any(src.endswith(f"/{stem}.png") for src in page.alts)


def test_all_fourteen_statements_lead_to_tests_that_exist(book, pages):
    text = (book / "statements.html").read_text(encoding="utf-8")
    assert {f"Statement {number}" for number in range(1, 15)} <= set(re.findall(r"Statement \d+", text))
    named = {link.split("#")[1] for link in pages[book / "statements.html"].links if link.startswith("tests.html#")}
    assert len(named) >= 14
    assert named <= pages[book / "tests.html"].anchors


def test_every_helper_module_of_every_room_has_its_page(book):
    rooms = {f"{room}.{module}" for room, modules in PUBLIC.items() for module in modules}
    paths = [path for path in PACKAGE.rglob("*.py") if path.stem != "__init__"]
    modules = {path.stem if path.parent == PACKAGE else f"{path.parent.name}.{path.stem}" for path in paths}
    assert modules > rooms | {"ensemble", "runner.sweeps", "store.paths"}
    assert {path.name.removesuffix(".html") for path in (book / "api").glob("*.html")} == modules


def test_helpers_named_in_notebooks_lead_to_their_entries(book, pages):
    links = [link for stem in NOTEBOOKS for link in pages[book / "notebooks" / f"{stem}.html"].links]
    assert "../api/attacks.scores.html#qmis_utils.attacks.scores.lira" in links


@pytest.mark.parametrize("stem", [stem for stem in NOTEBOOKS if stem[0].isdigit()])
def test_every_reading_notebook_has_slides_with_its_figures(book, pages, stem):
    page, notebook = pages[book / "slides" / f"{stem}.html"], notebooks.read_notebook(NOTEBOOKS[stem])
    made = {
        name: entry
        for name, entry in figure_files.read_manifest(run.ROOT / "figures").items()
        if entry["notebook"] == stem
    }
    assert sorted(page.alts.values()) == sorted(" ".join(entry["alt"].split()) for entry in made.values())
    text = (book / "slides" / f"{stem}.html").read_text(encoding="utf-8")
    anchors = re.findall(r'<section id="([^"]+)">', text)
    assert anchors[0] == "title"
    assert len(anchors) == len(set(anchors))
    assert {f"figure-{name}" for name in made} | {"what-we-saw"} <= set(anchors)
    words = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    said = re.findall(r"\*\*Statement (\d+)", "\n".join(words))
    assert {f"statement-{number}" for number in said} <= set(anchors) or any(
        notebooks.has_tag(cell, "slide") for cell in notebook.cells
    )
    assert not re.search(r"<figcaption|</img>\s*<p>", text)  # the alt text is for those who cannot see the picture
    for part in ("**Question.**", "**Answer.**"):
        if part in words[0]:
            assert f"<strong>{part.strip('*')}</strong>" in text.split("</section>")[0]


def test_a_cell_tagged_slide_is_a_slide_and_notes_hold_the_derivation():
    new = nbformat.v4
    tags = {"tags": ["slide"]}
    shown = [new.new_output("display_data", {"text/html": "<table><tr><td>7</td></tr></table>", "text/plain": "7"})]
    cells = [
        new.new_markdown_cell("# 42 · Title\n\n**Question.** Why?\n\n**Answer.** So, 0.7.\n\nNeeded: nothing."),
        new.new_markdown_cell("## 3 · A part\n\nNot shown."),
        new.new_markdown_cell(
            "Shown, see [C, section 7](C_attack_families.ipynb).\n\n*Derivation.* Long.", metadata=tags
        ),
        new.new_code_cell("table", metadata=tags, outputs=shown),
        new.new_code_cell("other", outputs=shown),
        new.new_markdown_cell("## 4 · Law\n\n**Statement 5.** *It falls.*\n\n*Derivation.* Easy."),
        new.new_markdown_cell("## What we saw\n\n- This.\n\n**Next.** On."),
    ]
    made = slides.deck(new.new_notebook(cells=cells), "42_title")
    assert [slide.anchor for slide in made] == ["title", "section-3", "section-3-2", "statement-5", "what-we-saw"]
    title, text, table, law, end = made
    assert "Why?" in title.shown
    assert "0.7" in title.shown
    assert "Needed" not in title.shown
    assert "A part" in text.shown
    assert "Shown, see C, section 7." in text.shown
    assert "Long" in text.notes
    assert "<table>" in table.shown
    assert "It falls" in law.shown
    assert "Easy" not in law.shown
    assert "Easy" in law.notes
    assert "On." not in end.shown


PLAN = (run.ROOT / "book" / "lesson_plan.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "reference", sorted(set(references.find(PLAN)), key=str), ids=lambda parts: " ".join(map(str, parts))
)
def test_what_the_lesson_plan_refers_to_exists(reference):
    assert references.leads_somewhere(*reference)


def test_the_lesson_plan_gives_its_minutes_and_opens_its_slides(book, pages):
    for part in re.findall(r"## [^\n]*\((\d+) min\)\n(.*?)(?=\n## )", PLAN, re.S):
        assert sum(int(minutes) for minutes in re.findall(r"^\| (\d+) \|", part[1], re.M)) == int(part[0])
    assert len(re.findall(r"\(90 min\)", PLAN)) == 5
    text = (book / "lesson_plan.html").read_text(encoding="utf-8")
    assert "[[" not in text
    opened = [link for link in pages[book / "lesson_plan.html"].links if link.startswith("slides/")]
    assert len(opened) >= 5
    for link in opened:
        name, _, anchor = link.partition("#/")
        assert f'<section id="{anchor or "title"}">' in (book / name).read_text(encoding="utf-8"), link


def test_results_have_their_numbers_from_tables(tmp_path):
    found = results.results()
    assert len({result.id for result in found}) == len(found) >= 4
    assert len([result for result in found if result.first]) <= 5
    manifest = figure_files.read_manifest(run.ROOT / "figures")
    for result in found:
        assert "{" not in re.sub(r"\$.*?\$", "", result.sentence)
        assert result.figure in manifest
        assert re.search(r"\d", result.sentence)
        for text, _ in result.numbers.values():
            assert text in result.sentence


def test_a_result_without_its_cell_is_named(tmp_path):
    pd.DataFrame({"name": ["a", "a", "b"], "value": [0.25, 0.5, -3.0]}).to_csv(tmp_path / "99_x.csv", index=False)
    number = {"figure": "99_x", "where": {"name": "a"}, "column": "value"}
    given = {"id": "one", "title": "t", "says": "It is {x}.", "numbers": {"x": number}, "figure": "99_x", "read": "00"}
    with pytest.raises(ValueError, match=r"results\.yaml, one: \{x\}: 99_x\.csv has 2 rows with \{'name': 'a'\}"):
        results.read_result(given, tmp_path)
    for take, text in (("mean", "0.38"), ("max", "0.50"), ("count", "2.00"), ("first", "0.25")):
        assert results.read_number(number | {"take": take}, tmp_path)[0] == text
    power = {"figure": "99_x", "where": {"name": "b"}, "column": "value", "power": 10, "times": 100, "format": ".1f"}
    assert results.read_number(power, tmp_path)[0] == "0.1"
    with pytest.raises(ValueError, match=r"one: \{x\}: 99_x\.csv has no column other; it has name, value"):
        results.read_result(given | {"numbers": {"x": number | {"column": "other"}}}, tmp_path)
    with pytest.raises(ValueError, match=r"one: no number \{y\}"):
        results.read_result(given | {"says": "{y}", "numbers": {}}, tmp_path)


def test_the_first_page_and_the_page_of_results_hold_every_result(book, pages):
    def words(text):
        return re.sub(r"\W+", " ", re.sub(r"\$[^$]*\$|<[^>]+>|\\\(.*?\\\)", " ", text))

    page, first = (words((book / name).read_text(encoding="utf-8")) for name in ("results.html", "index.html"))
    for result in results.results():
        assert words(result.sentence).strip() in page
        assert not result.first or words(result.sentence).strip() in first
        assert result.id in pages[book / "results.html"].anchors
        assert any(source.endswith(f"/{result.figure}.png") for source in pages[book / "results.html"].alts)


def test_the_glossary_has_each_word_once():
    text = (run.ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```\{glossary\}\n(.*?)```", text, re.S)
    terms = [line for block in blocks for line in block.splitlines() if line and not line.startswith(" ")]
    assert len(terms) == len(set(terms)) >= 50
    one_meaning = [
        "weight attack",
        "setting",
        "group",
        "exposure",
        "pool",
        "signal",
        "shadow",
        "target",
        "survival law",
    ]
    assert {*one_meaning, "loss gap ($D_k$)", "regression", "threshold of a verdict"} <= set(terms)


def test_the_handout_has_two_pages_and_stays_the_same(book, tmp_path):
    handout.write(tmp_path / "again.pdf")
    made = (book / "handout.pdf").read_bytes()
    assert made == (tmp_path / "again.pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b(?!s)", made)) == 2
    assert len(made) < 1_000_000


def test_any_static_host_can_serve_the_site_from_any_folder(book, pages):
    assert (book / ".nojekyll").exists()
    for path, page in pages.items():
        for link in page.links + page.loads:
            assert not link.startswith(("/", "file:")), f"{path.name}: {link}"
            assert str(run.ROOT) not in link, f"{path.name}: {link}"


@pytest.mark.parametrize("name", explorables.PAGES)
def test_an_explorable_figure_holds_the_numbers_of_the_notebooks(book, name):
    text = (book / "explore" / f"{name}.html").read_text(encoding="utf-8")
    shown = json.loads(re.search(rf'<script type="application/json" id="{name}-data">(.*?)</script>', text, re.S)[1])
    given = explorables.settings()[name]
    if name == "game":
        assert shown == given
    elif name == "phase":
        assert shown == explorables.phase_data(given)
        assert sorted(shown) == sorted(given["columns"])
    else:
        assert shown == explorables.network_data(given)
        assert len(shown["quantizers"]) >= 5
        for quantizer in shown["quantizers"]:
            for init in shown["initialisations"]:
                assert "predicted" in quantizer[init]["outputs"]
                for part in ("utility", *shown["releases"]):
                    values = quantizer[init].get(part, {"low": 0, "value": 0, "high": 0})
                    assert values["low"] <= values["value"] <= values["high"]
    assert not re.search("@[A-Z]+@", text)


def test_what_an_explorable_figure_misses_is_named(tmp_path):
    source = {"figure": "05_x", "where": {"difficulty": "hard"}, "columns": {"quantizer": "quantizer", "value": "auc"}}
    with pytest.raises(ValueError, match=r"data\.yaml: there is no figure 05_x"):
        explorables.read_rows(source, tmp_path)
    pd.DataFrame({"quantizer": ["sign"], "difficulty": ["easy"]}).to_csv(tmp_path / "05_x.csv", index=False)
    with pytest.raises(ValueError, match=r"data\.yaml: 05_x\.csv lacks auc; it has quantizer, difficulty"):
        explorables.read_rows(source, tmp_path)
    pd.DataFrame({"quantizer": ["sign"], "difficulty": ["easy"], "auc": [0.6]}).to_csv(
        tmp_path / "05_x.csv", index=False
    )
    with pytest.raises(ValueError, match=r"data\.yaml: 05_x\.csv has no row with {'difficulty': 'hard'}"):
        explorables.read_rows(source, tmp_path)


def test_a_quantizer_with_two_rows_is_named(tmp_path):
    table = pd.DataFrame({"quantizer": ["sign", "sign"], "init": ["shared", "random"], "auc": [0.6, 0.5]})
    table.to_csv(tmp_path / "05_x.csv", index=False)
    source = {"figure": "05_x", "columns": {"quantizer": "quantizer", "value": "auc"}}
    with pytest.raises(ValueError, match=r"data\.yaml: 05_x\.csv has two rows of a quantizer with {}"):
        explorables.by_quantizer(source, "random", tmp_path)
    assert explorables.by_quantizer(source | {"by": "init"}, "random", tmp_path) == {"sign": {"value": 0.5}}


def test_the_site_is_small(book):
    assert sum(path.stat().st_size for path in book.rglob("*") if path.is_file()) < 25_000_000


@pytest.mark.parametrize("place", ["README.md", "notebooks/py/00_start_here.py"])
def test_the_results_stand_word_for_word_where_readers_begin(place):
    text = (run.ROOT / place).read_text(encoding="utf-8")
    said = " ".join(re.sub(r"^#\s", "", text, flags=re.MULTILINE).split())
    shown = [result for result in results.results() if result.first or place != "README.md"]
    assert len(shown) == (5 if place == "README.md" else 10)
    for result in shown:
        assert result.sentence in said, result.id

"""The book: it builds without a warning and without a network, every link leads somewhere, every list is whole."""

import html.parser
import json
import os
import re
import subprocess
import sys
import urllib.parse

import pandas as pd
import pytest

from qmis_utils import PUBLIC, run
from qmis_utils.runner import figure_files, notebooks
from qmis_utils.store import downloads
from qmis_utils.store.paths import PACKAGE

sys.path.insert(0, str(run.ROOT / "book"))
import explorables

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
    out, environment = folder / "book", os.environ | {"PYTHONPATH": str(folder)}
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


def test_slides_are_there_with_their_pictures_and_notes(book, pages):
    page = pages[book / "slides" / "01_theory_derivation.html"]
    made = [
        e for e in figure_files.read_manifest(run.ROOT / "figures").values() if e["notebook"] == "01_theory_derivation"
    ]
    assert sorted(page.alts.values()) == sorted(" ".join(entry["alt"].split()) for entry in made)
    text = (book / "slides" / "01_theory_derivation.html").read_text(encoding="utf-8")
    assert text.count('class="notes"') >= 10


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
            for part in ("utility", "outputs"):
                assert quantizer[part]["low"] <= quantizer[part]["value"] <= quantizer[part]["high"]
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


def test_the_site_is_small(book):
    assert sum(path.stat().st_size for path in book.rglob("*") if path.is_file()) < 20_000_000

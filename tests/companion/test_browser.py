"""What a reader sees, in headless Chromium: the book at two widths, and two whole notebooks run live in JupyterLab.

Deselected by default: `pytest -m browser` runs it where Debian's chromium and chromium-driver are installed and
`make book slides` has been run. Screenshots go to build/screenshots.
"""

import base64
import functools
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

import nbformat
import numpy as np
import pytest
import yaml
from scipy import special
from scipy.stats import norm
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from qmis_utils import run
from qmis_utils.runner import figure_files, notebooks
from qmis_utils.store.paths import PACKAGE
from qmis_utils.theory import security

sys.path.insert(0, str(run.ROOT / "book"))
import explorables

pytestmark = pytest.mark.browser
BOOK = run.BUILD / "book"
WIDTHS = (1280, 390)
QUICK = yaml.safe_load((run.ROOT / "tests" / "params.yaml").read_text())
PAGES = ["index", "statements", "tests", "figures", "bibliography", "lesson_plan", "search", "genindex"]
PAGES = [f"{name}.html" for name in PAGES]
MODULES = [path.relative_to(PACKAGE).with_suffix("").parts for path in sorted(PACKAGE.rglob("*.py"))]
PAGES += [f"api/{'.'.join(parts)}.html" for parts in MODULES if "__init__" not in parts]
PAGES += [f"explore/{name}.html" for name in explorables.PAGES]
PAGES += [f"notebooks/{stem}.html" for stem in notebooks.find_notebooks(run.NOTEBOOKS)]
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false"},  # else a question covers the buttons
    "notebook-extension/tracker": {"windowingMode": "none"},  # else only what is scrolled into view is drawn
}


def notebook(stem):
    return notebooks.read_notebook(run.NOTEBOOKS / f"{stem}.ipynb")


def entries(stem):
    """Return the manifest entries of the figures of a notebook."""
    return [entry for entry in figure_files.read_manifest(run.ROOT / "figures").values() if entry["notebook"] == stem]


SLIDE_SIZE = """const slide = Reveal.getCurrentSlide(), formulas = slide.querySelectorAll("mjx-container[display]");
return [slide.firstElementChild.offsetHeight, Math.max(0, ...[...formulas].map((formula) => formula.scrollWidth)),
        parseFloat(getComputedStyle(slide).fontSize)]"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium that records its console and every request."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    profile = f"--user-data-dir={tmp_path_factory.mktemp('profile')}"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", profile):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def site():
    """The address of the built book, served from this machine."""
    handler = functools.partial(QuietHandler, directory=BOOK)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def resize(browser, width, height=900):
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def shoot(browser, name):
    folder = run.BUILD / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    whole = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    (folder / f"{name}.png").write_bytes(base64.b64decode(whole["data"]))


def complaints(browser):
    """Return the errors of the console, and the requests to other hosts, since the last call."""
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    web = [url for url in map(urllib.parse.urlparse, urls) if url.scheme in ("http", "https", "ws", "wss")]
    return errors, [url.geturl() for url in web if url.hostname != "127.0.0.1"]


def typeset(browser):
    """Wait until MathJax is done with the page, if the page has any."""
    browser.execute_async_script(
        "const done = arguments[0]; window.MathJax?.startup ? MathJax.startup.promise.then(done) : done()"
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_book_is_whole_at_both_widths(browser, site, page):
    resize(browser, WIDTHS[0])
    browser.get(f"{site}/{page}")
    typeset(browser)
    formulas = browser.execute_script("return document.querySelectorAll('.math').length")
    drawn = browser.execute_script("return document.querySelectorAll('.math mjx-container').length")
    assert drawn == formulas, "a formula without its MathJax container"
    assert browser.execute_script("return document.querySelectorAll('mjx-merror').length") == 0
    images = browser.execute_script(
        "return [...document.images].map(i => [i.naturalWidth > 0, i.alt.split(' ').length > 4])"
    )
    assert all(loaded and described for loaded, described in images)
    for width in WIDTHS:
        resize(browser, width)
        settle(browser)
        shoot(browser, f"{page.removesuffix('.html').replace('/', '_')}_{width}")
        wide = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"the page is {wide} px wider than the window of {width} px"
    assert complaints(browser) == ([], [])


OVERFLOW = """const parts = [...document.querySelectorAll(arguments[0])].filter((part) => part.checkVisibility());
return parts.filter((part) => part.scrollWidth > part.clientWidth + 1).map((part) => part.textContent.slice(0, 60))"""
READING = [stem for stem in notebooks.find_notebooks(run.NOTEBOOKS) if stem[0].isdigit()]
BOXES = "article pre, article .table-wrapper, article .cell_output, article div.math, article mjx-container[display]"


def settle(browser):
    """Wait until the page has made its wide parts smaller."""
    typeset(browser)
    browser.execute_async_script("setTimeout(arguments[0], 300)")


@pytest.mark.parametrize("stem", READING)
def test_nothing_of_a_reading_notebook_is_wider_than_its_column(browser, site, stem):
    resize(browser, WIDTHS[0])
    browser.get(f"{site}/notebooks/{stem}.html")
    settle(browser)
    assert browser.execute_script(OVERFLOW, BOXES) == []
    column = browser.execute_script("return document.querySelector('article').getBoundingClientRect().right")
    pictures = (
        "return [...document.querySelectorAll('article img')].map((image) => image.getBoundingClientRect().right)"
    )
    assert max(browser.execute_script(pictures)) <= column + 1


@pytest.mark.parametrize("stem", READING)
def test_the_first_figure_of_a_reading_notebook_comes_within_two_screens(browser, site, stem):
    resize(browser, 1280, 900)
    browser.get(f"{site}/notebooks/{stem}.html")
    settle(browser)
    top = "return document.querySelector('.cell_output img').getBoundingClientRect().top + window.scrollY"
    assert browser.execute_script(top) < 1800


def test_the_notebooks_show_their_equations_and_figures(browser, site):
    stem = "01_theory_derivation"
    browser.get(f"{site}/notebooks/{stem}.html")
    typeset(browser)
    text = "\n".join(c.source for c in notebook(stem).cells if c.cell_type == "markdown")
    displayed = browser.find_elements(By.CSS_SELECTOR, "mjx-container[display='true']")
    assert len(displayed) == text.count("$$") / 2 > 7
    shown = {image.get_attribute("alt") for image in browser.find_elements(By.CSS_SELECTOR, ".cell_output img")}
    assert {" ".join(alt.split()) for alt in shown} == {" ".join(entry["alt"].split()) for entry in entries(stem)}


def test_search_finds_a_word_of_the_theory(browser, site):
    resize(browser, WIDTHS[0])
    browser.get(f"{site}/search.html?q=Plackett")
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#search-results li a"))
    found = [link.text for link in browser.find_elements(By.CSS_SELECTOR, "#search-results li a")]
    assert any(text.startswith("A · ") for text in found)
    assert complaints(browser) == ([], [])


@pytest.mark.parametrize("stem", READING)
def test_the_slides_turn_and_stay_at_home(browser, site, stem):
    resize(browser, WIDTHS[0], 720)
    browser.get(f"{site}/slides/{stem}.html")
    WebDriverWait(browser, 30).until(lambda b: b.execute_script("return window.Reveal?.isReady() ?? false"))
    typeset(browser)
    count = browser.execute_script("return Reveal.getTotalSlides()")
    assert count >= 2 + len(entries(stem))
    for index in range(count):
        high, widest, letters = browser.execute_script(SLIDE_SIZE)
        shoot(browser, f"slides_{stem[:2]}_{index:02}")
        assert high <= 701, f"slide {index} is {high} px high"
        assert widest <= 1200, f"a formula of slide {index} is {widest} px wide"
        assert letters >= 13, f"slide {index} has letters of {letters} px"
        browser.execute_script("Reveal.next()")
    assert browser.execute_script("return [...document.images].every(i => i.naturalWidth > 0)")
    assert complaints(browser) == ([], [])


def test_a_link_opens_the_slide_that_it_names(browser, site):
    browser.get(f"{site}/slides/01_theory_derivation.html#/statement-5")
    WebDriverWait(browser, 30).until(lambda b: b.execute_script("return window.Reveal?.isReady() ?? false"))
    assert browser.execute_script("return Reveal.getCurrentSlide().id") == "statement-5"


# ------------------------------------------------------------------------------------------------ explorable figures


def shown(browser, name):
    """Return what an explorable figure shows under a name, as a number; a share for per cent."""
    text = browser.find_element(By.CSS_SELECTOR, f"output [data-show='{name}']").text
    text = text.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")).replace(" × 10", "e")
    return float(text.removesuffix(" %")) / (100 if text.endswith("%") else 1)


def by_keyboard(browser, name, keys):
    """Send keys to a slider, which gets the focus as the tabulator key would give it."""
    browser.execute_script("arguments[0].focus()", browser.find_element(By.ID, name))
    ActionChains(browser).send_keys(keys).perform()


def tap(browser, element, across, up):
    """Touch an element with a finger, at shares of its width and height."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    box = browser.execute_script("return arguments[0].getBoundingClientRect().toJSON()", element)
    at = {"x": box["left"] + across * box["width"], "y": box["top"] + (1 - up) * box["height"]}
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
    browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    browser.execute_async_script("setTimeout(arguments[0], 400)")  # the click that follows a touch comes later


@pytest.fixture(params=WIDTHS)
def width(request, browser):
    """A window's width; the narrow one is touched by fingers."""
    resize(browser, request.param)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": request.param < 500})
    yield request.param
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def distances(n, step, mean, z):
    """Return the total variation of the exact mean's laws with and without a record, and of the rounded mean's."""
    laws = [norm(mean, n**-0.5), norm(mean + (z - mean) / n, (n - 1) ** 0.5 / n)]
    grid = np.linspace(-12, 12, 2_000_001)
    exact = 0.5 * np.trapezoid(np.abs(laws[0].pdf(grid) - laws[1].pdf(grid)), grid)
    cells = step * (np.arange(-1000, 1001) + 0.5)
    return exact, 0.5 * np.abs(np.diff(laws[0].cdf(cells)) - np.diff(laws[1].cdf(cells))).sum()


def test_the_page_knows_the_normal_law(browser, site):
    browser.get(f"{site}/explore/game.html")
    points = np.linspace(-6, 20, 500)
    found = browser.execute_script("return arguments[0].map(QMIS.erfc)", points.tolist())
    np.testing.assert_allclose(found, special.erfc(points), rtol=1e-12)


@pytest.mark.parametrize(
    ("n", "step", "mean"), [(2, 1.5, 0.3), (10, 0.25, 0.3), (10, 1.5, 0.3), (100, 0.6, 0.3), (40, 1, 0)]
)
def test_the_page_finds_the_insecurity_that_the_theory_finds(browser, site, n, step, mean):
    browser.get(f"{site}/explore/game.html")
    found = browser.execute_script("return QMIS.insecurity(...arguments)", n, step, mean)
    assert found == pytest.approx(security.gaussian_mean_insecurity(n, step, mean), abs=2e-4)
    found = browser.execute_script("return QMIS.exactInsecurity(arguments[0])", n)
    assert found == pytest.approx(security.full_precision_insecurity(n, 1), abs=2e-4)


def test_the_game_follows_keys_and_fingers(browser, site, width):
    browser.get(f"{site}/explore/game.html")

    def check():
        z, n, step = (
            float(browser.find_element(By.ID, f"game-{name}").get_property("value")) for name in ("z", "n", "step")
        )
        exact, rounded = distances(n, step, 0.3, z)
        assert shown(browser, "exact") == pytest.approx((1 + exact) / 2, abs=6e-4)
        assert shown(browser, "rounded") == pytest.approx((1 + rounded) / 2, abs=6e-4)
        expected = (1 + security.gaussian_mean_insecurity(int(n), step, 0.3)) / 2
        assert shown(browser, "rounded-all") == pytest.approx(expected, abs=6e-4)
        return z, n, step

    assert check() == (2.3, 10, 1.5)
    by_keyboard(browser, "game-step", Keys.ARROW_LEFT * 10)
    by_keyboard(browser, "game-n", Keys.ARROW_RIGHT * 7)
    assert check() == (2.3, 17, 1.0)
    if width < 500:
        tap(browser, browser.find_element(By.ID, "game-z"), 0.1, 0.5)
        assert check()[0] < -1.5
    assert browser.execute_script("return document.querySelectorAll('#game svg .area').length") == 2
    assert browser.execute_script("return document.querySelectorAll('#game svg rect').length") >= 4
    assert complaints(browser) == ([], [])


def test_the_phase_diagram_follows_keys_and_fingers(browser, site, width):
    browser.get(f"{site}/explore/phase.html")

    def check():
        n, step, mean = (
            float(browser.find_element(By.CSS_SELECTOR, f"output [data-show='{name}']").text)
            for name in ("n", "step", "mean")
        )
        expected = security.gaussian_mean_insecurity(int(n), step, mean)
        assert shown(browser, "insecurity") == pytest.approx(expected, rel=0.006)
        assert shown(browser, "full") == pytest.approx(security.full_precision_insecurity(int(n), 1), rel=0.006)
        return n, step, mean

    first = check()
    by_keyboard(browser, "phase-n", Keys.ARROW_RIGHT * 2)
    by_keyboard(browser, "phase-mean", Keys.ARROW_LEFT)
    second = check()
    assert second[0] > first[0]
    assert second[2] < first[2]
    if width < 500:
        tap(browser, browser.find_element(By.CSS_SELECTOR, "#phase svg"), 0.3, 0.25)
    else:
        ActionChains(browser).move_to_element(browser.find_element(By.CSS_SELECTOR, "#phase svg")).perform()
    third = check()
    assert third[:2] != second[:2]
    assert complaints(browser) == ([], [])


def test_one_network_follows_keys_and_fingers(browser, site, width):
    browser.get(f"{site}/explore/network.html")
    given = explorables.network_data(explorables.settings()["network"])

    def check(release, init="shared"):
        chosen = Select(browser.find_element(By.ID, "network-quantizer")).first_selected_option.text
        (quantizer,) = [q[init] for q in given["quantizers"] if q["label"] == chosen]
        assert shown(browser, "auc") == pytest.approx(quantizer[release]["value"], abs=6e-4)
        assert shown(browser, "utility") == pytest.approx(quantizer["utility"]["value"], abs=6e-4)
        if "predicted" in quantizer[release]:
            assert shown(browser, "predicted") == pytest.approx(quantizer[release]["predicted"], abs=6e-4)
        low, high = (f"{quantizer[release][end]:.3f}" for end in ("low", "high"))
        assert browser.find_element(By.CSS_SELECTOR, "output [data-show='auc-interval']").text == f"{low} to {high}"
        return chosen

    first = check("outputs")
    by_keyboard(browser, "network-quantizer", Keys.ARROW_DOWN * 2)
    second = check("outputs")
    assert second != first
    weights = browser.find_element(By.CSS_SELECTOR, "#network input[value='weights']")
    if width < 500:
        tap(browser, weights, 0.5, 0.5)
    else:
        weights.click()
    check("weights")
    spot = browser.find_elements(By.CSS_SELECTOR, "#network circle.other")[-1]
    if width < 500:
        tap(browser, spot, 0.5, 0.5)
    else:
        spot.click()
    assert check("weights") != second
    for init in given["initialisations"]:
        browser.execute_script("arguments[0].focus()", browser.find_element(By.CSS_SELECTOR, f"input[value='{init}']"))
        ActionChains(browser).send_keys(Keys.SPACE).perform()
        check("weights", init)
    assert complaints(browser) == ([], [])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", explorables.PAGES)
def test_an_explorable_figure_is_drawn_in_both_themes(browser, site, width, theme, name):
    browser.get(f"{site}/explore/{name}.html")
    browser.execute_script("document.body.dataset.theme = arguments[0]", theme)
    shoot(browser, f"explore_{name}_{theme}_{width}")
    colours = "const look = getComputedStyle, text = document.querySelector('.explore svg text');"
    colours += "return [look(text).fill, look(document.body).backgroundColor]"
    ink, paper = (sum(map(int, re.findall(r"\d+", text)[:3])) / 765 for text in browser.execute_script(colours))
    assert abs(ink - paper) > 0.6
    sizes = browser.execute_script(
        "return [...document.querySelectorAll('.explore svg')].map(s => [s.clientWidth, s.viewBox.baseVal.width])"
    )
    assert all(shown == drawn for shown, drawn in sizes)  # letters keep their size
    unlabelled = (
        "return [...document.querySelectorAll('.explore input, .explore select')].filter(i => !i.labels.length).length"
    )
    assert browser.execute_script(unlabelled) == 0


# --------------------------------------------------------------------------------------------------------- JupyterLab


def quick_copy(stem, folder):
    """Write a notebook, outputs cleared, with its quick parameters."""
    copied = notebook(stem)
    for cell in copied.cells:
        if notebooks.has_tag(cell, "parameters"):
            cell.source += "".join(f"\n{name} = {value!r}" for name, value in QUICK.get(stem, {}).items())
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(copied, folder / f"{stem}.ipynb")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab on copies of two notebooks, with settings of its own."""
    folder = tmp_path_factory.mktemp("lab")
    for stem in ("00_start_here", "01_theory_derivation"):
        quick_copy(stem, folder)
    for name, setting in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(setting))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = (
        f"--ip=127.0.0.1 --port={port} --no-browser --allow-root --IdentityProvider.token= --LabApp.user_settings_dir="
    )
    command = [sys.executable, "-m", "jupyterlab", *options.split(), f"--ServerApp.root_dir={folder}"]
    command[-2] += str(folder / "settings")
    command += re.findall(r"--LabApp\S+", (run.ROOT / "Makefile").read_text())  # as `make lab` starts it
    homes = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "QMIS_DATA_CACHE")
    environment = os.environ | {name: str(folder / ".home" / name) for name in homes}
    environment["QMIS_DATA_CACHE"] = str(run.ROOT / "data" / "cache")
    with open(folder / "lab.log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        yield wait_for(f"http://127.0.0.1:{port}", server)
    finally:
        server.terminate()
        server.wait(30)


def wait_for(address, server):
    for _ in range(120):
        assert server.poll() is None, "JupyterLab ended"
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=5).close()
            return address
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(address)


def test_the_lab_asks_nobody_for_news_or_updates(lab):
    for path, answer in (("news", {"news": []}), ("update", {"notification": None})):
        with urllib.request.urlopen(f"{lab}/lab/api/{path}", timeout=20) as response:
            assert json.load(response) == answer


def click(browser, xpath):
    WebDriverWait(browser, 60).until(lambda b: [e for e in b.find_elements(By.XPATH, xpath) if e.is_displayed()])
    next(e for e in browser.find_elements(By.XPATH, xpath) if e.is_displayed()).click()


def run_all(browser, lab, stem):
    """Open a notebook, wait for its kernel, choose Run All Cells in the menu, wait until each cell has its number."""
    resize(browser, WIDTHS[0])
    browser.get(f"{lab}/lab/workspaces/{stem}/tree/{stem}.ipynb")  # its own workspace: no tabs of another test
    idle = "//*[@id='jp-main-statusbar']//span[contains(text(), '| Idle')]"
    WebDriverWait(browser, 90).until(lambda b: b.find_elements(By.XPATH, idle))
    click(browser, "//div[contains(@class, 'lm-MenuBar-itemLabel') and text()='Run']")
    click(browser, "//div[contains(@class, 'lm-Menu-itemLabel') and text()='Run All Cells']")
    numbered = "return [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(e => e.textContent)"
    WebDriverWait(browser, 120).until(lambda b: all(t.strip("[]:").isdigit() for t in b.execute_script(numbered)))


def errors_shown(browser):
    kinds = ("error", "stderr")
    return [
        element.text
        for kind in kinds
        for element in browser.find_elements(By.CSS_SELECTOR, f"[data-mime-type='application/vnd.jupyter.{kind}']")
    ]


def narrow(browser):
    """Make the window narrow and close the file browser, as one does on a telephone; the notebook must get the room."""
    resize(browser, WIDTHS[1])
    browser.find_element(By.CSS_SELECTOR, ".jp-SideBar [data-id='filebrowser']").click()
    width = "return document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden)').clientWidth"
    WebDriverWait(browser, 20).until(lambda b: b.execute_script(width) > WIDTHS[1] / 2)


def check_figures(browser, stem, live=0):
    """Assert that every figure is drawn where it was made, and what only lives, and that no cell failed or warned."""
    assert errors_shown(browser) == []
    shown = "return [...document.querySelectorAll('.jp-OutputArea img')].map(image => image.naturalWidth)"
    WebDriverWait(browser, 60).until(lambda b: all(b.execute_script(shown)))
    assert len(browser.execute_script(shown)) == len(entries(stem)) + live


def test_jupyterlab_runs_a_notebook(browser, lab):
    run_all(browser, lab, "00_start_here")
    check_figures(browser, "00_start_here")
    shoot(browser, f"lab_{WIDTHS[0]}")
    narrow(browser)
    shoot(browser, f"lab_{WIDTHS[1]}")
    assert complaints(browser) == ([], [])


def test_a_slider_redraws_the_figure(browser, lab):
    run_all(browser, lab, "01_theory_derivation")
    widget = WebDriverWait(browser, 60).until(lambda b: b.find_element(By.CSS_SELECTOR, ".widget-interact"))

    def picture():
        return browser.execute_script("return [...document.querySelectorAll('.widget-interact img')].map(i => i.src)")

    def still():
        """Return the picture once it stays: every step of the slider draws one."""
        seen = picture()
        for _ in range(30):
            time.sleep(2)
            if seen and seen == picture():
                return seen
            seen = picture()
        raise TimeoutError("the slider's picture never comes to rest")

    def move(keys):
        before, handle = still(), widget.find_element(By.CSS_SELECTOR, ".noUi-handle")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", handle)
        handle.send_keys(keys)
        WebDriverWait(browser, 60).until(lambda b: picture() not in ([], before))
        assert still() != before

    move(Keys.ARROW_LEFT * 5)
    check_figures(browser, "01_theory_derivation", live=1)  # the slider's picture
    shoot(browser, f"lab_slider_{WIDTHS[0]}")
    narrow(browser)
    move(Keys.ARROW_RIGHT * 3)
    check_figures(browser, "01_theory_derivation", live=1)  # the slider's picture
    shoot(browser, f"lab_slider_{WIDTHS[1]}")
    assert complaints(browser) == ([], [])

"""The page in Chromium: type, derive, break, repair, share; by keyboard, on a phone, in the dark, without a network.

It needs Chromium, the package playwright, which drives it, and npm, which fetches what the page runs on.  Screenshots
are in the folder that EINSTAN_SHOTS names, where it names one.
"""

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from einstan.library.command_page import server_of
from einstan.library.site import fetched, write_site

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed", exc_type=ImportError)

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
AXE = ("axe-core", "4.14.1", ["axe.min.js"])
PATIENCE = 60_000  # milliseconds, on a machine that has much to do
PANELS = ["read", "backward", "partials", "derivation", "verdicts", "graph", "source", "paths"]
SIZES = {"desk": (1280, 900), "phone": (375, 740)}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    write_site(folder, os.environ.get("EINSTAN_PACKAGES"))
    with server_of(str(folder), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.fixture(scope="module")
def axe():
    files, _ = fetched(*AXE)
    return files["axe.min.js"].decode()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


class Page:
    """A page of the browser, and what is done to it."""

    def __init__(self, context, address, axe):
        self.context, self.address, self.axe = context, address, axe
        self.page, self.wrong = context.new_page(), []
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.wrong.append(m.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))

    def open(self, fragment=""):
        begin = time.perf_counter()
        self.page.goto(self.address + fragment)
        self.page.wait_for_selector("html[data-ready]", state="attached")
        self.settle()
        return time.perf_counter() - begin

    def settle(self):
        """Until what is shown is that of the text, or what is wrong with it."""
        self.page.wait_for_function("['shown', 'wrong'].includes(document.getElementById('panel').dataset.state)")

    def type(self, text):
        self.page.fill("#text", text)
        self.settle()

    def panel(self, name):
        self.page.click(f"#tab-{name}")
        self.settle()
        return self.page.inner_text("#panel")

    def example(self, name, panel=None):
        """Show an example on a panel, or on its own, whose name is told."""
        self.page.select_option("#example", name)
        self.settle()
        if panel is not None:
            self.panel(panel)
        return panel or self.page.evaluate("new URLSearchParams(location.hash.slice(1)).get('panel')")

    def violations(self):
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(self.axe)
        found = self.page.evaluate("axe.run()")["violations"]
        return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]

    def shot(self, name):
        if folder := os.environ.get("EINSTAN_SHOTS"):
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))

    def fits(self):
        """Whether the page is no wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.fixture(scope="module")
def new(browser, address, axe):
    """A browser without a memory of the page, and the page in it."""

    def made():
        width, height = SIZES["desk"]
        permissions = ["clipboard-read", "clipboard-write"]
        context = browser.new_context(viewport={"width": width, "height": height}, permissions=permissions)
        return Page(context, address, axe)

    return made


@pytest.fixture(scope="module")
def opened(new, pytestconfig):
    """One page for all tests, since it takes seconds to load."""
    one = new()
    seconds = one.open()
    pytestconfig.get_terminal_writer().line(f"the page can be used after {seconds:.1f} s")
    return one


@pytest.fixture
def one(opened):
    opened.page.set_viewport_size(dict(zip(("width", "height"), SIZES["desk"], strict=True)))
    opened.page.emulate_media(color_scheme="light")
    yield opened
    assert opened.wrong == []  # nothing that the browser complains of


def test_the_first_text_is_typeset(one):
    assert one.page.locator("#panel .katex").count() >= 6
    assert one.violations() == []


def test_type_derive_break_repair_share(one, new):
    page = one.page

    # type, derive
    one.type("Z[n,j] = X[n,K] W[K,j]\nL = 1/2 Z[N,J]^2\nclaim dW[k,j] = X[N,k] Z[N,j]\nclaim dZ[n,j] = 2 Z[n,j]\n")
    assert "dW[k,j] = X[N,k] dZ[N,j]" in one.panel("backward")
    page.wait_for_selector(".backdrop .verdict-bad")
    assert page.locator(".backdrop .verdict-good").get_attribute("data-mark") == "✓"
    report = one.panel("verdicts")
    assert "2 claims: 1 proved, 1 refuted; line 4 should not be so" in report
    assert "right is 2 times left" in report

    # break
    one.panel("backward")
    page.fill("#text", "Z[n,j] = X[n,k] W[k,j]")
    page.wait_for_selector("#problems article")
    assert "the index k is free on the right but is not on the left" in page.inner_text("#problems")
    assert page.inner_text(".backdrop mark") == "k"
    assert "^" in page.inner_text("#problems pre")
    assert "as it was last read" in page.evaluate(
        "getComputedStyle(document.getElementById('panel'), '::before').content"
    )
    one.shot("broken")
    assert one.violations() == []
    assert "once the text can be read" in one.panel("derivation")

    # repair, and take the repair back
    page.click("#problems .repair")
    page.wait_for_selector("#problems article", state="detached")
    assert page.input_value("#text") == "Z[n,j] = X[n,K] W[K,j]"
    page.keyboard.press("Control+z")
    page.wait_for_selector("#problems article")
    page.keyboard.press("Control+y")
    page.wait_for_selector("#problems article", state="detached")

    # share
    one.panel("partials")
    page.click("#share")
    page.wait_for_function("document.getElementById('said').textContent.includes('copied')")
    link = page.evaluate("navigator.clipboard.readText()")
    other = new()
    other.open(link.removeprefix(other.address))
    assert other.page.input_value("#text") == "Z[n,j] = X[n,K] W[K,j]"
    assert "'nm,kj->njmk'  δ[n,m], W[k,j]" in other.page.inner_text("#panel")
    assert other.wrong == []
    other.context.close()


def test_attention_on_every_panel(one, pytestconfig):
    begin = time.perf_counter()
    one.page.select_option("#example", "Attention")
    one.page.wait_for_function("document.getElementById('panel').innerText.includes('dV[h,k,d] = P[h,Q,k] dO[h,Q,d]')")
    seconds = time.perf_counter() - begin
    pytestconfig.get_terminal_writer().line(f"attention is derived after {seconds:.1f} s")
    for name in PANELS:
        one.panel(name)
        one.shot(f"desk-{name}")
        assert one.violations() == [], name
    one.page.wait_for_selector("#panel .costs")
    one.panel("derivation")
    one.page.wait_for_selector("#panel .steps .good")
    for target, word in (("numpy", "import numpy"), ("torch", "import torch"), ("jax", "import jax")):
        one.panel("source")
        one.page.click(f"#ask-target-{target}")
        one.page.wait_for_function(f"document.getElementById('panel').innerText.includes('{word}')")
    one.page.click("#panel .bar button")
    one.page.wait_for_function("document.getElementById('said').textContent === 'Copied'")
    assert one.page.evaluate("navigator.clipboard.readText()").startswith("import jax")
    one.panel("graph")
    one.page.wait_for_selector("#panel .graph svg")


@pytest.mark.parametrize(("size", "scheme"), [("phone", "light"), ("phone", "dark"), ("desk", "dark")])
def test_small_and_dark(one, size, scheme):
    one.page.set_viewport_size(dict(zip(("width", "height"), SIZES[size], strict=True)))
    one.page.emulate_media(color_scheme=scheme)
    for example, panel in (("A wrong derivation", None), ("LSTM cell", "backward"), ("Convolution", "derivation")):
        panel = one.example(example, panel)
        one.shot(f"{size}-{scheme}-{panel}")
        assert one.violations() == [], example
        assert one.fits(), example


def test_each_reading_is_a_button_in_a_window_that_becomes_narrow(one):
    page = one.page
    page.fill("#text", "S[i,j] = u[i,D] v[j,D] / tau\nL = -1/|I| log(S[I,I])")
    page.wait_for_selector("#problems article")
    one.panel("verdicts")
    page.set_viewport_size({"width": 375, "height": 740})
    page.wait_for_selector("#problems pre[tabindex]")
    one.shot("readings")
    assert one.violations() == []
    assert one.fits()
    assert page.locator("#problems .repair").all_inner_texts()[1] == "L = -1/|I| log(sum[I](S[I,I]))"
    page.locator("#problems .repair").first.click()
    page.wait_for_selector("#problems article", state="detached")
    assert page.input_value("#text").endswith("L = -sum[I](1/|I| log(S[I,I]))")


def test_the_theme_is_chosen(one):
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = one.page.evaluate(ground)
    one.page.click("#theme")
    assert one.page.evaluate(ground) == light
    one.page.click("#theme")
    assert one.page.inner_text("#theme") == "Theme: dark"
    assert one.page.evaluate(ground) != light
    one.page.click("#theme")


def test_by_keyboard_alone(one):
    page = one.page
    one.panel("read")
    page.focus("#text")
    page.keyboard.press("Control+a")
    page.keyboard.type("Z[n] = X[n,K] w[K]")
    one.settle()
    page.keyboard.press("Tab")  # the text is no trap
    assert page.evaluate("document.activeElement.id") == "tab-read"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-backward"
    page.wait_for_function("document.getElementById('panel').innerText.includes('dw[k] = X[N,k] dZ[N]')")
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.id") == "tab-paths"
    assert page.get_attribute("#tab-paths", "aria-selected") == "true"


def test_without_a_network(one):
    one.example("Softmax and cross-entropy")
    one.page.click("#share")  # when the link is copied, the address has it
    one.page.wait_for_function("document.getElementById('said').textContent.includes('copied')")
    one.page.wait_for_selector("html[data-kept]", state="attached")
    one.context.set_offline(True)
    one.page.reload()
    one.page.wait_for_selector("html[data-ready]", state="attached")
    one.settle()
    assert "dZ[n,c] = (S[n,c] - Y[n,c]) / |n|" in one.panel("backward")
    one.panel("graph")
    one.page.wait_for_selector("#panel .graph svg")
    one.context.set_offline(False)
    one.wrong.clear()  # the browser says that there is no network

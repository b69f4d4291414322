"""The page in a real browser: what it shows, and what it does when pointed at, clicked, searched and zoomed."""

import numpy as np
import pytest

from sdgraph import SameDiff
from sdgraph.show.pictures.dress import theme
from sdgraph.show.pictures.lay_out import programs as engines
from tests.browser import Browser, executable
from tests.show.pictures.explorer.browser import evaluate

pytestmark = pytest.mark.skipif(not engines.available(), reason="no Graphviz layout engine is installed")


@pytest.fixture(autouse=True)
def _browser():
    executable()


@pytest.fixture(scope="module")
def page():
    sd = SameDiff("float64")
    x, y = sd.placeholder("x", ("n", 3)), sd.placeholder("y", ("n",))
    with sd.name_scope("model"):
        w = sd.var("w", [0.5, -1.0, 2.0])
        z = sd.math.add(x @ w, sd.var("b", 0.5), name="z")
        sd.nn.sigmoid(z, name="p")
    sd.loss.mean_squared_error(y, z, name="loss")
    rng = np.random.default_rng(0)
    return sd, {"x": rng.normal(size=(20, 3)), "y": np.zeros(20)}


def opened(page, script, folder, *flags, **options):
    sd, feeds = page
    return evaluate(sd.explore(feeds=feeds, **options).html, script, folder, *flags)


def test_pointing_lights_ancestors_and_descendants(page, tmp_path):
    found = opened(page, """
        point(card("z"), "pointerover");
        const over = [".before", ".after", ".lit"].map((side) => titles(`#stage g.node${side}`));
        over.push($("#stage svg").classList.contains("focused"));
        const links = all("#stage g.edge.before").length;
        point($("#stage svg"), "pointerover");
        return [...over, links, all("#stage .lit").length];
    """, tmp_path)  # fmt: skip
    assert found == [
        ["b", "matmul", "w", "x"], ["loss", "p"], ["b", "loss", "matmul", "p", "w", "x", "z"], True, 4, 0
    ]  # fmt: skip


def test_clicking_shows_facts(page, tmp_path):
    found = opened(page, """
        point(card("z"), "click");
        const z = [$("#panel").hidden, $("#panel h1").textContent, texts("#panel dd"), texts("#panel li .link")];
        z.push($("#panel pre").textContent, all("#panel svg.bars").length);
        key(document.body, "Escape");
        return [...z, $("#panel").hidden];
    """, tmp_path)  # fmt: skip
    hidden, title, facts, links, code, bars, closed = found
    assert (hidden, title, closed) == (False, "z", True)
    assert facts[:3] == ["math.add", "(n,)", "float64"]
    assert "∂loss/∂model/z" in facts
    assert links == ["matmul", "b", "p", "loss"]
    assert "sd.math.add(x @ w" in code
    assert bars == 2


def test_searching_jumps(page, tmp_path):
    found = opened(page, """
        const box = type("los");
        const offered = texts("#hits li span");
        key(box, "Enter");
        const first = [$("#panel h1").textContent, all("#stage g.node.chosen").length];
        key(type("model"), "ArrowDown");
        key(box, "Enter");
        const second = $("#panel h1").textContent;
        const gradient = type("∂loss/∂model/w");
        key(gradient, "Enter");
        const third = [$("#panel h1").textContent, $('#tabs [aria-selected="true"]').textContent];
        type("nothing like it");
        return [offered[0], first, second, ...third, $("#hits").hidden];
    """, tmp_path)  # fmt: skip
    assert found[0] == "loss"
    assert found[1] == ["loss", 1]
    assert found[2] in ("w", "b", "z", "p")
    assert found[3:] == ["∂loss/∂model/w", "gradient", True]


def test_zoom_pan_and_fit(page, tmp_path):
    before, zoomed, panned, fitted = opened(page, """
        $("#fit").click();
        const before = view();
        point($("#stage"), "wheel", { deltaY: -300 });
        const zoomed = view();
        point($("#stage"), "pointerdown");
        point($("#stage"), "pointermove", { clientX: 0, clientY: 0 });
        point($("#stage"), "pointerup");
        const panned = view();
        key(document.body, "0");
        return [before, zoomed, panned, view()];
    """, tmp_path)  # fmt: skip
    assert zoomed[2] < 0.8 * before[2]
    assert zoomed[0] + zoomed[2] / 2 == pytest.approx(before[0] + before[2] / 2, abs=1)
    assert panned[2:] == pytest.approx(zoomed[2:])
    assert panned[0] > zoomed[0] + 10
    assert fitted == pytest.approx(before)


def test_scopes_open_and_close(page, tmp_path):
    found = opened(page, """
        const closed = titles("#stage g.node");
        point(card("model"), "click");
        const about = [$("#panel h1").textContent, texts("#panel li .link")];
        $("#panel .open").click();
        const inside = [titles("#stage g.node"), texts("#crumbs button")];
        key(document.body, "Escape");
        const back = titles("#stage g.node").length === closed.length;
        point(card("model"), "dblclick");
        const again = texts("#crumbs button").length;
        key(type("model/w"), "Enter");
        return [closed, about, inside, back, again, $("#panel h1").textContent];
    """, tmp_path, depth=0)  # fmt: skip
    closed, about, inside, back, again, jumped = found
    assert closed == ["loss", "model", "x", "y"]
    assert about == ["model", ["w", "matmul", "b", "z", "p"]]
    assert {"w", "matmul", "b", "z", "p"} < set(inside[0])
    assert inside[1] == ["Graph", "model"]
    assert back
    assert again == 2
    assert jumped == "w"


def test_a_box_shows_what_is_inside(page, tmp_path):
    found = opened(page, """
        point($('#stage g.cluster[data-scope="model"] path'), "click");
        return [$("#panel h1").textContent, texts("#panel li .link")];
    """, tmp_path)  # fmt: skip
    assert found == ["model", ["w", "matmul", "b", "z", "p"]]


@pytest.mark.parametrize("dark", [False, True])
def test_themes(page, tmp_path, dark):
    script = """
        const look = () => [
          getComputedStyle(document.body).backgroundColor,
          getComputedStyle(card("w").querySelector("path")).fill,
        ];
        const shown = [look()];
        for (let k = 0; k < 2; k++) { $("#theme").click(); shown.push(look()); }
        return shown;
    """
    flags = ["--blink-settings=preferredColorScheme=0"] if dark else ["--blink-settings=preferredColorScheme=1"]
    system, always_dark, always_light = opened(page, script, tmp_path, *flags)

    def expected(which):
        colours = (theme.PAGE.of(which), theme.FILL["variable"].of(which))
        return ["rgb({}, {}, {})".format(*bytes.fromhex(c[1:])) for c in colours]

    assert system == expected("dark" if dark else "light")
    assert always_dark == expected("dark")
    assert always_light == expected("light")


def test_everything_has_a_name_for_screen_readers(page, tmp_path):
    found = opened(page, """
        const nodes = all("#stage g.node");
        const named = nodes.every((n) => n.tabIndex === 0 && n.getAttribute("aria-label"));
        return [Boolean(named), all("button").every((b) => Boolean((b.ariaLabel || b.textContent).trim()))];
    """, tmp_path)  # fmt: skip
    assert found == [True, True]


def test_names_are_never_markup(tmp_path):
    sd = SameDiff()
    x = sd.placeholder("x")
    sd.math.add(x, 1.0, name="<img src=x onerror=document.title='hit'>")
    found = evaluate(sd.explore(title="<b>").html, """
        key(type("<img"), "Enter");
        await wait(100);
        return [document.title, $("#panel h1").textContent, all("#panel img, #hits img").length];
    """, tmp_path)  # fmt: skip
    assert found == ["<b>", "<img src=x onerror=document.title='hit'>", 0]


def test_a_notebook_shows_either_the_page_or_the_still_picture(page, tmp_path):
    sd, feeds = page
    output = sd.explore(feeds=feeds)._repr_mimebundle_()["text/html"]
    trusted = f"<html><body>{output}</body></html>"
    look = 'return [$("img").offsetHeight > 0, !!$("iframe")];'
    # The names of the helpers do not exist in the frame, only in the page around it.
    assert evaluate(trusted, look, tmp_path) == [False, True]


# ---------------------------------------------------------------------- a page that has no size when it begins


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One browser for all tests of sizes. They run in real time, as a browser tells sizes when it draws."""
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def visit(browser, text, folder):
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    browser.open(file.as_uri())


LOST = """(() => {
  const stage = document.querySelector("#stage"), box = stage?.getBoundingClientRect();
  if (!box?.width || !box.height) return "no size";
  const cards = [...stage.querySelectorAll("g.node")].map((g) => g.getBoundingClientRect());
  if (Math.max(...cards.map((c) => c.height)) < 25) return "shrunk";
  const across = Math.max(...cards.map((c) => c.right)) + Math.min(...cards.map((c) => c.x));
  if (Math.abs(across - box.width) > 0.3 * box.width) return `off the middle: ${across / 2} of ${box.width}`;
  return cards.some((c) => c.x < 0 || c.right > box.right) ? "cut off" : "";
})()"""
"""What is wrong with the picture in a frame; nothing if it is large, whole and in the middle."""


SETTLED = f"new Promise((done) => setTimeout(() => done({LOST} === ''), 300))"
"""Whether nothing is wrong, some frames later."""

BEGINS_HIDDEN = ("</head>", "<style id=off>main { display: none }</style></head>")
"""The window has a size all the same, so that no resize of it tells the page."""

VIEW = 'document.querySelector("#stage svg").getAttribute("viewBox").split(" ").map(Number)'


def test_a_stage_without_a_size_is_filled_when_it_gets_one(page, browser, tmp_path):
    sd, feeds = page
    visit(browser, sd.explore(feeds=feeds).html.replace(*BEGINS_HIDDEN), tmp_path)
    browser.wait_for(f"{LOST} === 'no size'")
    browser.evaluate("off.remove()")
    browser.wait_for(SETTLED)


def test_a_variable_in_the_address_is_found_when_there_is_room(page, browser, tmp_path):
    sd, feeds = page
    text = sd.explore(feeds=feeds).html.replace(*BEGINS_HIDDEN)
    visit(
        browser,
        text.replace('<script>"use strict"', '<script>location.hash = "loss"</script><script>"use strict"'),
        tmp_path,
    )
    browser.wait_for(f"{LOST} === 'no size'")
    browser.evaluate("off.remove()")
    browser.wait_for("""(() => {
      const card = document.querySelector("#stage g.node.chosen").getBoundingClientRect();
      const stage = document.querySelector("#stage").getBoundingClientRect();
      const x = (card.x + card.width / 2) / stage.width, y = (card.y + card.height / 2 - stage.y) / stage.height;
      return card.height > 25 && x > 0.1 && x < 0.9 && y > 0.1 && y < 0.9;
    })()""")
    assert browser.evaluate("document.querySelector('#panel h1').textContent") == "loss"


def test_what_the_reader_moved_stays_when_the_page_is_resized_or_hidden(page, browser, tmp_path):
    sd, feeds = page
    visit(browser, sd.explore(feeds=feeds).html, tmp_path)
    browser.wait_for(f"{LOST} === ''")
    before = browser.evaluate(VIEW)
    browser.evaluate("document.querySelector('#stage').focus()")
    browser.press("ArrowRight")
    moved = browser.evaluate(VIEW)
    assert moved[0] > before[0] + 10
    for style in ("width: 300px", "display: none", "height: 200px; flex: none"):
        browser.evaluate(f"document.querySelector('main').style = '{style}'")
        if "none" not in style or "flex" in style:
            browser.wait_for(f"Math.abs({VIEW}[2] - {moved[2]}) + Math.abs({VIEW}[3] - {moved[3]}) > 100")
        assert browser.evaluate(VIEW)[:2] == pytest.approx(moved[:2])
    browser.evaluate("document.querySelector('main').style = ''")
    browser.wait_for(f"Math.abs({VIEW}[2] - {moved[2]}) + Math.abs({VIEW}[3] - {moved[3]}) < 0.1")
    assert browser.evaluate(VIEW) == pytest.approx(moved)


def test_opening_the_panel_moves_no_card(page, browser, tmp_path):
    sd, feeds = page
    visit(browser, sd.explore(feeds=feeds).html, tmp_path)
    browser.wait_for(f"{LOST} === ''")
    at = """(() => {
      const cards = [...document.querySelectorAll("#stage g.node")];
      const z = cards.find((g) => g.querySelector("text").textContent === "z");
      const { x, y, width, height } = z.getBoundingClientRect();
      return [x, y, width, height];
    })()"""  # fmt: skip
    x, y, width, height = before = browser.evaluate(at)
    seen = browser.evaluate(VIEW)
    browser.click(x + width / 2, y + height / 2)
    browser.wait_for(f"{VIEW}[2] < {seen[2] - 100}")
    assert browser.evaluate("document.querySelector('#panel h1').textContent") == "z"
    assert browser.evaluate(at) == pytest.approx(before, abs=0.5)


HIDDEN = {
    "narrow": ("width:0; overflow:hidden", "box.style.width = '100%'"),
    "flat": ("height:0; overflow:hidden", "box.style.height = 'auto'"),
    "no box": ("display:none", "box.style.display = 'block'"),
    "hidden tab": ("position:absolute; visibility:hidden; width:0", "box.style = ''"),
    "out of sight": ("content-visibility:hidden", "box.style.contentVisibility = ''"),
    "rendered when near": ("content-visibility:auto", ""),
    "grows": ("width:340px", "box.style.width = '1000px'"),
    "taken out and put back": ("", "const frame = document.querySelector('iframe'); frame.remove(); box.append(frame)"),
}


@pytest.mark.parametrize("above", [0, 4000], ids=["in view", "out of view"])
@pytest.mark.parametrize("case", HIDDEN)
def test_a_frame_shows_the_whole_picture_however_it_began(page, browser, tmp_path, case, above):
    sd, feeds = page
    style, show = HIDDEN[case]
    output = sd.explore(feeds=feeds)._repr_mimebundle_()["text/html"]
    box = f"<div id=box style='{style}'>{output}</div>"
    visit(browser, f"<!doctype html><body><div style='height:{above}px'></div>{box}</body>", tmp_path)
    browser.wait_for_frame("!!document.querySelector('#stage svg')")
    browser.evaluate(f"{{ {show} }}")
    browser.evaluate("document.querySelector('iframe').scrollIntoView()")
    browser.wait_for_frame(SETTLED, 10)

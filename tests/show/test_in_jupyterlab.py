"""The first notebook in a running JupyterLab: Run All, look at the outputs, press Tab and Shift+Tab."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from sdgraph.show.pictures.lay_out import programs as engines
from tests.browser import SHIFT, Browser, executable

pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
pytestmark = [
    pytest.mark.any_engine,
    pytest.mark.skipif(not engines.available(), reason="no Graphviz layout engine is installed"),
]

ROOT = Path(__file__).parents[2]
TOKEN = "of-this-test"
NEW_CELLS = ["sd.explore(feeds=readings)", "fresh.explore(height=400)", ""]
"""Appended to the notebook: explorers that are far out of view when they are made, and a cell to type into."""

SETTINGS = {
    # A computer may be busy with other tests.
    "completer-extension/manager": {"providerTimeout": 20_000},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


def notebook():
    """The notebook without its outputs, so that all that is seen was made here."""
    found = json.loads((ROOT / "notebooks" / "01_first_graph.ipynb").read_text(encoding="utf-8"))
    for k, text in enumerate(NEW_CELLS):
        found["cells"].append({"cell_type": "code", "id": f"new-{k}", "metadata": {}, "source": text})
    for cell in found["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return found


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a JupyterLab that has nothing of this computer's settings."""
    executable()
    folder, home = tmp_path_factory.mktemp("notebooks"), tmp_path_factory.mktemp("home")
    (folder / "first.ipynb").write_text(json.dumps(notebook()), encoding="utf-8")
    for plugin, settings in SETTINGS.items():
        file = home / "lab" / "user-settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings), encoding="utf-8")
    port = free_port()
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": TOKEN,
        "LabApp.expose_app_in_browser": True,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    places = {
        name: str(home)
        for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR")
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    log = (home / "log").open("wb")
    process = subprocess.Popen(
        [*command, *(f"--{name}={value}" for name, value in options.items())],
        cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        env={**os.environ, **places, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while not _answers(f"{address}/api/status?token={TOKEN}"):
            assert process.poll() is None and time.monotonic() < until, (home / "log").read_text()[-3000:]
            time.sleep(0.1)
        yield f"{address}/lab/tree/first.ipynb?reset&token={TOKEN}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)
        log.close()


def _answers(address):
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


CELLS = "[...jupyterapp.shell.currentWidget.content.widgets]"
BUSY = """(() => {
  const cells = [...jupyterapp.shell.currentWidget.content.model.cells].filter((c) => c.type === "code");
  return cells.some((c) => c.executionState === "running" || (c.sharedModel.source && c.executionCount === null));
})()"""


@pytest.fixture(scope="module")
def lab(server, tmp_path_factory):
    """A browser on the notebook, all of whose cells have run."""
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.open(server, width=1300, height=900)
        browser.wait_for("!!window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length", 60)
        browser.wait_for("jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'", 60)
        choose(browser, "Run", "runmenu:run-all")
        browser.wait_for(f"!{BUSY}", 90)
        yield browser


def choose(browser, menu, command):
    """Click on a menu, then on the item of a command."""
    bar = f"[...document.querySelectorAll('.lm-MenuBar-item')].find((e) => e.textContent === '{menu}')"
    press(browser, browser.wait_for(place_of(bar)))
    press(browser, browser.wait_for(place_of(f"document.querySelector('.lm-Menu-item[data-command=\"{command}\"]')")))


def place_of(element):
    return f"""(() => {{
      const box = {element}?.getBoundingClientRect();
      return box?.width ? [box.x + box.width / 2, box.y + box.height / 2] : null;
    }})()"""


def press(browser, place):
    browser.call("Input.dispatchMouseEvent", browser.page, type="mouseMoved", x=place[0], y=place[1])
    browser.click(*place)


def cell_of(browser, text):
    """The number of the only code cell that begins with a text, scrolled into view."""
    sources = browser.evaluate(f"{CELLS}.map((c) => c.model.type === 'code' ? c.model.sharedModel.source : null)")
    (k,) = [k for k, source in enumerate(sources) if source is not None and f"{source}\n".startswith(text)]
    browser.evaluate(f"jupyterapp.shell.currentWidget.content.scrollToItem({k}, 'start')")
    return k


def output_of(k, selector):
    return f"{CELLS}[{k}].node.querySelector('.jp-OutputArea-output {selector}')"


# ---------------------------------------------------------------------- what Run All gives


def test_no_cell_fails_and_every_cell_has_run(lab):
    found = lab.evaluate("""[...jupyterapp.shell.currentWidget.content.model.cells]
      .filter((c) => c.type === "code" && c.sharedModel.source)
      .map((c) => [c.sharedModel.source, c.executionCount, c.outputs.toJSON()])""")
    assert len(found) > 20 and all(count for _, count, _ in found)
    wrong = [
        (source, output)
        for source, _, outputs in found
        for output in outputs
        if output["output_type"] == "error" or output.get("name") == "stderr"
    ]
    assert not wrong


@pytest.mark.parametrize("text", ["sd\n", "sd.expand(loss)", "fresh = model"])
def test_pictures_are_there_and_have_a_size(lab, text):
    k = cell_of(lab, text)
    lab.wait_for(f"{output_of(k, 'img')}?.naturalWidth > 200")
    width, height, source, room = lab.evaluate(f"""(() => {{
      const image = {output_of(k, "img")}, box = image.getBoundingClientRect();
      return [box.width, box.height, image.src.slice(0, 30), image.closest(".jp-OutputArea").clientWidth];
    }})()""")
    assert source.startswith("data:image/svg+xml")
    assert 200 < width <= room and height > 100


def test_the_table_and_the_formula_are_shown_as_such(lab):
    table = cell_of(lab, "sd.summary()")
    rows = lab.wait_for(f"{output_of(table, 'tbody')}?.rows.length")
    assert rows == 7
    formula = cell_of(lab, "loss.to_latex()")
    assert lab.wait_for(f"{output_of(formula, 'mjx-container, .MathJax')}?.getBoundingClientRect().height > 10")


WHOLE = """new Promise((done) => setTimeout(() => {
  const stage = document.querySelector("#stage"), box = stage?.getBoundingClientRect();
  const cards = [...document.querySelectorAll("#stage g.node")].map((g) => g.getBoundingClientRect());
  if (!box?.width || !cards.length) return done("");
  const left = Math.min(...cards.map((c) => c.x)), right = Math.max(...cards.map((c) => c.right));
  const middle = Math.abs(left + right - box.width) < 0.3 * box.width;
  done(Math.max(...cards.map((c) => c.height)) > 25 && left >= 0 && right <= box.right && middle);
}, 300))"""


@pytest.mark.parametrize("text", NEW_CELLS[:2])
def test_the_explorer_fits_its_frame_although_it_was_made_out_of_view(lab, text):
    k = cell_of(lab, text)
    lab.wait_for(f"{output_of(k, 'iframe')}?.getBoundingClientRect().width > 600")
    lab.evaluate(f"{output_of(k, 'iframe')}.scrollIntoView()")
    lab.wait_for_frame(WHOLE)


# ---------------------------------------------------------------------- what keys give


def typed(browser, text):
    """Write into the last cell, after what has popped up before is gone."""
    browser.press("Escape")
    browser.wait_for("!document.querySelector('.jp-Completer:not(.lm-mod-hidden) .jp-Completer-item, .jp-Tooltip')")
    browser.evaluate("""(() => {
      const notebook = jupyterapp.shell.currentWidget.content;
      notebook.activeCellIndex = notebook.widgets.length - 1;
      notebook.activeCell.model.sharedModel.setSource("");
      notebook.scrollToItem(notebook.activeCellIndex);
      notebook.mode = "edit";
      notebook.activeCell.editor.focus();
    })()""")
    browser.wait_for("document.activeElement?.closest('.jp-Notebook-cell.jp-mod-active') !== null")
    browser.type(text)
    source = "jupyterapp.shell.currentWidget.content.activeCell.model.sharedModel.source"
    browser.wait_for(f"{source}.startsWith({json.dumps(text)})")
    # Before that a tabulator is what Tab would write.
    browser.wait_for("!!document.querySelector('.jp-mod-active .jp-mod-completer-enabled')")


# Where a text within quotes is completed, what is offered may end with the quote.
OFFERED = """[...document.querySelectorAll(".jp-Completer:not(.lm-mod-hidden) .jp-Completer-match")].map(
  (e) => e.textContent.replaceAll(/["'\\]]/g, ""))"""


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ('sd["', {"force", "stretch", "line/slope", "line/offset", "line/predicted", "loss"}),
        ("sd.plot(vi", {"view="}),
        pytest.param("sd.plot(v", {"view=", "values="}, marks=pytest.mark.slow),
        pytest.param("sd.math.lo", {"log", "log1p", "log_sum_exp"}, marks=pytest.mark.slow),
    ],
)
def test_tab_offers_names_options_and_operations(lab, text, offered):
    found = set()
    for _ in range(5):  # JupyterLab gives up on a kernel that is busy, and a reader presses Tab again.
        typed(lab, text)
        lab.press("Tab")
        until = time.monotonic() + 6
        while not offered <= found and time.monotonic() < until:
            found = set(lab.evaluate(OFFERED))
            time.sleep(0.05)
        if offered <= found:
            break
    assert offered <= found


def test_shift_tab_tells_the_signature_and_the_meaning_of_a_loss(lab):
    typed(lab, "sd.loss.huber_loss(")
    lab.press("Tab", SHIFT)
    text = lab.wait_for("document.querySelector('.jp-Tooltip')?.textContent", 60)
    assert "delta: float = 1.0" in text and "loss_reduce" in text
    assert "quadratic near 0" in text and "'Operand'" not in text

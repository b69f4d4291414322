"""The explorer's page in a browser: opens it, runs a script in it, returns what the script found."""

import html
import json
import re
import subprocess

from tests.browser import FLAGS, executable

_SCRIPT = """
<pre id="found"></pre>
<script>
(async () => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const $ = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const texts = (selector) => all(selector).map((e) => e.textContent);
  const point = (element, type, extra = {}) => {
    const box = element.getBoundingClientRect();
    const middle = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2 };
    const at = { ...middle, bubbles: true, cancelable: true, pointerId: 1, ...extra };
    element.dispatchEvent(type === "wheel" ? new WheelEvent(type, at) : new PointerEvent(type, at));
  };
  const key = (target, name) => {
    target.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
  };
  const type = (text) => {
    const box = $("#search input");
    box.value = text;
    box.dispatchEvent(new Event("input"));
    return box;
  };
  const card = (title) => all("#stage g.node").find((g) => [...g.querySelectorAll("text")][0].textContent === title);
  const titles = (selector) => all(selector).map((g) => g.querySelector("text").textContent).sort();
  const view = () => $("#stage svg").getAttribute("viewBox").split(" ").map(Number);
  let found;
  try { found = await (async () => { SCRIPT })(); } catch (error) { found = { error: `${error}\\n${error.stack}` }; }
  document.getElementById("found").textContent = JSON.stringify({ found });
})();
</script>
</body>
"""


def evaluate(page, script, folder, *flags):
    """Open an HTML text, run the body of an async function in it, and return its result."""
    file = folder / "page.html"
    file.write_text(page[: page.rindex("</body>")] + _SCRIPT.replace("SCRIPT", script), encoding="utf-8")
    command = [executable(), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", *flags]
    done = subprocess.run([*command, "--dump-dom", file.as_uri()], capture_output=True, timeout=120, check=True)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout.decode(), re.S)
    assert match and match[1], done.stderr.decode()[-2000:]
    found = json.loads(html.unescape(match[1]))["found"]
    assert not (isinstance(found, dict) and "error" in found), found["error"]
    return found

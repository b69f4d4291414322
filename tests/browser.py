"""A headless Chromium for tests, driven through a pipe by the DevTools protocol: no package is needed for it."""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")

# The browser reads commands from descriptor 3 and writes to 4.
_START = "import os, sys; a = sys.argv; os.dup2(int(a[1]), 3); os.dup2(int(a[2]), 4); os.execvp(a[3], a[3:])"

KEYS = {"Enter": (13, "\r"), "Tab": (9, ""), "Escape": (27, ""), "ArrowRight": (39, "")}
CTRL, SHIFT = 2, 8


def executable():
    """The browser to test with, from CHROME or the PATH; skips the test if there is none."""
    for name in filter(None, (os.environ.get("CHROME"), *NAMES)):
        found = shutil.which(name)
        if found:
            return found
    pytest.skip("no Chromium: install one, or name it in the environment variable CHROME")


class Browser:
    """A browser with one page at a time; use it in a ``with`` block."""

    def __init__(self, folder, *flags):
        commands, self._write = _pipe()
        self._read, answers = _pipe()
        command = [executable(), *FLAGS, f"--user-data-dir={folder}", "--remote-debugging-pipe", *flags]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _START, str(commands), str(answers), *command],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._numbers = itertools.count(1)
        self._buffer = b""
        self.page = None
        self.frames = {}
        """The frames that the page keeps apart from itself, by their sessions."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._write)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._read)

    # ------------------------------------------------------------------ the protocol

    def call(self, method, session=None, **parameters):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(60)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self._heard(answer)

    def _heard(self, event):
        if event.get("method") == "Target.attachedToTarget":
            found = event["params"]
            if found["targetInfo"]["type"] == "iframe":
                self.frames[found["sessionId"]] = found["targetInfo"]["targetId"]
        if event.get("method") == "Target.detachedFromTarget":
            self.frames.pop(event["params"]["sessionId"], None)

    def _next(self, seconds):
        until = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._read, 1 << 20)
            assert data, "the browser has ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    # ------------------------------------------------------------------ a page

    def open(self, url, width=1200, height=900, dark=False):
        """Open a page, in place of the one before."""
        if self.page is not None:
            self.call("Page.close", self.page)
        self.frames.clear()
        size = {"width": width, "height": height}
        target = self.call("Target.createTarget", url="about:blank", newWindow=True, **size)["targetId"]
        self.page = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Target.setAutoAttach", self.page, autoAttach=True, waitForDebuggerOnStart=False, flatten=True)
        self.call("Page.enable", self.page)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", self.page, features=[scheme])
        self.call("Page.navigate", self.page, url=url)

    def evaluate(self, expression, session=None):
        """The value of an expression in the page, or in a frame; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", session or self.page, expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression, seconds=30, session=None):
        """Wait until an expression is true, and return its value; what it reads may not be there at first."""
        until = time.monotonic() + seconds
        while True:
            try:
                if found := self.evaluate(expression, session):
                    return found
            except AssertionError:
                if time.monotonic() > until:
                    raise
            assert time.monotonic() < until, f"in vain after {seconds} s: {expression}"
            time.sleep(0.05)

    def wait_for_frame(self, expression, seconds=30):
        """Wait until an expression is true in a frame that the page keeps apart from itself."""
        until = time.monotonic() + seconds
        while True:
            self.evaluate("1")
            for session in list(self.frames):
                if self.evaluate(expression, session):
                    return session
            assert time.monotonic() < until, f"in vain after {seconds} s: {expression}"
            time.sleep(0.05)

    def press(self, key, modifiers=0):
        """Press a key, given by its name or as the character on it."""
        code, text = KEYS[key] if key in KEYS else (ord(key.upper()), key)
        text = "" if modifiers & CTRL else text
        about = {"key": key, "code": key if key in KEYS else f"Key{key.upper()}", "windowsVirtualKeyCode": code}
        about |= {"modifiers": modifiers}
        self.call("Input.dispatchKeyEvent", self.page, type="keyDown", text=text, **about)
        self.call("Input.dispatchKeyEvent", self.page, type="keyUp", **about)

    def type(self, text):
        """Type a text, character by character."""
        for character in text:
            self.call("Input.dispatchKeyEvent", self.page, type="char", text=character)

    def click(self, x, y):
        """Click at a point of the page."""
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", self.page, type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path):
        """Write what the page shows to a PNG file."""
        data = self.call("Page.captureScreenshot", self.page, format="png")["data"]
        path.write_bytes(base64.b64decode(data))


def _pipe():
    """The two ends of a pipe, away from the descriptors that the browser reads and writes."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends]
    for end in ends:
        os.close(end)
    return moved

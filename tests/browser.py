"""A headless Chromium, driven through its DevTools protocol over a pipe."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE = Path(os.environ.get("AXE_CORE", Path(__file__).parents[1] / "node_modules/axe-core/axe.min.js"))
SECONDS = 60  # to wait for an answer
KEYS = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Page:
    """One page of a browser, and what it asked for: `.requests`, and complained of: `.errors`."""

    def __init__(self, commands, answers):
        self.commands, self.answers = commands, answers
        self.number, self.session, self.rest = 0, None, b""
        self.requests, self.errors = [], []

    def call(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self):
        while b"\0" not in self.rest:
            assert select.select([self.answers], [], [], SECONDS)[0], "the browser does not answer"
            part = os.read(self.answers, 2**20)
            assert part, "the browser is gone"
            self.rest += part
        text, self.rest = self.rest.split(b"\0", 1)
        message = json.loads(text)
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            case "Runtime.exceptionThrown":
                self.errors.append(message["params"]["exceptionDetails"])
            case "Log.entryAdded":
                self.errors.append(message["params"]["entry"])
        return message

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, expression, seconds=20):
        """Wait until an expression holds; gives its value."""
        end = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end, f"never: {expression}\n{self.evaluate('document.body.innerText')}"
            time.sleep(0.05)
        return value

    def open(self, url):
        self.call("Page.navigate", url=url)

    def press(self, key):
        code = {"windowsVirtualKeyCode": KEYS[key]} if key in KEYS else {"text": key}
        if key == "Enter":
            code["text"] = "\r"
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **code)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def prefer(self, scheme):
        """Show the page to one who prefers it light, or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def violations(self):
        """What axe-core finds against the page's accessibility; skips the test where there is none."""
        if not AXE.exists():
            pytest.skip("needs axe-core (CONTRIBUTING.md)")
        self.evaluate(AXE.read_text(encoding="utf-8"))
        return self.evaluate("axe.run().then((found) => found.violations.map((v) => [v.id, v.help, v.nodes[0].html]))")


@contextmanager
def browser(width=1280, height=900):
    """A page of a fresh browser, which has no network."""
    command_read, command_write = os.pipe()
    answer_read, answer_write = os.pipe()

    def take_ends():
        for end, place in [
            (fcntl.fcntl(command_read, fcntl.F_DUPFD, 10), 3),
            (fcntl.fcntl(answer_write, fcntl.F_DUPFD, 10), 4),
        ]:
            os.dup2(end, place)

    with tempfile.TemporaryDirectory() as profile:
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        ]
        options += ["--no-first-run", "--disable-dev-shm-usage", "--disable-background-networking"]
        process = subprocess.Popen(
            [CHROMIUM, *options, f"--window-size={width},{height}", "about:blank"],
            preexec_fn=take_ends,
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(command_read)
        os.close(answer_write)
        try:
            page = Page(command_write, answer_read)
            targets = page.call("Target.getTargets")["targetInfos"]
            target = next(target["targetId"] for target in targets if target["type"] == "page")
            page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                page.call(f"{domain}.enable")
            yield page
        finally:
            page.session = None
            page.call("Browser.close")
            process.wait(20)
            os.close(command_write)
            os.close(answer_read)

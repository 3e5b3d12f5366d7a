"""Drives a real Chromium through its debugging pipe: JSON messages that end in a zero byte."""

import base64
import fcntl
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120  # seconds for one answer


def find_chromium():
    """The program, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """One page; `problems`: what its console said, `requests`: what it tried to load."""

    def __init__(self, read, write, session=None):
        self._read, self._write, self._numbers = read, write, itertools.count(1)
        self._session, self._rest = session, b""
        self.problems, self.requests, self.events = [], [], []

    def ask(self, method, **params):
        """One command's answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            self._note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def attach(self):
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def open(self, url, width, height, **media):
        """Load a page in a window of this size."""
        self.size(width, height)
        features = [{"name": f"prefers-{name}", "value": value} for name, value in media.items()]
        self.ask(
            "Emulation.setEmulatedMedia",
            features=[
                {**feature, "name": feature["name"].replace("_", "-")} for feature in features
            ],
        )
        self.events.clear()
        self.ask("Page.navigate", url=url)
        while "Page.loadEventFired" not in self.events:
            self._note(self._next())

    def size(self, width, height):
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def value(self, expression):
        """What an expression comes to in the page."""
        found = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key, text=""):
        """A key, down and up."""
        code = {"Tab": 9, "Enter": 13, " ": 32}.get(key, 0)
        more = {"key": key, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **more)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **more)

    def write(self, text):
        """Text into whatever has the focus."""
        self.ask("Input.insertText", text=text)

    def picture(self, path, *, whole=False):
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def printed(self):
        """The page as a PDF."""
        return base64.b64decode(self.ask("Page.printToPDF", printBackground=False)["data"])

    def _note(self, message):
        method, params = message.get("method"), message.get("params", {})
        self.events.append(method)
        match method:
            case "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded":
                self.problems.append(params)
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])

    def _next(self):
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            assert time.monotonic() < deadline, "Chromium does not answer"
            part = os.read(self._read, 1 << 20)
            assert part, "Chromium has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


def _pipe():
    """Both ends, out of the way of the numbers that Chromium wants."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved


@contextmanager
def chromium(program, profile):
    """A page of a new Chromium, with a profile of its own."""
    to_child, to_us = _pipe(), _pipe()

    def pipes():
        os.dup2(to_child[0], 3)
        os.dup2(to_us[1], 4)

    flags = ["--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}"]
    flags += ["--no-first-run", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    process = subprocess.Popen(
        [program, *flags, "about:blank"],
        preexec_fn=pipes,
        close_fds=False,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_child[0])
    os.close(to_us[1])
    try:
        page = Page(to_us[0], to_child[1])
        page.attach()
        yield page
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(to_child[1])
        os.close(to_us[0])

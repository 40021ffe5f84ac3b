"""A real, headless Chromium, driven over its DevTools protocol: one page, everything that it asked for, and its errors.

A private profile folder per browser, ended by its pid.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_SECONDS = 60.0
WAIT_SECONDS = 90.0
FLAGS = (
    "--headless=new", "--remote-debugging-port=0", "--no-first-run", "--no-default-browser-check", "--disable-gpu",
    "--disable-extensions", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
)  # fmt: skip
MIDDLE = """selector => {
  const found = document.querySelector(selector);
  if (!found) return null;
  found.scrollIntoView({ block: "center" });
  const box = found.getBoundingClientRect();
  return box.width ? [box.x + box.width / 2, box.y + box.height / 2] : null;
}"""


class BrowserError(AssertionError):
    """The page did not do what was asked of it."""


class Page:
    """One page. `requests` are the addresses that it asked for, `errors` what it complained of."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._session = ""
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                future = self._waiting.pop(said["id"], None)
                if future is not None and not future.done():
                    future.set_result(said)
            else:
                self._hear(said["method"], said.get("params", {}))

    def _hear(self, method: str, said: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(said["exceptionDetails"])[:500])
        elif method == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.errors.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        number = next(self._numbers)
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        body: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            body["sessionId"] = self._session
        await self._socket.send_json(body)
        said = await asyncio.wait_for(future, WAIT_SECONDS)
        if "error" in said:
            raise BrowserError(f"{method}: {said['error']}")
        result: dict[str, Any] = said["result"]
        return result

    async def attach(self) -> None:
        """Open a page and listen to it."""
        target = await self.call("Target.createTarget", url="about:blank")
        session = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = session["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.call(f"{domain}.enable")

    async def size(self, width: int, height: int, *, phone: bool = False, scale: float = 1.0) -> None:
        """Give the page a size, as a desktop or a phone."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        await self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    async def open(self, url: str) -> None:
        """Go to an address."""
        await self.call("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        """Run an expression in the page and return its value."""
        said = await self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in said:
            raise BrowserError(f"{script}: {json.dumps(said['exceptionDetails'])[:500]}")
        return said["result"].get("value")

    async def until(self, script: str, seconds: float = WAIT_SECONDS) -> Any:
        """Wait until an expression is true; return its value."""
        deadline, found = time.monotonic() + seconds, None
        while time.monotonic() < deadline:
            with contextlib.suppress(BrowserError):
                found = await self.run(script)
            if found:
                return found
            await asyncio.sleep(0.05)
        text = await self.run("document.body.innerText.slice(0, 2000)")
        raise BrowserError(f"it never became true: {script}; the page says {text!r}, errors {self.errors}")

    async def text(self, selector: str) -> str:
        """Return the visible text of an element."""
        found: str = await self.run(f"document.querySelector({json.dumps(selector)}).innerText")
        return found

    async def click(self, selector: str) -> None:
        """Click in the middle of an element, as a mouse does."""
        place = await self.until(f"({MIDDLE})({json.dumps(selector)})")
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def press(self, key: str) -> None:
        """Press and release a key, as a keyboard does: Enter, Escape, Tab."""
        code = {"Enter": 13, "Escape": 27, "Tab": 9}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    async def write(self, text: str) -> None:
        """Type where the focus is."""
        await self.call("Input.insertText", text=text)

    async def type(self, selector: str, text: str) -> None:
        """Click into a field and type."""
        await self.click(selector)
        await self.write(text)

    async def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Write what is seen as PNG."""
        said = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(said["data"]))

    def close(self) -> None:
        """Stop listening."""
        self._reader.cancel()


@contextlib.asynccontextmanager
async def page() -> AsyncIterator[Page]:
    """Give a page of a browser of its own."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        raise RuntimeError("Chromium is not installed: apt-get install -y chromium")
    folder = Path(tempfile.mkdtemp(prefix="tradingbot-browser-"))
    # root has no sandbox to start, and a container often has none for anybody.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    command = [program, *FLAGS, *sandbox, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    process = _start(command, folder / "log")
    try:
        address = await _address(folder, process)
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
            opened = Page(socket)
            await opened.attach()
            yield opened
            opened.close()
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)


async def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait until the browser says where it listens."""
    deadline = time.monotonic() + START_SECONDS
    told = folder / "profile" / "DevToolsActivePort"
    while time.monotonic() < deadline:
        if told.exists() and len(lines := told.read_text().splitlines()) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        if process.poll() is not None:
            break
        await asyncio.sleep(0.05)
    raise RuntimeError(f"Chromium did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")

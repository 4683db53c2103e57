"""A real JupyterLab, or Notebook, that has our wheel installed, and a headless Chromium in front of
it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any

import nbformat

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
_ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/")
_NO_NEWS = {"fetchNews": "false", "checkForUpdates": False}
_READY = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""
_RUN = """place => {
    const cell = document.querySelectorAll(".jp-Notebook .jp-CodeCell")[place];
    return /\\[\\d+\\]/.test(cell.querySelector(".jp-InputPrompt").textContent);
}"""


def chromium() -> str | None:
    """The Chromium of this machine, by whatever name it goes."""
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


def installed(wheel: Path, folder: Path) -> Path:
    """The Python of a new environment with the wheel in it; all else it borrows from this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    borrowed = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "borrowed.pth").write_text("\n".join(borrowed), "utf-8")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
    ]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True, text=True)
    return python


@contextmanager
def serving(python: Path, app: str, root: Path, home: Path) -> Iterator[str]:
    """The address of `jupyterlab` or `notebook`, which sees nothing of anybody's settings."""
    from jupyterlab.commands import get_app_dir

    notices = (
        home
        / "settings"
        / "@jupyterlab"
        / "apputils-extension"
        / "notification.jupyterlab-settings"
    )
    notices.parent.mkdir(parents=True, exist_ok=True)
    notices.write_text(json.dumps(_NO_NEWS), "utf-8")
    places = {"CONFIG": "config", "DATA": "data", "RUNTIME": "runtime", "LAB_SETTINGS": "settings"}
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    env |= {
        f"JUPYTER_{name}_DIR".replace("R_LAB", "RLAB"): str(home / place)
        for name, place in places.items()
    }
    env |= {
        "HOME": str(home),
        "JUPYTERLAB_DIR": get_app_dir(),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    options = [
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        "--IdentityProvider.token=",
    ]
    exposed = [f"--{each}.expose_app_in_browser=True" for each in ("LabApp", "JupyterNotebookApp")]
    command = [str(python), "-m", app, *options, *exposed, f"--ServerApp.root_dir={root}"]
    with subprocess.Popen(command, env=env, cwd=home, stderr=subprocess.PIPE, text=True) as server:
        listens: Queue[str] = Queue()
        reader = threading.Thread(target=_listen, args=(server, listens))
        reader.start()
        try:
            yield listens.get(timeout=120)
        finally:
            server.terminate()
            reader.join()


def _listen(server: subprocess.Popen[str], listens: Queue[str]) -> None:
    """Hand over the address that the server tells; read all else away, lest it wait for a
    reader.
    """
    assert server.stderr is not None
    for line in server.stderr:
        if found := _ADDRESS.search(line):
            listens.put(found[1])


@contextmanager
def browsing() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium(), args=SWITCHES)
        yield browser
        browser.close()


def write_notebook(path: Path, *cells: str) -> None:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(
        cells=[*map(nbformat.v4.new_code_cell, cells)], metadata={"kernelspec": kernel}
    )
    nbformat.write(made, path)


class Notebook:
    """An open notebook, as somebody uses it: cells by their place."""

    def __init__(self, page: Page, address: str, cells: int) -> None:
        self.page = page
        self.said: list[str] = []
        page.set_default_timeout(180_000)
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.goto(address)
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").nth(cells - 1).wait_for()
        page.wait_for_function(_READY)  # a cell that is run before that is forgotten

    def cell(self, place: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(place)

    def run(self, place: int) -> Locator:
        """Run a cell; gives its outputs."""
        self.cell(place).locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        self.page.wait_for_function(_RUN, arg=place)
        return self.cell(place).locator(".jp-OutputArea")

    def write(self, place: int, text: str, *keys: str) -> None:
        """Put a text in the place of what a cell holds, then press keys."""
        self.cell(place).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)
        self.press(*keys)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def text(self, place: int) -> str:
        return str(self.cell(place).locator(".cm-content").inner_text())


def style(where: Locator, piece: str) -> dict[str, Any]:
    """How the first piece of code that is just this text, in quotes or without, looks: its colour
    and weight.
    """
    found = where.locator(
        ".cm-line span", has_text=re.compile(rf"^[\"\s]*{re.escape(piece)}[\"\s]*$")
    ).first
    look = "e => { const s = getComputedStyle(e); return {color: s.color, weight: s.fontWeight}; }"
    return dict(found.evaluate(look))

"""Measure pages in a headless Chromium."""

import functools
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from html import unescape
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

# In the page: what it measures is sent to the frame around it, once images and fonts are there.
PROBE = """<script>addEventListener("load", () => {
  const right = [...document.querySelectorAll("SELECTOR")].map(element => element.getBoundingClientRect().right);
  parent.postMessage({viewport: innerWidth, content: document.documentElement.scrollWidth, right}, "*");
})</script>"""

# A window cannot be as narrow as a telephone, but a frame can.
FRAME = """<!doctype html><body><script>
addEventListener("message", event => { document.body.dataset.measured = JSON.stringify(event.data) })
</script><iframe src="SOURCE" style="width: WIDTHpx; height: 900px; border: 0"></iframe></body>"""


@dataclass(frozen=True)
class Measured:
    """The width of a page in CSS pixels.

    Attributes:
        viewport: width that the page has.
        content: width that it takes; wider than the viewport where the page as a whole scrolls sideways.
        right: right edge of each element that was asked for, from the left of the viewport.
    """

    viewport: int
    content: int
    right: tuple[float, ...]


def find_browser() -> str | None:
    """Return the path of a Chromium; None if there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@functools.cache
def why_no_browser() -> str:
    """Return why pages cannot be measured here; empty where they can."""
    browser = find_browser()
    if browser is None:
        return f"no browser: none of {', '.join(NAMES)} is on the path (Debian: apt-get install chromium)"
    try:
        blank = [*command(browser), "--dump-dom", "about:blank"]
        done = subprocess.run(blank, capture_output=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return f"{browser} does not answer within two minutes"
    return "" if b"<body" in done.stdout else f"{browser} does not start: {done.stderr[-300:].decode(errors='replace')}"


def command(browser: str) -> list[str]:
    """Return the command of a headless browser that leaves nothing behind and loads nothing from a network."""
    options = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"]
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # it refuses to run as root with it
    return [browser, *options, *root, "--hide-scrollbars", "--no-first-run"]


def measure(page: Path, width: int, selector: str = "none", *, printed: bool = False) -> Measured:
    """Lay out a page in a viewport and return how wide it is.

    Args:
        page: HTML file.
        width: of the viewport in CSS pixels.
        selector: of the elements whose right edges are measured.
        printed: whether the rules for paper apply.
    """
    html = page.read_text(encoding="utf-8").replace("</html>", PROBE.replace("SELECTOR", selector) + "</html>")
    if printed:
        assert "@media print {" in html
        html = html.replace("@media print {", "@media all {")
    copy = page.with_name(f"measured-{page.name}")
    copy.write_text(html, encoding="utf-8")
    frame = page.with_name(f"frame-{page.name}")
    frame.write_text(FRAME.replace("SOURCE", copy.name).replace("WIDTH", str(width)), encoding="utf-8")
    dom = run("--dump-dom", "--virtual-time-budget=20000", "--window-size=1600,1000", frame.as_uri())
    found = re.search(r'data-measured="([^"]*)"', dom.decode())
    assert found, f"{page}: nothing was measured: {dom[-500:]!r}"
    measured = json.loads(unescape(found[1]))
    assert measured["viewport"] == width
    return Measured(measured["viewport"], measured["content"], tuple(measured["right"]))


def printed_pages(page: Path) -> tuple[int, set[tuple[float, float]]]:
    """Print a page to PDF; return the number of sheets, and their sizes in points."""
    target = page.with_suffix(".pdf")
    run(f"--print-to-pdf={target}", page.as_uri())
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", target.read_bytes())
    return len(boxes), {(float(wide), float(tall)) for wide, tall in boxes}


def run(*arguments: str) -> bytes:
    """Run the browser and return what it writes."""
    browser = find_browser()
    assert browser
    done = subprocess.run([*command(browser), *arguments], capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-1000:]
    return done.stdout

"""Look at the built site: links, search, and every page in a browser at three widths.

python tools/check_site.py docs/_build/html

In headless Chromium (of the system, or Playwright's own) no page may scroll sideways,
no wide window may cut off a table, nothing may fail to load or be written to the
console as an error, and the search must find what newcomers look for. Where there is no
browser, links and the search index are checked alone, which is said.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

WIDTHS = (400, 1000, 1300)

#: What newcomers look for.
WORDS = ("microcontroller", "latency", "categorical", "pytorch", "quantization", "int8")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

#: What is too wide at the window's width, as a few words for each.
TOO_WIDE = """
isWide => {
    const found = [], page = document.documentElement;
    if (page.scrollWidth > page.clientWidth) {
        const all = [...document.querySelectorAll("body *")];
        const inScroller = e => {
            for (let p = e; p && p !== document.body; p = p.parentElement) {
                if (getComputedStyle(p).overflowX !== "visible") { return true; }
            }
            return false;
        };
        const out = all.filter(e => e.getBoundingClientRect().right > page.clientWidth
                                    && !inScroller(e));
        const name = e => e.tagName.toLowerCase() + "." + e.className;
        const names = out.slice(-2).map(name);
        found.push(`${page.scrollWidth - page.clientWidth} px too wide: ${names}`);
    }
    if (isWide) {
        for (const table of document.querySelectorAll(".bd-article table")) {
            const box = table.parentElement;
            if (box.scrollWidth > box.clientWidth + 1) {
                const text = table.textContent.trim().replace(/\\s+/g, " ");
                found.push(`a table loses a column: ${text.slice(0, 40)}`);
            }
        }
    }
    return found;
}
"""


class Page(HTMLParser):
    """Links of a page, and what can be linked to.

    Parameters
    ----------
    text : str
        HTML.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take links and names."""
        for name, value in attrs:
            if value is None:
                continue
            if name in ("href", "src"):
                self.links.append(value)
            elif name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)


def _pages(root: Path) -> list[Path]:
    """Return the pages of a site; templates of its theme are none."""
    return sorted(path for path in root.rglob("*.html") if "_static" not in path.parts)


def broken_links(root: Path) -> Iterator[str]:
    """Yield each link inside the site that leads nowhere."""
    pages = {path: Page(path.read_text("utf-8")) for path in _pages(root)}
    for path, page in pages.items():
        for link in sorted(set(page.links)):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = path
            if parts.path:
                there = (path.parent / unquote(parts.path)).resolve()
            if there.is_dir():
                there /= "index.html"
            name = path.relative_to(root)
            if not there.exists():
                yield f"{name}: no file for {link!r}"
            elif there in pages and unquote(parts.fragment) not in pages[there].anchors:
                yield f"{name}: no anchor for {link!r}"


def missing_words(root: Path, words: tuple[str, ...] = WORDS) -> Iterator[str]:
    """Yield each word that the search index does not have."""
    import snowballstemmer

    text = (root / "searchindex.js").read_text("utf-8")
    index = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    stem = snowballstemmer.stemmer("english").stemWord
    for word in words:
        terms = {word, stem(word)}
        if not terms & (index["terms"].keys() | index["titleterms"].keys()):
            yield f"search index: no {word!r}"


def in_browser(root: Path, widths: tuple[int, ...] = WIDTHS) -> Iterator[str]:
    """Yield what is wrong in a browser."""
    from playwright.sync_api import sync_playwright

    handler = partial(_Silent, directory=str(root))
    browsers = [found for name in BROWSERS if (found := shutil.which(name))]
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        browser = playwright.chromium.launch(
            executable_path=browsers[0] if browsers else None,
            args=["--no-sandbox", "--disable-gpu"],
        )
        page = browser.new_page()
        seen: list[str] = []
        page.on("console", lambda m: seen.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: seen.append(str(error)))
        page.on("requestfailed", lambda request: seen.append(f"failed: {request.url}"))
        for path in _pages(root):
            name = path.relative_to(root).as_posix()
            page.set_viewport_size({"width": widths[0], "height": 800})
            page.goto(address + name, wait_until="load")
            for width in widths:
                page.set_viewport_size({"width": width, "height": 800})
                for what in page.evaluate(TOO_WIDE, width == max(widths)):
                    yield f"{name} at {width} px: {what}"
            yield from (f"{name}: {each}" for each in seen)
            seen.clear()
        for word in WORDS:
            page.goto(f"{address}search.html?q={word}", wait_until="load")
            try:
                page.wait_for_selector("#search-results li a", timeout=20_000)
            except Exception:  # of Playwright, when nothing comes
                yield f"search for {word!r} finds nothing"
        browser.close()
        server.shutdown()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""


def main() -> int:
    """Print what is wrong; return 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("--no-browser", action="store_true")
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    if not (root / "index.html").exists():
        sys.exit(f"There is no site in {root}: make docs builds it.")
    wrong = [*broken_links(root), *missing_words(root)]
    checked = "links and search index"
    if not arguments.no_browser:
        try:
            wrong += in_browser(root)
            checked += f", every page in Chromium at {', '.join(map(str, WIDTHS))} px"
        except Exception as error:  # no Playwright, or no browser
            if not re.search("playwright|Executable doesn't exist", str(error)):
                raise
            print(f"No browser: {str(error).splitlines()[0]}")
    print("\n".join(wrong))
    n_pages = len(_pages(root))
    print(f"{n_pages} pages, {len(wrong)} faults. Checked: {checked}.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

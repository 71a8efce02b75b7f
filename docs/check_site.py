"""Check a built site: its links lead somewhere, and its pages load nothing from the web.

    python docs/check_site.py build/docs

Sphinx checks the links that it makes; this checks the pages as a browser gets them.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Elements that load what they name when the page is opened.
LOADING = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """The anchors of a page, and what it refers to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[tuple[str, str]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what a tag says of itself and of others."""
        named = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := named.get(key))}
        target = named.get("href") if tag == "a" else named.get(LOADING.get(tag, ""))
        if target:
            self.links.append((tag, target))


def faults(site: Path) -> list[str]:
    """List what is wrong in a site."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        where = path.relative_to(site.resolve())
        for tag, target in page.links:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if tag != "a" and parts.scheme != "data":
                    found.append(f"{where} loads {target} from the web")
                continue
            leads_to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not leads_to.exists():
                found.append(f"{where} links to {target}, which is not there")
            elif parts.fragment and leads_to in pages:
                anchors = pages[leads_to].anchors
                if not {parts.fragment, unquote(parts.fragment)} & anchors:
                    found.append(f"{where} links to {target}, but there is no such heading")
    styles = ((path, path.read_text(encoding="utf-8")) for path in site.rglob("*.css"))
    return found + [
        f"{path.relative_to(site)} loads something from the web"
        for path, text in styles
        if "url(http" in text.replace('"', "").replace("'", "") or "@import url" in text
    ]


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]))
    sys.exit("\n".join(wrong) if wrong else 0)

"""Walk the pages of a built site in a real browser, with some hosts closed."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from mirror.urls.address import canonical

# A wide screen, and a telephone at night: each takes other candidates of `srcset` and `<picture>`.
SCREENS: tuple[dict[str, Any], ...] = (
    {"viewport": {"width": 1400, "height": 900}},
    {
        "viewport": {"width": 400, "height": 800},
        "device_scale_factor": 2,
        "color_scheme": "dark",
    },
)
# Load what a person would scroll to, and what others show of a page: its icon and its card.
# Return the addresses of the pictures that have no pixels.
_LOOK = """async () => {
  const of = (selector, name) => [...document.querySelectorAll(selector)].map(node => node[name]);
  const cards = of('meta[property^="og:image"], meta[name="twitter:image"]', 'content')
    .concat(of('link[rel~="icon"], link[rel="apple-touch-icon"]', 'href'));
  for (const url of cards.filter(Boolean))  // an event says which of them fail
    await fetch(url, {mode: 'no-cors', cache: 'reload'}).catch(() => null);
  const shown = [...document.images];
  for (const image of shown) {
    image.loading = 'eager';
    await image.decode().catch(() => null);
  }
  return shown.filter(image => image.getAttribute('src') !== null && !image.naturalWidth)
    .map(image => image.currentSrc || image.src);
}"""


@dataclass
class Walk:
    """Hosts as folders (`https://host/path/`), and everything a walk over pages met.

    A host that is `None` is closed. A host that is not named shows `others` under every address.
    """

    hosts: Mapping[str, Path | None]
    others: bytes
    missing: set[str] = field(default_factory=set)  # addresses, as `canonical` spells them
    pictures: int = 0

    def visit(self, browser: Any, pages: list[str], until: str = "load") -> None:
        """Open each page on each screen, and note what it does not show.

        A page that a script makes is there once the network is idle: `until`.
        """
        for screen in SCREENS:
            context = browser.new_context(**screen)
            tab = context.new_page()
            tab.route("**/*", self._answer)
            tab.on("requestfailed", self._fail)
            tab.on("response", lambda response: response.ok or self._miss(response.url))
            for page in pages:
                tab.goto(page, wait_until=until)
                tab.evaluate("window.scrollTo(0, document.body.scrollHeight)")
                for address in tab.evaluate(_LOOK):
                    self._miss(address)
                self.pictures += tab.evaluate("document.images.length")
                tab.wait_for_load_state("networkidle")
            context.close()

    def _fail(self, request: Any) -> None:
        if request.failure == "net::ERR_CONNECTION_REFUSED":  # and not cancelled by the browser
            self._miss(request.url)

    def _miss(self, address: str) -> None:
        self.missing.add(canonical(address) or address)

    def _answer(self, route: Any) -> None:
        address = urlsplit(route.request.url)
        base = next((base for base in self.hosts if route.request.url.startswith(base)), None)
        if base is None:
            on_named_host = any(urlsplit(base).netloc == address.netloc for base in self.hosts)
            route.fulfill(status=404) if on_named_host else route.fulfill(
                body=self.others, content_type="image/png"
            )
        elif (folder := self.hosts[base]) is None:
            route.abort("connectionrefused")
        else:
            path = folder / unquote(address.path.removeprefix(urlsplit(base).path))
            path = path / "index.html" if path.is_dir() else path
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            if path.is_file():
                route.fulfill(body=path.read_bytes(), content_type=kind)
            else:
                route.fulfill(status=404)


def pages_of(folder: Path, base: str) -> Iterator[str]:
    """Yield the address of each HTML page in a built site."""
    for path in sorted(folder.rglob("*.html")):
        yield base + quote(path.relative_to(folder).as_posix())

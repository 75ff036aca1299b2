"""Sources of the configuration that match nothing: `match` may be wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from mirror.model import Asset, Finding, Rule
from mirror.pipeline.scan import SiteScan
from mirror.urls.address import Url, parse
from mirror.urls.sources import Locator, Source


def unmatched_sources(
    sources: Sequence[Source],
    locator: Locator,
    scanned: SiteScan,
    assets: Iterable[Asset],
    others: Iterable[Url] = (),
) -> Iterator[Finding]:
    """Yield a warning for each source that has no image in the posts and none in the manifest.

    `assets` are those of the manifest, and `others` URLs that stand elsewhere in the site. All are
    read only as far as a source needs it.
    """
    left = {source.name: source for source in sources}
    urls = chain(
        (reference.url for _, reference in scanned.references()),
        others,
        (Url(address) for asset in assets for address in asset.sources),
    )
    is_empty = True
    for url in urls:
        if not left:
            return
        is_empty = is_empty and parse(url.raw) is None
        if (image := locator.locate(url)) is not None:
            left.pop(image.source.name, None)
    if is_empty:  # a site without an image of any host
        return
    for source in left.values():
        message = (
            f"no image in the posts and none in the manifest begins with {source.match[0]}; is "
            "`match` spelled as in the posts? `mirror scan --hosts` lists their hosts"
        )
        yield Finding(Rule.ENTRY_UNUSED, f"source {source.name}", message)

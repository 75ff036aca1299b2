"""Read built pages and any other text for addresses. Pure: bytes in, values out.

Others use these names:

- `find_pictures` returns where an HTML page asks for pictures and style sheets, as it spells that.
- `find_own_address` returns the address that a page gives as its own.
- `SiteAddress`, `Location` and `resolve` tell where such an address leads, as a browser would.
- `find_icons` returns the pictures that a web manifest names.
- `MentionFinder` finds every place of a text that spells an address of a source.
- `mention_uses` tells what an HTML page does with each of them, `string_uses` what a feed, a
  search index or a script does.
- `utf8_text` decodes a file of any kind, and leaves out what is no text.

Read the files in this order: `text`, `location`, `pictures`, `mentions`.
"""

from mirror.pages.location import Location, SiteAddress, resolve, resolve_base
from mirror.pages.mentions import (
    Mention,
    MentionFinder,
    Use,
    mention_uses,
    string_uses,
    without_overlaps,
)
from mirror.pages.pictures import (
    PageAddress,
    PageAddresses,
    find_icons,
    find_own_address,
    find_pictures,
    find_style_pictures,
)
from mirror.pages.text import utf8_text

__all__ = [
    "Location",
    "Mention",
    "MentionFinder",
    "PageAddress",
    "PageAddresses",
    "SiteAddress",
    "Use",
    "find_icons",
    "find_own_address",
    "find_pictures",
    "find_style_pictures",
    "mention_uses",
    "resolve",
    "resolve_base",
    "string_uses",
    "utf8_text",
    "without_overlaps",
]

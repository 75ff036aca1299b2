"""`mirror accept`."""

from __future__ import annotations

from typing import Annotated

import typer

from mirror.amounts import count_text
from mirror.cli.common import ConfigPath, Json, load, open_site
from mirror.console import for_log, print_json, say


def accept(
    urls: Annotated[
        list[str], typer.Argument(metavar="URL…", help="The addresses, as the findings name them.")
    ],
    config: ConfigPath = None,
    as_json: Json = False,
) -> None:
    """Take pictures that `sync` held back: changed, damaged, or one for several addresses."""
    from mirror.pipeline.accept import accept as accept_held
    from mirror.pipeline.hold import find_suspects
    from mirror.repeats.reviews import REVIEWS, load_reviews

    parts = open_site(load(config))
    reviews = parts.config.manifest / REVIEWS
    with parts.lock("mirror accept"):
        manifest, _ = parts.manifest.load()
        redirects, _ = parts.redirects.load()
        suspects = find_suspects(manifest, redirects, load_reviews(reviews))
        images = accept_held(urls, parts.locator, parts.state.held, suspects, reviews)
    for image in images:
        if as_json:
            print_json(
                {
                    "type": "accepted",
                    "source": image.address,
                    "sha256": image.blob.digest.hex,
                    "media_type": image.blob.media_type,
                    "size": image.blob.size,
                }
            )
        else:
            say(f"accepted {for_log(image.address)} as {image.blob.digest}")
    if not as_json:
        say(
            f"recorded {count_text(len(images), 'decision')} in {for_log(str(reviews))}; "
            "`mirror sync` takes them in"
        )

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
    from mirror.repeats.reviews import REVIEWS

    parts = open_site(load(config))
    reviews = parts.config.manifest / REVIEWS
    with parts.lock("mirror accept"):
        images = accept_held(urls, parts.locator, parts.state.held, reviews)
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

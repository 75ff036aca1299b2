"""The lines of a change that a person should read before it is merged. Asks no network.

`verify` cannot know who wrote them, so it names all: decisions about pictures, and the settings
that let keys or requests go somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mirror.config import Config, header_variables
from mirror.model import Finding, Rule
from mirror.repeats.reviews import REVIEWS, load_decisions
from mirror.urls.redact import without_secrets

_MEANINGS = {
    "split": "this picture is shown by itself",
    "merge": "these two count as one picture, and the better one is shown for both",
    "accept": "these bytes are taken for the address",
}


def decisions(config: Config) -> Iterator[Finding]:
    """Yield a note for each decision of the reviews that takes effect, at its line.

    Raise `ReviewError`.
    """
    path = config.manifest / REVIEWS
    name = _name(path, config.root)
    for decision in load_decisions(path):
        message = f"`{' '.join(decision.words)}`: {_MEANINGS[decision.words[0]]}"
        yield Finding(Rule.DECISION, name, message, name, decision.line)


def openings(config: Config) -> Iterator[Finding]:
    """Yield a note for each setting that lets keys or requests go somewhere."""
    for kind, tables in (("destination", config.destinations), ("source", config.sources)):
        for table in tables:
            if table.endpoint_url is not None:
                url = without_secrets(table.endpoint_url)
                message = f"endpoint_url = {url!r}: requests with your keys go to this server"
                yield Finding(Rule.SETTING_OPENS, f"{kind} {table.name}", message)
    for source in config.sources:
        if source.fetch is not None and _is_private(source.fetch):
            message = f"fetch = {source.fetch!r}: this private host and port are asked for it"
            yield Finding(Rule.SETTING_OPENS, f"source {source.name}", message)
        for variable in header_variables(source):
            message = f"headers: its hosts get the environment variable {variable}"
            yield Finding(Rule.SETTING_OPENS, f"source {source.name}", message)
    for destination in config.destinations:
        if (public := destination.public_url) is not None and _is_private(public):
            message = f"public_url = {public!r}: `verify --public` asks this private host and port"
            yield Finding(Rule.SETTING_OPENS, f"destination {destination.name}", message)
    if config.fetch.allow_private_hosts:
        message = "allow_private_hosts = true: posts may have any host of your network asked"
        yield Finding(Rule.SETTING_OPENS, "fetch", message)


def _is_private(url: str) -> bool:
    if not url.startswith(("http:", "https:")):
        return False
    from mirror.fetch import names_private_host  # a web client

    return names_private_host(url)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

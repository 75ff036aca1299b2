"""The lines of a change that a person should read before it is merged. Asks no network.

`verify` cannot know who wrote them, so it names all: decisions about pictures, the settings that
let keys or requests go somewhere, and, since a commit, addresses that a known picture did not have
and settings by which fewer images are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from posixpath import basename, dirname

from mirror.compact import TextFilter
from mirror.config import ArchiveBucket, Config, ConfigError, header_variables, loads_config
from mirror.history import Before, tracked_file
from mirror.manifest import FILES, ManifestFile
from mirror.model import Finding, Rule
from mirror.records import RecordError
from mirror.repeats.evidence import Mode
from mirror.repeats.reviews import (
    Accept,
    Decision,
    Merge,
    ReviewError,
    Split,
    load_decisions,
    loads_decisions,
)
from mirror.site_index import SITE_FILE, site_name
from mirror.urls.address import identity
from mirror.urls.redact import without_secrets
from mirror.urls.sources import Source

_MEANINGS = {
    Split: "this picture is shown by itself",
    Merge: "these two count as one picture, and the better one is shown for both",
    Accept: "these bytes are taken for the address",
}


def decisions(reviews: Path, root: Path, before: Before | None = None) -> Iterator[Finding]:
    """Yield a note for each decision of the reviews that takes effect, at its line.

    With `before`, only those that were not there. Lines are named from `root`. Raise `ReviewError`.
    """
    name = _name(reviews, root)
    known = set[Decision]()
    if before is not None:
        with suppress(ReviewError):  # nobody could obey that file: all lines are new
            known = {line.decision for line in loads_decisions(before.read(reviews))}
    for line in load_decisions(reviews):
        if line.decision not in known:
            message = f"`{line.decision}`: {_MEANINGS[type(line.decision)]}"
            yield Finding(Rule.DECISION, name, message, name, line.number)


def moved_sources(manifest: ManifestFile, root: Path, before: Before) -> Iterator[Finding]:
    """Yield a note for each address or key that the manifest now has for a picture of before.

    A post that names it would show that picture. An address that had another picture before is
    named too, and one that is gone: no command takes one out, or changes a key. Raise
    `ManifestError`.
    """
    folders = {folder: before.names(manifest.folder / folder) for folder in {*map(dirname, FILES)}}
    names = [name for name in FILES if basename(name) in folders[dirname(name)]]
    if not names:
        if manifest.exists():
            message = (
                f"was not there at commit {before.commit}, so no line of it can be compared; look "
                "whether the manifest stood elsewhere, and each host sends what is said here"
            )
            yield Finding(Rule.SOURCE_MOVED, _name(manifest.path, root), message)
        return
    try:
        old = manifest.load_texts(before.read, names)
    except RecordError as error:
        message = f"cannot be compared with commit {before.commit}, where it is broken: {error}"
        yield Finding(Rule.SOURCE_MOVED, _name(manifest.path, root), message)
        return
    for (file, number), asset in manifest.numbered():
        known = old.assets.get(asset.digest)
        if known is not None and known.key and asset.key and known.key != asset.key:
            message = (
                f"was the key of picture {asset.digest}, which has {asset.key} now: posts show it "
                "under its old key, and no command changes one; bring the line back from version "
                "control"
            )
            yield Finding(Rule.SOURCE_MOVED, known.key, message, _name(Path(file), root), number)
        for address in asset.sources:
            had = old.by_source.get(identity(address))
            if had is None and asset.digest in old.assets:
                message = f"is new on the line of a known picture, {asset.digest}"
            elif had is not None and had.digest != asset.digest:
                message = f"had picture {had.digest}, and now has {asset.digest}"
            else:
                continue
            message += "; look whether its host sends that picture"
            yield Finding(Rule.SOURCE_MOVED, address, message, _name(Path(file), root), number)
    kept = TextFilter(
        identity(address)
        for _, asset in manifest.numbered()
        for address in (*asset.sources, *asset.former_sources)
    )
    for asset in old.assets.values():
        for address in asset.sources:
            if identity(address) not in kept:
                message = (
                    f"is gone, and had picture {asset.digest}: `restore` and `sync` would know "
                    "nothing of it; was it lost in a merge?"
                )
                yield Finding(Rule.SOURCE_MOVED, address, message)


def changed_site(manifest: Path, root: Path, before: Before) -> Iterator[Finding]:
    """Yield a note if the site in whose folder `manifest` is has another name than before.

    What the index of that name has counts as this site's own. Raise `RecordError`.
    """
    path = manifest / SITE_FILE
    old = before.read(path).partition("\n")[0].strip()
    new = site_name(manifest)
    if old and old != new:
        message = (
            f"has another first line than at commit {before.commit}: `prune` would take the "
            "objects of the site with that name for this site's, and delete them"
        )
        yield Finding(Rule.SETTING_OPENS, _name(path, root), message, _name(path, root), 1)


def changed_settings(config: Config, file: Path, before: Before) -> Iterator[Finding]:
    """Yield a note for each setting of a change that lets more in, or has less looked at.

    `file` is that of `config`.
    """
    text = before.read(file)
    if not text:
        message = (
            f"was not there at commit {before.commit}, so no setting of it can be compared; look "
            "whether another configuration was used until now"
        )
        yield Finding(Rule.SETTING_HIDES, _name(file, config.root), message)
        return
    try:
        old = loads_config(text.encode(), file)
    except ConfigError as error:
        message = f"cannot be compared with commit {before.commit}, where it is broken: {error}"
        yield Finding(Rule.SETTING_HIDES, _name(file, config.root), message)
        return
    yield from _settings_that_hide(config, old)
    yield from _settings_that_widen(config, old)


def _settings_that_hide(config: Config, old: Config) -> Iterator[Finding]:
    """Yield a note for each setting by which fewer images are looked at than before.

    Nothing is said about an image that no setting covers any more.
    """
    for entry in config.ignored.entries:
        if entry not in old.ignored.entries:
            message = "is new: nobody is told if such an image is not mirrored, or changed"
            yield Finding(Rule.SETTING_HIDES, f"[[ignore]] {without_secrets(entry.text)}", message)
    posts, was = config.posts, old.posts
    for pattern in sorted({*posts.exclude} - {*was.exclude}):
        yield _narrowing("exclude", pattern, "is new: posts that it fits are not read")
    for pattern in sorted({*was.include} - {*posts.include}):
        yield _narrowing("include", pattern, "is gone: posts that it alone fits are not read")
    for path in sorted({*was.paths} - {*posts.paths}):
        yield _narrowing("paths", _name(path, config.root), "is gone: its posts are not read")
    matched = tuple(prefix for source in config.sources for prefix in source.match)
    for source in old.sources:
        for prefix in source.match:
            if not prefix.startswith(matched):
                message = f"match = {prefix!r} is gone: images there count as nobody's"
                yield Finding(Rule.SETTING_HIDES, f"source {source.name}", message)


def _narrowing(key: str, value: str, message: str) -> Finding:
    return Finding(Rule.SETTING_HIDES, f"[posts].{key}", f"{value!r} {message}")


def _settings_that_widen(config: Config, old: Config) -> Iterator[Finding]:
    """Yield a note for each setting that lets more in than before, or puts it elsewhere."""
    known = {(grant.subject, grant.key, grant.value) for grant in _grants(old)}
    for grant in _grants(config):
        if (grant.subject, grant.key, grant.value) not in known:
            shown = "" if grant.is_private else f" = {without_secrets(grant.value)!r}"
            message = f"{grant.key}{shown} is new: {grant.meaning}"
            yield Finding(Rule.SETTING_OPENS, grant.subject, message)
    for key, meaning in _LIMITS.items():
        was, limit = getattr(old.fetch, key), getattr(config.fetch, key)
        if limit > was:
            message = f"{key} = {limit}, and was {was}: {meaning}"
            yield Finding(Rule.SETTING_OPENS, "fetch", message)
    if Mode(config.dedupe).is_wider_than(Mode(old.dedupe)):
        message = f"mode = {config.dedupe!r}, and was {old.dedupe!r}: more pictures count as one"
        yield Finding(Rule.SETTING_OPENS, "dedupe", message)


_LIMITS = {
    "concurrency": "so many requests are made at once",
    "timeout_s": "a silent host is waited for so many seconds",
    "retries": "a host that fails is asked so often again",
    "max_bytes": "an image may have so many bytes",
    "max_pixels": "an image may have so many pixels",
}


@dataclass(frozen=True, slots=True)
class _Grant:
    """A setting that lets something in or out, and what it does."""

    subject: str
    key: str
    value: str
    meaning: str
    is_private: bool = False


def _grants(config: Config) -> Iterator[_Grant]:
    """Yield what `config` lets in or out, but for what `settings_that_open` names anyway."""
    posts = "such files are read as posts, and `rewrite` changes them"
    for path in config.posts.paths:
        yield _Grant("[posts]", "paths", _name(path, config.root), posts)
    for pattern in config.posts.include:
        yield _Grant("[posts]", "include", pattern, posts)
    for source in config.sources:
        yield from _source_grants(source)
    for destination in config.destinations:
        subject = f"destination {destination.name}"
        yield _Grant(subject, "url", destination.url, "images are written there")
        if (public := destination.public_url) is not None:
            yield _Grant(
                subject, "public_url", public, "readers get the images of posts from there"
            )
    archive = config.archive
    place = _name(archive, config.root) if isinstance(archive, Path) else archive.url
    yield _Grant("archive", "path", place, "originals are written there, and believed from there")
    profiles = [(f"source {each.name}", each.profile) for each in config.sources]
    profiles += [(f"destination {each.name}", each.profile) for each in config.destinations]
    if isinstance(archive, ArchiveBucket):
        profiles.append(("archive", archive.profile))
    for subject, profile in profiles:
        if profile is not None:
            yield _Grant(subject, "profile", profile, "requests are signed with its keys")


def _source_grants(source: Source) -> Iterator[_Grant]:
    subject = f"source {source.name}"
    for prefix in source.match:
        yield _Grant(subject, "match", prefix, "images there are asked for and published")
    if source.fetch is not None:
        yield _Grant(subject, "fetch", source.fetch, "its images come from there")
    for name, value in source.headers:
        meaning = "its hosts get this header"
        yield _Grant(subject, f"headers.{name}", value, meaning, is_private=True)
    if source.trust_svg:
        meaning = "a script in an SVG of its hosts may run where your images are shown"
        yield _Grant(subject, "trust_svg", "true", meaning)


def settings_that_open(config: Config) -> Iterator[Finding]:
    """Yield a note for each setting or file that lets keys, requests or pictures go astray."""
    endpoints = [(f"destination {each.name}", each.endpoint_url) for each in config.destinations]
    endpoints += [(f"source {each.name}", each.endpoint_url) for each in config.sources]
    if isinstance(config.archive, ArchiveBucket):
        endpoints.append(("archive", config.archive.endpoint_url))
    for subject, url in endpoints:
        if url is not None:
            shown = without_secrets(url)
            message = f"endpoint_url = {shown!r}: requests with your keys go to this server"
            yield Finding(Rule.SETTING_OPENS, subject, message)
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
    if (path := tracked_file(config.state)) is not None:
        message = "is under version control, and `sync` would believe it; it refuses to run"
        yield Finding(Rule.SETTING_OPENS, _name(path, config.root), message)
    if config.fetch.allow_private_hosts:
        message = "allow_private_hosts = true: posts may have any host of your network asked"
        yield Finding(Rule.SETTING_OPENS, "fetch", message)


def _is_private(url: str) -> bool:
    if not url.startswith(("http:", "https:")):
        return False
    from mirror.fetch import names_private_host

    return names_private_host(url)


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

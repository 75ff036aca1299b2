"""`mirror init`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text
from mirror.cli.common import EXIT_REFUSED, EXIT_USAGE, Paths, path, scan_posts
from mirror.config import CONFIG_NAME, Config, ConfigError, Posts, find_config, loads_config
from mirror.console import for_log, say
from mirror.files import create_whole
from mirror.urls.redact import printable

if TYPE_CHECKING:
    from mirror.pipeline.init import PostHost
    from mirror.pipeline.scan import Scanned


def init(
    paths: Paths = None,
    fetch: Annotated[
        str | None,
        typer.Option(
            "--fetch",
            help="Read the images from here instead of their public address: http(s)://… or s3://…",
            show_default=False,
        ),
    ] = None,
    albums: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="What an upload tool keeps (PicGo, PicList, Elog) or exported; its usual places "
            "are looked at anyway.",
            show_default=False,
            parser=path,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="The file to write; else $MIRROR_CONFIG, else mirror.toml here, unless a parent "
            "folder has one.",
            show_default=False,
            parser=path,
        ),
    ] = None,
) -> None:
    """Look at the posts, list the image hosts, and write a mirror.toml that works at once."""
    from mirror.pipeline.init import WHY_OFF, configuration, find_public_folder, propose

    target = _target(config)
    root = target.parent
    paths = paths or [Path()]
    scanned = scan_posts(Config(root, Posts(())), paths)
    hosts = _hosts(scanned)
    posts = count_text(len(scanned.posts), "post")
    if not hosts:
        say(f"no image with a web address in {posts}; name the folder: `mirror init content/posts`")
        raise typer.Exit(EXIT_USAGE)
    used = list(_used_by_tools(albums or [], root))
    proposal = propose(hosts, {name for _, name in used})
    place = find_public_folder(partial(_is_there, root))
    text = configuration(proposal, [_relative(path, root) for path in paths], place, fetch)
    _write(target, text)
    for album, name in used:
        say(f"{for_log(str(album))} uploads to {name}")
    say(f"{posts} with images of {count_text(len(hosts), 'host')}:")
    width = max(len(host.name) for host in hosts)
    for host in (*proposal.sources, *proposal.others):
        what = "source" if host in proposal.sources else "switched off"
        say(f"  {host.name:<{width}}  {host.images:>6,}  {what}")
    if proposal.others:
        say("\n".join(WHY_OFF))
    say(f"wrote {target.name}: images go to {place.folder}, originals to archive/")
    if place.generator:
        say(f"posts will show them as {place.public_url}/…, where {place.generator} puts them")
    else:
        say(f"CHECK `public_url` before you rewrite: it says that the site shows {place.folder}")
        say(f"as {place.public_url}, and no site generator known to mirror was found here")
    if place.remark:
        say(place.remark)
    say("next: `mirror sync`, then `mirror rewrite --dry-run`")


def _target(config: Path | None) -> Path:
    """The file to write. Raise `ConfigError` where it would hide another from the commands."""
    if config is None and (named := os.environ.get("MIRROR_CONFIG")):
        config = Path(named)
    target = (config or Path(CONFIG_NAME)).absolute()
    if target.exists():
        say(f"{target} is there already and stays as it is; `mirror scan --hosts` lists the hosts")
        raise typer.Exit(EXIT_REFUSED)
    above = None
    if config is None:
        with suppress(ConfigError):
            above = find_config(None, {}, target.parent)
    if above is not None:
        raise ConfigError(
            f"{above} is what commands use here, and another in {target.parent} would hide it; "
            f"add to its [posts].paths, or write a second with `mirror init --config {CONFIG_NAME}`"
        )
    return target


def _write(target: Path, text: str) -> None:
    """Write what commands will accept, or raise `ConfigError` and write nothing."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.split("\n")[text.count("\n", 0, error.start)]
        raise ConfigError(
            f"{target}: cannot hold {printable(line)}: TOML is UTF-8, and a name in it is not; "
            "rename it, or run `mirror init` in that folder"
        ) from error
    loads_config(data, target)
    try:
        written = create_whole(target, data)
    except OSError as error:
        raise ConfigError(f"{target}: cannot be written: {error.strerror}") from error
    if not written:
        raise ConfigError(f"{target}: somebody else wrote it meanwhile; it stays as it is")


def _is_there(root: Path, mark: str) -> bool:
    """Whether something has a name that fits, and, behind a `:`, is a file that holds the text."""
    name, _, text = mark.partition(":")
    found = root.glob(name)
    return any(
        not text or (path.is_file() and text.encode() in path.read_bytes()) for path in found
    )


def _used_by_tools(named: Sequence[Path], root: Path) -> Iterator[tuple[Path, str]]:
    """Hosts that an upload tool's files name, each with the file. Keys in them are not read."""
    from mirror.uploaders import UploaderFileError, find_sources, usual_paths
    from mirror.urls.address import canonical, identity

    for place in dict.fromkeys([*named, *map(Path, usual_paths(Path.home(), root))]):
        try:
            sources = find_sources(place.read_bytes(), place.name)
        except OSError as error:
            if place in named:
                raise ConfigError(f"{place}: cannot be read: {error.strerror}") from error
            continue
        except UploaderFileError as error:
            if place in named:
                raise ConfigError(f"{place}: {error}") from error
            continue
        addresses = (canonical(source.match) for source in sources)
        names = (identity(address).partition("/")[0] for address in addresses if address)
        yield from ((place, name) for name in dict.fromkeys(names))


def _relative(path: Path, root: Path) -> str:
    full = path.absolute()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(full)


def _hosts(scanned: Scanned) -> list[PostHost]:
    from mirror.pipeline.init import PostHost
    from mirror.urls.address import canonical, identity

    images: dict[str, set[str]] = {}
    schemes: Counter[tuple[str, str]] = Counter()
    for _, ref in scanned.references():
        if (address := canonical(ref.url.raw)) is not None:
            name = identity(address).partition("/")[0]
            images.setdefault(name, set()).add(identity(address))
            schemes[name, address.partition(":")[0]] += 1
    return [
        PostHost(name, len(found), "https" if schemes[name, "https"] else "http")
        for name, found in images.items()
    ]

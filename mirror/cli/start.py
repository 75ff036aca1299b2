"""The first minutes: `init` writes a configuration from the posts, `demo` shows the whole cycle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text
from mirror.cli.common import EXIT_REFUSED, EXIT_USAGE, Paths, scan_posts
from mirror.config import CONFIG_NAME, Config, ConfigError, Posts
from mirror.console import for_log, say

if TYPE_CHECKING:
    from mirror.initial import Host
    from mirror.pipeline.scan import Scanned

# Where site generators keep files that are published as they are: Hugo, Docusaurus, Astro and
# Vite (`public`), Hexo and VuePress (`source`), MkDocs (`docs`).
_STATIC = ("static", "public", "source", "docs")
_FOLDER = "mirror"


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
        ),
    ] = None,
) -> None:
    """Look at the posts, list the image hosts, and write a mirror.toml that works at once."""
    from mirror.initial import configuration, propose

    root = Path.cwd()
    target = root / CONFIG_NAME
    if target.exists():
        say(f"{target} is there already and stays as it is; `mirror scan --hosts` lists the hosts")
        raise typer.Exit(EXIT_REFUSED)
    starts = [_relative(path, root) for path in paths or [Path()]]
    scanned = scan_posts(Config(root, Posts(tuple(root / start for start in starts))), ())
    hosts = _hosts(scanned)
    posts = count_text(len(scanned.posts), "post")
    if not hosts:
        say(f"no image with a web address in {posts}; name the folder: `mirror init content/posts`")
        raise typer.Exit(EXIT_USAGE)
    used = list(_used_by_tools(albums or [], root))
    proposal = propose(hosts, {name for _, name in used})
    folder = next((name for name in _STATIC if (root / name).is_dir()), "static")
    text = configuration(proposal, starts, f"{folder}/{_FOLDER}", f"/{_FOLDER}", fetch)
    target.write_text(text, encoding="utf-8")
    for place, name in used:
        say(f"{for_log(str(place))} uploads to {name}")
    say(f"{posts} with images of {count_text(len(hosts), 'host')}:")
    width = max(len(host.name) for host in hosts)
    for host in (*proposal.sources, *proposal.others):
        what = "source" if host in proposal.sources else "written down, switched off"
        say(f"  {host.name:<{width}}  {host.images:>6,}  {what}")
    say(f"wrote {CONFIG_NAME}: images go to {folder}/{_FOLDER}, originals to archive/")
    say("next: `mirror sync`, then `mirror rewrite --dry-run`")


def _used_by_tools(named: Sequence[Path], root: Path) -> Iterator[tuple[Path, str]]:
    """Hosts that an upload tool's files name, each with the file. Keys in them are not read."""
    from mirror.adopt import AdoptError, places, propose
    from mirror.sources import canonical, identity

    for place in dict.fromkeys([*named, *map(Path, places(Path.home(), root))]):
        try:
            found = propose(place.read_bytes(), place.name)
        except OSError as error:
            if place in named:
                raise ConfigError(f"{place}: cannot be read: {error.strerror}") from error
            continue
        except AdoptError as error:
            if place in named:
                raise ConfigError(f"{place}: {error}") from error
            continue
        addresses = (canonical(proposal.match) for proposal in found)
        names = (identity(address).partition("/")[0] for address in addresses if address)
        yield from ((place, name) for name in dict.fromkeys(names))


def _relative(path: Path, root: Path) -> str:
    full = path.absolute()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(full)


def _hosts(scanned: Scanned) -> list[Host]:
    from mirror.initial import Host
    from mirror.sources import canonical, identity

    images: dict[str, set[str]] = {}
    schemes: Counter[tuple[str, str]] = Counter()
    for _, ref in scanned.references():
        if (address := canonical(ref.url.raw)) is not None:
            name = identity(address).partition("/")[0]
            images.setdefault(name, set()).add(identity(address))
            schemes[name, address.partition(":")[0]] += 1
    return [
        Host(name, len(found), "https" if schemes[name, "https"] else "http")
        for name, found in images.items()
    ]


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Where to make the blog; else a temporary folder, removed afterwards."),
    ] = None,
) -> None:
    """Show the whole cycle on a generated blog, with a local image host; no account, no network."""
    from mirror.demo import run_demo

    raise typer.Exit(run_demo(folder, say))

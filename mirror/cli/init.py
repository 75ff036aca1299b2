"""`mirror init`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text
from mirror.cli.common import (
    EXIT_REFUSED,
    EXIT_USAGE,
    Paths,
    exit_code,
    path,
    print_findings,
    scan_posts,
)
from mirror.config import CONFIG_NAME, Config, ConfigError, PostSettings, find_config, loads_config
from mirror.console import for_log, say
from mirror.files import real_path
from mirror.streams import unwritable_output
from mirror.urls.redact import printable

if TYPE_CHECKING:
    from mirror.generators import PublicFolder, SiteGenerator
    from mirror.pipeline.init import ConfigDraft, PostHost
    from mirror.pipeline.scan import SiteScan

_MAX_BYTES = 64 << 20  # of a file of an upload tool, or of a list of git


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
    uploader_files: Annotated[
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
    from mirror.generators import find_generators, public_folder
    from mirror.pipeline.init import configuration, propose
    from mirror.urls.address import canonical, host_of

    config_path = _config_path(config)
    root = config_path.parent
    sites = find_generators(root)
    site = _site_of(paths, sites)
    paths = paths or _content_folders(site)
    settings, include = PostSettings(()), tuple[str, ...]()
    if site is not None and site.generator.posts:
        include = (*settings.include, site.generator.posts)
        settings = PostSettings((), include)
    scanned = scan_posts(Config(root, settings), paths)
    hosts, post_count = _hosts(scanned)
    print_findings(scanned.findings)
    if not hosts:
        posts = count_text(len(scanned.posts), "post")
        local = sum(1 for _ in scanned.references())
        if local:
            posts += f"; {count_text(local, 'image')} of local files need no mirror"
        say(f"no image with a web address in {posts}")
        say("if your posts are elsewhere, name their folder: `mirror init FOLDER`")
        raise typer.Exit(EXIT_USAGE)
    uploads = list(_upload_hosts(uploader_files or [], root))
    own = host_of(canonical(site.address) or "") if site is not None else ""
    proposal = propose(hosts, {name for _, name in uploads}, own)
    public = public_folder(site, root)
    text = configuration(
        proposal,
        [_relative(path, root) for path in paths],
        public,
        fetch,
        include=include,
        follows_links=site is not None and site.follows_links,
    )
    _write_new(config_path, text)
    for file, name in uploads:
        say(f"{for_log(str(file))} uploads to {name}")
    posts = count_text(post_count, "post")
    say(f"{posts} with images of {count_text(len(hosts), 'host')}:")
    _say_hosts(proposal)
    say(f"wrote {config_path.name}: images go to {public.folder}, originals to archive/")
    _say_public(public)
    if site is None:
        _say_site_above(root)
    _say_other_sites(site, sites, root)
    for line in _git_lines(root):
        say(line)
    say("next: `mirror sync`, then `mirror rewrite --dry-run`")
    if code := exit_code(scanned.findings):
        raise typer.Exit(code)


def _say_hosts(proposal: ConfigDraft) -> None:
    """Print what became of each host, and why most are switched off."""
    from mirror.pipeline.init import WHY_OFF

    hosts = dict.fromkeys((*proposal.sources, *proposal.others, *proposal.own))
    width = max(len(host.name) for host in hosts)
    for host in hosts:
        if host in proposal.sources:
            question = proposal.question(host)
            role = f"source; CHECK: {question}" if question else "source"
        else:
            role = "the site itself" if host in proposal.own else "switched off"
        say(f"  {host.name:<{width}}  {host.images:>6,}  {role}")
    if proposal.others:
        say("\n".join(WHY_OFF))
        busiest = max(proposal.others, key=attrgetter("images"))
        if busiest.images > sum(host.images for host in proposal.sources):
            say(f"CHECK [[source]]: most images are on {busiest.name}; if they are yours, take the")
            say("`#` off its lines before you sync")


def _say_public(public: PublicFolder) -> None:
    """Print how posts will show the images, and what the user has to check."""
    if not public.public_url:
        say(f"posts will show them by a path from each post, as {public.generator} needs")
    elif public.generator:
        say(f"posts will show them as {public.public_url}/…, where {public.generator} puts them")
    else:
        say(f"CHECK `public_url` before you rewrite: it says that the site shows {public.folder}")
        say(f"as {public.public_url}, and no site generator known to mirror was found here")
    if public.remark:
        say(public.remark)


def _site_of(paths: Sequence[Path] | None, sites: Sequence[SiteGenerator]) -> SiteGenerator | None:
    """Return the innermost site of posts that holds one of `paths`; the likeliest if none does.

    A bundler in the root of a repository, which has no posts, holds every path.
    """
    places = [path.absolute() for path in paths or ()]
    around = [
        site
        for site in sites
        if site.content and any(path.is_relative_to(site.place) for path in places)
    ]
    nearest = max(around, key=lambda site: len(site.place.parts), default=None)
    if nearest is None and sites:
        return sites[0]
    return nearest


def _say_site_above(root: Path) -> None:
    """Name the site that has `root` among its posts: what is written there may be published."""
    from mirror.generators import generators_above

    for site in generators_above(Path(root.anchor), root.parent):
        if any(root.is_relative_to(site.place / name) for name in site.content):
            folder = for_log(os.path.relpath(site.place, root))
            say(f"CHECK the folder: it holds posts of {site.name} in {folder}, which may publish")
            say(f"the archive too; remove {CONFIG_NAME} here and run `mirror init` in {folder}")
            return


def _say_other_sites(
    chosen: SiteGenerator | None, sites: Sequence[SiteGenerator], root: Path
) -> None:
    """Name the sites that the configuration is not for."""
    others = [site.shown_below(root) for site in sites if site.content and site != chosen]
    if chosen is not None and others:
        say(f"this is for {chosen.shown_below(root)}; there are more sites: {', '.join(others)}")
        say(f"`mirror init --config {CONFIG_NAME}` in the folder of another one is for that one")


def _content_folders(site: SiteGenerator | None) -> list[Path]:
    """Return the folders of the posts as the site's generator has them, without its themes."""
    if site is None:
        return [Path()]
    root = real_path(site.place)
    folders = [site.place / name for name in site.content]
    inside = [
        folder for folder in folders if folder.is_dir() and real_path(folder).is_relative_to(root)
    ]
    outer = [folder for folder in inside if set(inside).isdisjoint(folder.parents)]
    return [Path(os.path.relpath(folder)) for folder in outer] or [Path()]


def _config_path(config: Path | None) -> Path:
    """Return the file to write; raise `ConfigError` if it would hide another from the commands."""
    if config is None and (variable := os.environ.get("MIRROR_CONFIG")):
        config = Path(variable)
    path = (config or Path(CONFIG_NAME)).absolute()
    if path.exists():
        say(f"{path} is there already and stays as it is; `mirror scan --hosts` lists the hosts")
        raise typer.Exit(EXIT_REFUSED)
    above = None
    if config is None:
        with suppress(ConfigError):
            above = find_config(None, {}, path.parent)
    if above is not None:
        raise ConfigError(
            f"{above} is what commands use here, and another in {path.parent} would hide it; "
            f"add to its [posts].paths, or write a second with `mirror init --config {CONFIG_NAME}`"
        )
    return path


def _write_new(path: Path, text: str) -> None:
    """Write a configuration that the commands accept, or raise and write nothing.

    Raise `ConfigError`, or `OutputError` where the disk has no room.
    """
    from mirror.files import create_whole

    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError as error:
        line = text.split("\n")[text.count("\n", 0, error.start)]
        raise ConfigError(
            f"{path}: cannot hold {printable(line)}: TOML is UTF-8, and a name in it is not; "
            "rename it, or run `mirror init` in that folder"
        ) from error
    try:
        loads_config(data, path)
    except ConfigError as error:
        reason = str(error).removeprefix(f"{path}: ")
        if reason != (of_option := reason.removeprefix("[[source]] 1.fetch: ")):
            raise ConfigError(f"--fetch: {of_option}") from error
        raise ConfigError(f"{path} was not written, as commands refuse it: {reason}") from error
    try:
        written = create_whole(path, data)
    except OSError as error:
        raise unwritable_output(path, error) from error
    if not written:
        raise ConfigError(f"{path}: somebody else wrote it meanwhile; it stays as it is")


def _upload_hosts(named: Sequence[Path], root: Path) -> Iterator[tuple[Path, str]]:
    """Yield the hosts in the files of upload tools, each with its file. No key is read.

    Raise `ConfigError` for a `named` file that cannot be read; the usual files may be missing.
    """
    from mirror.files import read_named
    from mirror.pipeline.init import name_host
    from mirror.uploaders import UploaderFileError, find_sources, usual_paths
    from mirror.urls.address import canonical

    home = Path(os.path.expanduser("~"))  # noqa: PTH111  (`Path.home` raises for unknown users)
    for file in dict.fromkeys([*named, *map(Path, usual_paths(home, root))]):
        try:
            sources = find_sources(read_named(file, _MAX_BYTES))
        except OSError as error:
            if file in named:
                raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
            continue
        except UploaderFileError as error:
            if file in named:
                raise ConfigError(f"{file}: {error}") from error
            continue
        addresses = (canonical(source.match) for source in sources)
        names = (name_host(address) for address in addresses if address)
        yield from ((file, name) for name in dict.fromkeys(names))


def _relative(path: Path, root: Path) -> str:
    full = path.absolute()
    return full.relative_to(root).as_posix() if full.is_relative_to(root) else str(full)


def _hosts(scanned: SiteScan) -> tuple[list[PostHost], int]:
    """Return the hosts of images, and the number of posts that show one of them."""
    from mirror.pipeline.init import PostHost, name_host
    from mirror.urls.address import canonical, identity

    images: dict[str, set[str]] = {}
    schemes: Counter[tuple[str, str]] = Counter()
    posts: set[str] = set()
    for post, reference in scanned.references():
        if (address := canonical(reference.url.raw)) is not None:
            posts.add(post.name)
            name = name_host(address)
            images.setdefault(name, set()).add(identity(address))
            schemes[name, reference.url.raw.partition("//")[0].lower()] += 1  # "" is for both
    hosts = [
        PostHost(
            name,
            len(identities),
            "http" if schemes[name, "http:"] > schemes[name, "https:"] else "https",
        )
        for name, identities in images.items()
    ]
    return hosts, len(posts)


def _git_lines(root: Path) -> Iterator[str]:
    """Yield the advice to keep the archive and each `.mirror/` out of git, if it is new there."""
    from mirror.files import read_whole

    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return
    lines = set[bytes]()
    with suppress(OSError):
        lines = {*read_whole(root / ".gitignore", _MAX_BYTES).split()}
    if lines.isdisjoint({b"archive", b"archive/", b"/archive", b"/archive/"}):
        yield (
            "the archive is as large as all images: `echo /archive/ >> .gitignore` keeps it out "
            "of git"
        )
    if lines.isdisjoint({b".mirror", b".mirror/"}):
        yield (
            "git cannot merge what mirror notes in .mirror/: `echo .mirror/ >> .gitignore` keeps "
            "it out"
        )

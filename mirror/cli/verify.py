"""`mirror verify`, as text or in the format of a CI service."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.amounts import count_text
from mirror.cli.ci import Format, failure_printed, print_as, relative_to, repository_root, stdout_to
from mirror.cli.common import (
    EXIT_FOUND,
    EXIT_OK,
    ConfigPath,
    Json,
    Paths,
    Quiet,
    Verbose,
    check_output,
    exit_code,
    ignored_lines,
    is_stdout,
    leftovers_lines,
    open_site,
    path,
    print_end,
    reached_destinations,
    running,
)
from mirror.config import ArchiveBucket, ConfigError, find_config, load_config
from mirror.console import say
from mirror.files import absolute_path

if TYPE_CHECKING:
    from mirror.formats import CheckReport
    from mirror.manifest import ImageCounts
    from mirror.pages import SiteAddress
    from mirror.pipeline.parts import Parts
    from mirror.pipeline.portion import Sample
    from mirror.pipeline.verify import VerifyOptions, VerifyResult


ComparePosts = Annotated[bool, typer.Option("--posts", help="Also compare with the posts.")]
ReadArchive = Annotated[bool, typer.Option("--archive", help="Also read the archive.")]
AskPublic = Annotated[
    bool, typer.Option("--public", help="Also ask the public URL, as a reader would.")
]
Deep = Annotated[bool, typer.Option("--deep", help="Read every object back and hash it.")]
SampleName = Annotated[
    str | None,
    typer.Option(
        "--sample",
        metavar="N/M",
        help="Read back the n-th of m equal slices; it bounds --archive and --public too.",
    ),
]
Offline = Annotated[
    bool, typer.Option("--offline", help="Posts and manifest only, without any destination.")
]
BuiltSite = Annotated[
    Path | None,
    typer.Option(
        "--site",
        metavar="DIR",
        help="Also read the built site: every picture, as a browser would resolve it.",
        parser=path,
    ),
]
Base = Annotated[
    str | None,
    typer.Option(
        "--base",
        metavar="PATH",
        help="Where the built site is published, such as /blog/; else what its generator says.",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="COMMIT",
        help="With --offline: name only decisions since this commit or branch, and each "
        "address that a known picture did not have.",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print.")]
OutputFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write to a file; `-` is stdout.", parser=path),
]


def verify(
    paths: Paths = None,
    config: ConfigPath = None,
    posts: ComparePosts = False,
    archive: ReadArchive = False,
    public: AskPublic = False,
    deep: Deep = False,
    sample: SampleName = None,
    offline: Offline = False,
    site: BuiltSite = None,
    base: Base = None,
    since: Since = None,
    form: FormatOption = Format.TEXT,
    output: OutputFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Prove that manifest, destinations and posts agree; exit 1 if they do not."""
    from mirror.engine import Threads
    from mirror.pipeline.verify import VerifyOptions
    from mirror.pipeline.verify import verify as run_verify

    if as_json and form not in (Format.TEXT, Format.JSON):
        raise ConfigError(f"--json and --format {form} exclude each other")
    as_json = as_json or form is Format.JSON
    # Before the configuration is read, nobody knows which files `output` must not replace.
    with failure_printed(form, config, output, only_new=True):
        portion = _portion(sample)
        if offline:
            _check_offline_options(deep=deep, public=public, sample=sample, archive=archive)
        _check_needed_options(site=site, base=base, offline=offline, since=since)
        config = find_config(config, os.environ, Path.cwd())
        settings = load_config(config)
        if offline and archive:
            _need_folder(settings.archive)
        is_for_people = not as_json and form in (Format.TEXT, Format.GITHUB)
        options = VerifyOptions(
            paths=tuple(paths or ()),
            posts=posts or offline or bool(paths),
            archive=archive,
            destinations=not offline,
            public=public,
            deep=deep or (sample is not None and not offline),
            sample=portion,
            site=None if site is None else absolute_path(site),
            base=None if base is None else _site_address(base),
            notes=since is not None or (offline and is_for_people),
            since=since,
            config_file=config.absolute(),
        )
        parts = open_site(settings)
    check_output(output, parts, config, paths)
    with stdout_to(output):
        with (
            failure_printed(form, config, output),
            running(as_json=as_json, quiet=quiet) as progress,
        ):
            _need_something_to_compare(parts, options)
            result = run_verify(parts, Threads(), options, progress)
        code = exit_code(result.findings, checks=True)
        reached = reached_destinations(settings.destinations, result.findings)
        verdict = _verdict(result.summary, result.images, reached, options, code)
        if form in (Format.TEXT, Format.JSON):
            lines = [*leftovers_lines(int(result.summary.get("leftovers", 0))), verdict]
            print_end(result, progress, lines, code, verbose=verbose)
        else:
            print_as(form, _report(parts, result, verdict, code), verbose=verbose)
    if output is not None and not is_stdout(output) and not quiet:
        say(f"{verdict}; see {output}", sys.stderr)
    raise typer.Exit(code)


def _portion(sample: str | None) -> Sample:
    """Return the portion that `--sample` names, or the whole; raise `ConfigError`."""
    from mirror.pipeline.portion import ALL, Sample

    try:
        return ALL if sample is None else Sample.parse(sample)
    except ValueError as error:
        raise ConfigError(f"--sample: {error}") from error


def _check_offline_options(*, deep: bool, public: bool, sample: str | None, archive: bool) -> None:
    """Raise `ConfigError` for an option that `--offline` excludes."""
    if deep or public:
        other = "--deep" if deep else "--public"
        raise ConfigError(f"--offline and {other} exclude each other: one asks nobody")
    if sample is not None and not archive:
        raise ConfigError("--offline reads nothing that --sample is a part of; add --archive")


def _check_needed_options(
    *, site: Path | None, base: str | None, offline: bool, since: str | None
) -> None:
    """Raise `ConfigError` for an option without the one that it belongs to."""
    if base is not None and site is None:
        raise ConfigError("--base says where the built site is published; add --site DIR")
    if since is not None and not offline:
        raise ConfigError("--since says what --offline is to name; add --offline")


def _need_folder(archive: Path | ArchiveBucket) -> None:
    """Raise `ConfigError` for an archive that cannot be read without asking anybody."""
    if not isinstance(archive, Path):
        raise ConfigError(
            f"--offline asks nobody, and the archive is in a bucket ({archive.url}); "
            "leave out one of --offline and --archive"
        )


def _site_address(text: str) -> SiteAddress:
    from mirror.pages import SiteAddress

    try:
        return SiteAddress.read(text)
    except ValueError as error:
        raise ConfigError(f"--base: {error}") from error


def _need_something_to_compare(parts: Parts, options: VerifyOptions) -> None:
    """Raise an error of setup for a check that would compare nothing and still pass."""
    parts.manifest.need()
    destinations = options.destinations and parts.destinations
    others = (options.posts, options.archive, options.public, options.site is not None)
    if not (destinations or any(others)):
        raise ConfigError(
            "there is nothing to compare the manifest with: the configuration has no "
            "[[destination]]; `--posts` compares with the posts, `--archive` with the archive, "
            "`--site` with the built site"
        )


def _verdict(
    summary: Mapping[str, int | float],
    images: ImageCounts,
    reached: Sequence[str],
    options: VerifyOptions,
    code: int,
) -> str:
    reasons = [
        count_text(images.repeats, "repeat") if images.repeats else "",
        f"{images.in_archive_alone:,} in the archive alone" if images.in_archive_alone else "",
    ]
    parts = [f"{count_text(images.images, 'image')} in the manifest{_in_brackets(reasons)}"]
    if options.destinations and reached:
        former = f"{images.former_objects:,} kept from before" if images.former_objects else ""
        count, rest = divmod(int(summary["objects"]), len(reached))
        each = "each of " if len(reached) > 1 and not rest else ""
        objects = count_text(count if each else int(summary["objects"]), "object")
        parts.append(f"{objects} checked in {each}{', '.join(reached)}{_in_brackets([former])}")
    is_sample = options.sample.count > 1
    if summary["read"]:
        whole = f" of {summary['objects']:,}" if is_sample else ""
        parts.append(f"{summary['read']:,}{whole} read back")
    if options.archive:
        originals = count_text(images.originals, "original")
        share = f"{summary['originals']:,} of {originals} in " if is_sample else ""
        parts.append(f"{share}the archive read")
    if options.public:
        share = f"{summary['asked']:,} of " if summary["asked"] != images.objects else ""
        parts.append(f"{share}{count_text(images.objects, 'public URL')} asked")
    if summary["posts"]:
        parts.append(f"{count_text(int(summary['references']), 'reference')} in the posts")
    if options.site is not None:
        parts.append(f"{count_text(int(summary['pictures']), 'picture')} in the built site")
        if summary["elsewhere"]:
            parts.append(f"{summary['elsewhere']:,} of them on hosts that are no source")
    parts += [
        f"{summary[name]:,} {name}" for name in ("missing", "different", "extra") if summary[name]
    ]
    ignored = int(summary["ignored"])
    is_sure = not (ignored or summary["unmatched"] or summary["doubtful"])
    agreement = _agreement(reached, options, is_sure=is_sure)
    verdict = {EXIT_OK: agreement, EXIT_FOUND: "they differ"}.get(
        code, "could not check everything"
    )
    return "; ".join((f"{', '.join(parts)}: {verdict}", *ignored_lines(ignored)))


def _in_brackets(texts: Sequence[str]) -> str:
    """Return the texts that are not empty, in brackets; nothing where there are none."""
    joined = ", ".join(filter(None, texts))
    return f" ({joined})" if joined else ""


def _agreement(reached: Sequence[str], options: VerifyOptions, *, is_sure: bool) -> str:
    """Return the verdict of a check without differences.

    It says `all agree` only if posts, built site and destinations were compared, no image is
    ignored, every source matches an image, and the built site is that of the posts and at a path
    that is known. Else it names what was compared.
    """
    compared = ["manifest", *(reached if options.destinations else ())]
    others = {
        "archive": options.archive,
        "public URLs": options.public,
        "posts": options.posts,
        "built site": options.site is not None,
    }
    compared += [name for name, was_compared in others.items() if was_compared]
    is_whole = options.posts and not options.paths and options.site and options.destinations
    if is_whole and reached and is_sure:
        return "all agree"
    return f"{', '.join(compared[:-1])} and {compared[-1]} agree"


def _report(parts: Parts, result: VerifyResult, verdict: str, code: int) -> CheckReport:
    """Return the result with locations counted from the root of the repository."""
    from mirror.formats import CheckReport, FileLocation
    from mirror.pipeline.verify import manifest_places

    root = repository_root(parts.config.root)
    places = manifest_places(parts.manifest, parts.destinations, result.findings)
    return CheckReport(
        layers=result.layers,
        verdict=verdict,
        exit_code=code,
        seconds=result.summary["seconds"],
        folder=relative_to(parts.config.root, root),
        manifest=relative_to(parts.manifest.path, root),
        places={
            subject: FileLocation(relative_to(Path(file), root), line)
            for subject, (file, line) in places.items()
        },
    )

"""A site in a folder with its posts, an image host, and the pipeline run in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirror.config import Config, load_config
from mirror.engine import Engine, Threads
from mirror.host import ImageHost
from mirror.model import Finding, is_reserved
from mirror.pipeline import rewrite as rewriting
from mirror.pipeline.object_proof import ObjectProof
from mirror.pipeline.parts import Parts, open_parts
from mirror.pipeline.repeat_proof import RepeatProof
from mirror.pipeline.scan import scan
from mirror.pipeline.source_proof import SourceProof
from mirror.pipeline.sync import SyncOptions, SyncResult, sync
from mirror.pipeline.targets import ByManifest
from mirror.pipeline.verify import VerifyOptions, VerifyResult, verify
from mirror.repeats.reviews import REVIEWS, load_reviews

BUCKET = "https://blog.oss-cn-beijing.aliyuncs.com/"
CONFIG = """
[posts]
paths = ["posts"]
[[source]]
name = "blog"
match = ["{bucket}"]
fetch = "{fetch}"
{source}
[[destination]]
name = "site"
url = "file:static/images"
public_url = "/images"
{destination}
{more}
"""


@dataclass
class Recorder:
    """A `Progress` that remembers."""

    events: list[tuple[str, Mapping[str, object]]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def stage(self, name: str, total: int | None, unit: str) -> None: ...
    def advance(self, items: int = 1, size: int = 0, failed: int = 0) -> None: ...

    def event(self, type: str, **members: object) -> None:
        self.events.append((type, members))

    def finding(self, finding: Finding) -> None:
        self.findings.append(finding)


class Silent:
    """A `Progress` that drops every report."""

    def stage(self, name: str, total: int | None, unit: str) -> None: ...
    def advance(self, items: int = 1, size: int = 0, failed: int = 0) -> None: ...
    def event(self, type: str, **members: object) -> None: ...
    def finding(self, finding: Finding) -> None: ...


@dataclass
class Blog:
    """What a test works on: write posts, put images on the host, run a command, look."""

    root: Path
    host: ImageHost
    progress: Recorder = field(default_factory=Recorder)

    def configure(self, source: str = "", destination: str = "", more: str = "") -> None:
        values = {"source": source, "destination": destination, "more": more}
        text = CONFIG.format(bucket=BUCKET, fetch=self.host.base_url, **values)
        (self.root / "mirror.toml").write_text(text, encoding="utf-8")

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / "posts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = text.replace("BUCKET/", BUCKET).encode() if isinstance(text, str) else text
        path.write_bytes(data)
        return path

    def read(self, name: str) -> str:
        return (self.root / "posts" / name).read_bytes().decode()

    @property
    def config(self) -> Config:
        return load_config(self.root / "mirror.toml")

    @property
    def site(self) -> Parts:
        return open_parts(self.config)

    def sync(self, engine: Engine | None = None, **options: Any) -> SyncResult:
        site = self.site
        with site.lock("test"):
            return sync(site, engine or Threads(), SyncOptions(**options), self.progress)

    def rewrite(self, write: bool = True) -> rewriting.RewriteResult:
        site = self.site
        manifest, _ = site.manifest.load()
        target = site.destinations[0]
        reviews = load_reviews(site.config.manifest / REVIEWS)
        resolve = ByManifest(
            site.locator,
            site.destinations,
            site.config.ignored,
            manifest,
            target,
            ObjectProof(target, (), None, {}),
            RepeatProof(
                manifest,
                reviews,
                site.archive,
                site.destinations,
                site.config.fetch.max_pixels,
            ),
            SourceProof(site.archive.source_record(), reviews, site.locator),
            drop_secrets=False,
            reasons={},
            suspects={},
        )
        return rewriting.rewrite(
            self._inputs(site, write), resolve, rewriting.memory_of(site, manifest)
        )

    def revert(self) -> rewriting.RewriteResult:
        site = self.site
        kept = rewriting.memory_to_revert(site)
        return rewriting.revert(self._inputs(site, True), kept, site.destinations)

    def _inputs(self, site: Parts, write: bool) -> rewriting.RewriteInput:
        return rewriting.RewriteInput(scan(*site.posts.find()), self.progress, write)

    def verify(self, **options: Any) -> VerifyResult:
        return verify(self.site, Threads(), VerifyOptions(**options), self.progress)

    @property
    def assets(self) -> list[dict[str, Any]]:
        """The lines of the manifest, read without the program."""
        text = (self.root / "manifests" / "images.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()[1:]]

    def asset(self, name: str) -> dict[str, Any]:
        """The line that lists the bucket's `name` as a source."""
        (asset,) = [asset for asset in self.assets if BUCKET + name in asset["sources"]]
        return asset

    def objects(self) -> dict[str, bytes]:
        """Return what the directory destination holds, but for the files of mirror itself."""
        folder = self.root / "static" / "images"
        files = (path for path in folder.rglob("*") if path.is_file())
        keys = {path.relative_to(folder).as_posix(): path for path in files}
        return {key: path.read_bytes() for key, path in keys.items() if not is_reserved(key)}

    @property
    def asked(self) -> int:
        """Requests that the image host has had."""
        return self.host.requests.total()

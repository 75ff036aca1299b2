"""A fresh repository adopts mirror as docs/ci.md says, things break, and somebody looks at CI.

Everything is run as it stands in the files: the action with its installation, the examples, the
template, the hooks. Only what needs GitHub or GitLab themselves is played, by `runners`.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fcntl import LOCK_EX, flock
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest
import yaml
from cmarkgfm import github_flavored_markdown_to_html
from junitparser import Failure, JUnitXml, Skipped
from support.commands import picture
from support.runners import GitHub, GitLab, clean_environment, git, script, tools
from support.servers import BUCKET as SERVER_BUCKET
from support.servers import Server, Servers
from support.workflow_commands import Command

from commands.test_sync_adoption import PLACEHOLDER, ROOT
from commands.test_verify_public import Spoil, body, headers, only, without
from mirror.host import ImageHost, Request, Response

SOURCE = "https://blog.oss-cn-beijing.aliyuncs.com/"
SITE = "https://blog.example/"
NAMES = ("a.png", "b.png", "c.png")
POST = f"""---
title: 第一篇
---

# 第一篇

文字，然后 ![一]({SOURCE}a.png) 和 ![二]({SOURCE}b.png)

<img alt="三" src="{SOURCE}c.png">
"""
_NOT_OURS = shutil.ignore_patterns(
    ".git", ".venv", ".hypothesis", ".*_cache", "__pycache__", "build", "dist", ".mirror"
)
_prefixes = count()


# --- What is adopted --------------------------------------------------------------------------


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout as a repository that others take mirror from."""
    folder = tmp_path_factory.mktemp("published") / "mirror"
    shutil.copytree(ROOT, folder, ignore=_NOT_OURS)
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=A release")
    return folder


@pytest.fixture(scope="session")
def index() -> None:
    """Packages can be installed here."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--quiet"]
    command += ["--ignore-installed", "hatchling"]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("pip reaches no index, so nothing can be installed")


@pytest.fixture(scope="session")
def installed(
    tmp_path_factory: pytest.TempPathFactory, published: Path, index: None
) -> Iterator[Path]:
    """The RUNNER_TEMP of a whole job of the action: run once for all processes of the tests."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, users = base / "whole job", base / "whole job.users"
    with locked(base):
        if not folder.exists():
            folder.mkdir()
            whole_job(folder, published)
        users.write_text(str(int(users.read_text()) + 1 if users.exists() else 1))
    yield folder / "job" / "runner temp"
    with locked(base):
        left = int(users.read_text()) - 1
        users.write_text(str(left))
        if not left:
            shutil.rmtree(folder)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    with (folder / "adoption.lock").open("w") as file:
        flock(file, LOCK_EX)
        yield


def whole_job(folder: Path, published: Path) -> None:
    """All of the action with its installation, twice in one job, as for two configurations."""
    fresh = Fresh(folder, published)
    fresh.fill()
    plant(fresh)
    fresh.adopt("pull-request.yml", times=2, report="page.html")
    job = fresh.job("pull-request.yml", name="job")
    assert job.ok, job.log
    assert job.log.count(": manifest and posts agree") == 2
    assert not list(folder.rglob("pwned"))


def plant(fresh: Fresh) -> None:
    """Put modules into the repository that Python would prefer to its own, if it looked there."""
    code = "import pathlib; pathlib.Path(__file__).with_name('pwned').touch()\n"
    for name in ("venv", "pip", "mirror", "json", "tarfile", "hatchling", "sitecustomize", "boto3"):
        fresh.write(f"{name}.py", code)
    fresh.write("pyproject.toml", '[build-system]\nrequires = []\nbuild-backend = "mirror"\n')


# --- A fresh repository -----------------------------------------------------------------------


class Readers(ImageHost):
    """Serves what the bucket holds by now; `spoil` changes answers."""

    def __init__(self, bucket: Path) -> None:
        self.spoil: Spoil = honest
        self._bucket = bucket
        super().__init__({})

    def answer(self, request: Request) -> Response:
        path = self._bucket / request.key
        if path.is_file():
            self.put(request.key, path.read_bytes())
        return self.spoil(request, super().answer(request))


def honest(request: Request, response: Response) -> Response:
    return response


FOLDER = """
[[destination]]
name = "folder"
url = "file:static/images"
public_url = "/images"
"""


@dataclass
class Fresh:
    """A repository that adopts mirror. `bucket` is the folder of its destination's objects."""

    folder: Path
    published: Path
    bucket: Path = field(init=False)
    destination: str = FOLDER
    secrets: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    temp: Path | None = None

    def __post_init__(self) -> None:
        self.root = self.folder / "my blog"
        self.bucket = self.root / "static" / "images"
        self.root.mkdir()
        self.tools = tools(self.folder / "tools")

    def fill(self) -> None:
        """Write a post, back its images up, point the post at them, and commit."""
        git(self.root, "init", "--quiet", "--initial-branch=main")
        with ImageHost({name: picture(seed) for seed, name in enumerate(NAMES)}) as host:
            self.write(
                "mirror.toml",
                f'[posts]\npaths = ["content/posts"]\n[[source]]\nname = "blog"\n'
                f'match = ["{SOURCE}"]\nfetch = "{host.base_url}"\n'
                f'headers = {{ Referer = "{SITE}" }}\n[fetch]\nretries = 0\n{self.destination}',
            )
            self.write("content/posts/first.md", POST)
            self.mirror("sync", "--quiet")
            self.mirror("rewrite", "--quiet")
        self.commit()

    def copied(self, folder: Path) -> Self:
        other = replace(self, folder=folder)
        shutil.copytree(self.root, other.root, dirs_exist_ok=True)
        return other

    def mirror(self, *arguments: str) -> None:
        program = self.temp / "mirror" if self.temp else Path(sys.executable).parent.parent
        done = subprocess.run(
            [program / "bin" / "mirror", *arguments],
            cwd=self.root,
            env=clean_environment() | self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def commit(self) -> None:
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--message=Something new")

    def adopt(self, example: str, times: int = 1, **inputs: str) -> None:
        """Copy an example and put the repository and the commit in, as docs/ci.md says."""
        text = (ROOT / "examples" / "workflows" / example).read_text()
        commit = git(self.published, "rev-parse", "HEAD")
        text = text.replace(PLACEHOLDER, f"example/mirror@{commit}")
        if times > 1 or inputs:
            document = yaml.safe_load(text)
            (job,) = document["jobs"].values()
            (step,) = [step for step in job["steps"] if "example" in step.get("uses", "")]
            step["with"] |= {name.replace("_", "-"): value for name, value in inputs.items()}
            job["steps"] += [step] * (times - 1)
            text = yaml.safe_dump(document)
        self.write(f".github/workflows/{example}", text)
        self.commit()

    def job(self, workflow: str, name: str = "job") -> GitHub:
        """What became of the workflow on a new runner."""
        actions = {"example/mirror": self.published}
        job = GitHub(self.folder / name, self.root, self.tools, actions, self.secrets, self.temp)
        return job.run(workflow)

    @property
    def assets(self) -> list[dict[str, Any]]:
        """The lines of the manifest but its first."""
        text = (self.root / "manifests" / "images.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()[1:]]

    def asset(self, name: str) -> dict[str, Any]:
        (asset,) = [asset for asset in self.assets if SOURCE + name in asset["sources"]]
        return asset

    def object(self, name: str) -> Path:
        return self.bucket / self.asset(name)["key"]


@pytest.fixture(scope="session")
def in_folder(tmp_path_factory: pytest.TempPathFactory, published: Path) -> Fresh:
    """A repository whose images are a folder in it; mirror runs from the tests' environment."""
    fresh = Fresh(tmp_path_factory.mktemp("in folder"), published)
    fresh.temp = fresh.folder / "runner temp"
    fresh.temp.mkdir()
    (fresh.temp / "mirror").symlink_to(Path(sys.executable).parent.parent)
    fresh.fill()
    return fresh


@pytest.fixture
def quick(in_folder: Fresh, tmp_path: Path) -> Fresh:
    """A copy of it."""
    return in_folder.copied(tmp_path)


@dataclass
class Site(Fresh):
    """A repository with a bucket, and a host that gives its objects to readers."""

    readers: Readers = field(kw_only=True)

    @property
    def public_url(self) -> str:
        return f"{self.readers.base_url}{self.bucket.name}"


@pytest.fixture(scope="session")
def filled(
    tmp_path_factory: pytest.TempPathFactory, published: Path, installed: Path, servers: Servers
) -> Iterator[Site]:
    """A site that tests have copies of; mirror runs from where the action has installed it."""
    server = servers["rclone"]
    assert server.folder
    with Readers(server.folder) as readers:
        site = Site(tmp_path_factory.mktemp("filled"), published, readers=readers)
        site.bucket = server.folder / f"adoption{os.getpid()}"
        site.destination = s3(server, site)
        site.environment = server.environment()
        keys = (server.access_key, server.secret_key)
        site.secrets = dict(zip(("MIRROR_READ_KEY_ID", "MIRROR_READ_KEY"), keys, strict=True))
        site.temp = installed
        site.fill()
        yield site


def s3(server: Server, site: Site) -> str:
    return (
        f'[[destination]]\nname = "bucket"\nurl = "s3://{SERVER_BUCKET}/{site.bucket.name}"\n'
        f'endpoint_url = "{server.endpoint_url}"\nregion = "us-east-1"\n'
        f'public_url = "{site.public_url}"\n'
    )


@pytest.fixture
def fresh(filled: Site, tmp_path: Path) -> Iterator[Site]:
    """A copy of the site with a prefix of its own in the bucket."""
    site = filled.copied(tmp_path)
    site.bucket = filled.bucket.with_name(f"{filled.bucket.name}-{next(_prefixes)}")
    shutil.copytree(filled.bucket, site.bucket)
    for name in ("mirror.toml", "content/posts/first.md"):
        site.change(name, f"/{filled.bucket.name}", f"/{site.bucket.name}")
    site.commit()
    yield site
    site.readers.spoil = honest
    site.readers.requests.clear()


# --- What a person sees -----------------------------------------------------------------------


def annotation_of(job: GitHub, rule: str) -> Command:
    """The one annotation of this rule; the page of the run tells the same."""
    (annotation,) = [
        annotation
        for annotation in job.annotations
        if annotation.properties["title"].endswith(f"[{rule}]")
    ]
    page = github_flavored_markdown_to_html(job.summary)
    shown = html.unescape(re.sub(r"<[^>]+>", "", page))
    assert re.search(rf"^{rule} ", shown, re.MULTILINE), shown
    assert annotation.text.partition(": ")[2] in shown
    return annotation


def marked(job: GitHub, command: Command) -> str:
    """The text that an annotation stands at, in the file that was checked out."""
    path = job.workspace / command.properties["file"]
    line = path.read_text().split("\n")[int(command.properties["line"]) - 1]
    return line[int(command.properties.get("col", 1)) - 1 :]


def is_red(job: GitHub, code: str, verdict: str) -> bool:
    """Whether the job failed with this exit code, and its last words are these."""
    assert verdict in job.summary.replace("\\", "")
    assert verdict in job.log
    return not job.ok and job.outputs["exit-code"] == code


def test_the_action_installs_what_it_needs_and_no_more(installed: Path) -> None:
    python = installed / "mirror" / "bin" / "python"
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True
    )
    packages = {package["name"]: package for package in json.loads(listed.stdout)}
    assert "editable_project_location" not in packages["markdown-mirror"]
    assert "pytest" not in packages
    subprocess.run([python, "-m", "pip", "check"], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("example", "compared"),
    [
        ("pull-request.yml", "manifest and posts"),
        ("push.yml", "manifest, bucket, public URLs and posts"),
        ("nightly.yml", "manifest, bucket and posts"),
    ],
)
def test_where_all_agrees_every_example_is_green(fresh: Site, example: str, compared: str) -> None:
    fresh.adopt(example)
    job = fresh.job(example)
    assert job.ok, job.log
    assert job.annotations == []
    assert f": {compared} agree" in job.summary.replace("\\", "")
    assert job.outputs["exit-code"] == "0"
    assert ("3 objects checked in bucket" in job.log) is (example != "pull-request.yml")
    assert ("3 public URLs asked" in job.log) is (example == "push.yml")
    assert job.artifacts.keys() == ({"mirror-report"} if example == "nightly.yml" else set())


# --- The bucket -------------------------------------------------------------------------------


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "rule", "words"),
    [
        (Path.unlink, "M301", "missing in bucket; `mirror sync` or `mirror repair` puts it back"),
        (flip, "M302", "bucket: expected SHA-256 {sha256}, found "),
        (cut, "M302", "bucket: expected {size} bytes, found "),
    ],
)
def test_a_damaged_object_turns_its_line_of_the_manifest_red(
    fresh: Site, damage: Callable[[Path], None], rule: str, words: str
) -> None:
    damage(fresh.object("b.png"))
    fresh.adopt("push.yml")
    job = fresh.job("push.yml")
    assert is_red(job, "1", ": they differ")
    annotation = annotation_of(job, rule)
    assert annotation.name == "error"
    assert annotation.properties["file"] == "manifests/images.jsonl"
    assert json.loads(marked(job, annotation)) == fresh.asset("b.png")
    assert annotation.text.startswith(f"{fresh.asset('b.png')['key']}: ")
    assert words.format(**fresh.asset("b.png")) in annotation.text


def test_an_object_too_many_is_red_and_has_no_line(fresh: Site) -> None:
    (fresh.bucket / "stray.png").write_bytes(b"who put this here?")
    fresh.adopt("push.yml")
    job = fresh.job("push.yml")
    assert is_red(job, "1", ": they differ")
    assert job.annotations == [annotation_of(job, "M303")]
    annotation = annotation_of(job, "M303")
    assert annotation.name == "error"
    assert annotation.text == (
        "stray.png: in bucket, but in no line of the manifest; `mirror prune` lists such objects"
    )
    assert "file" not in annotation.properties


def test_a_bucket_that_does_not_answer_is_red_and_no_difference(fresh: Site) -> None:
    (endpoint,) = re.findall('endpoint_url = "(.*)"', (fresh.root / "mirror.toml").read_text())
    fresh.change("mirror.toml", endpoint, "http://127.0.0.1:9")  # nobody listens
    fresh.adopt("push.yml")
    job = fresh.job("push.yml")
    assert is_red(job, "3", ": could not check everything")
    assert job.annotations == [annotation_of(job, "M306")]
    annotation = annotation_of(job, "M306")
    assert annotation.name == "warning"
    assert annotation.text.startswith("bucket: ")
    assert "3 public URLs asked" in job.log  # the rest is looked at all the same


def test_secrets_that_are_not_set_are_told(fresh: Site) -> None:
    fresh.secrets = {}
    fresh.adopt("push.yml")
    job = fresh.job("push.yml")
    assert is_red(job, "3", ": could not check everything")
    assert "credentials" in annotation_of(job, "M306").text


def test_without_secrets_a_pull_request_is_compared_with_the_manifest(fresh: Site) -> None:
    fresh.secrets = {}
    shutil.rmtree(fresh.bucket)
    fresh.adopt("pull-request.yml")
    assert fresh.job("pull-request.yml").ok
    assert not fresh.readers.requests


def test_a_night_reads_its_part_of_the_objects_and_keeps_the_page(fresh: Site) -> None:
    number = int(fresh.asset("b.png")["sha256"][:15], 16) % 28
    seconds = (7 * 28 + number) * 86400 + 100
    script(fresh.tools / "date", f'[ "$*" = "-u +%s" ] && echo {seconds}')
    fresh.object("c.png").unlink()
    fresh.adopt("nightly.yml")
    job = fresh.job("nightly.yml")
    assert is_red(job, "1", ": they differ")
    slices = [int(asset["sha256"][:15], 16) % 28 for asset in fresh.assets]
    assert f", {slices.count(number)} of {len(slices)} read back" in job.log
    assert json.loads(marked(job, annotation_of(job, "M301"))) == fresh.asset("c.png")
    assert job.artifacts["mirror-report"].read_text().startswith("<!DOCTYPE html>")
    assert job.outputs["report"] == str(job.workspace / "mirror-report.html")


# --- The archive ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "rule", "words"),
    [
        (Path.unlink, "M206", "is not in the archive with its size; `mirror repair` fetches it"),
        (flip, "M207", "`mirror repair` heals it"),
    ],
)
def test_a_damaged_original_turns_its_line_of_the_manifest_red(
    fresh: Site, damage: Callable[[Path], None], rule: str, words: str
) -> None:
    digest = fresh.asset("b.png")["sha256"]
    (path,) = [path for path in (fresh.root / "archive").rglob(f"*{digest}*") if path.is_file()]
    path.chmod(0o644)
    damage(path)
    fresh.adopt("push.yml", archive="true")
    job = fresh.job("push.yml")
    assert is_red(job, "1", ": they differ")
    assert job.annotations == [annotation_of(job, rule)]
    annotation = annotation_of(job, rule)
    assert annotation.name == "error"
    assert json.loads(marked(job, annotation)) == fresh.asset("b.png")
    assert annotation.text.startswith(f"{digest}: ")
    assert words in annotation.text


# --- Posts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "新图：![四]({url})",
        '<p><img alt="四" src="{url}"></p>',
        "[![四]({url})](https://other.example/)",
    ],
)
def test_an_image_that_nobody_mirrored_turns_its_line_of_the_post_red(
    fresh: Site, text: str
) -> None:
    post = (fresh.root / "content/posts/first.md").read_text()
    url = f"{SOURCE}new.png"
    fresh.write("content/posts/第二篇.md", f"{post}\n{text.format(url=url)}\n")
    fresh.secrets = {}
    fresh.adopt("pull-request.yml")
    job = fresh.job("pull-request.yml")
    assert is_red(job, "1", ": they differ")
    assert job.annotations == [annotation_of(job, "M105")]
    annotation = annotation_of(job, "M105")
    assert annotation.name == "error"
    assert annotation.properties["file"] == "content/posts/第二篇.md"
    assert marked(job, annotation).startswith(url)
    assert (
        annotation.text == f"{url}: is not mirrored; run `mirror sync`, or list it under [[ignore]]"
    )


MANIFEST = "manifests/images.jsonl"


@pytest.mark.parametrize(
    ("name", "spoil", "line", "says"),
    [
        pytest.param(
            MANIFEST,
            lambda text: text.replace("\n", "\n<<<<<<< HEAD\n", 1),
            "2",
            "merge conflict marker '<<<<<<<'; both sides' image lines may stay",
            id="merge conflict",
        ),
        pytest.param(
            MANIFEST,
            lambda text: text.replace("\n", "\n100%0A::warning::planted\n", 1),
            "2",
            "expected a JSON object, got '100%0A::warning::planted'",
            id="no JSON",
        ),
        pytest.param(
            MANIFEST, lambda text: text[:-40], "4", "expected a JSON object", id="cut off"
        ),
        pytest.param(MANIFEST, lambda _: None, "1", "there is no manifest", id="missing"),
        pytest.param(
            "mirror.toml",
            lambda text: text.replace("[[source]]", "[[sauce]]"),
            "1",
            "sauce: unknown key; did you mean 'source'?",
            id="configuration",
        ),
    ],
)
def test_what_cannot_be_read_turns_its_line_red(
    quick: Fresh, name: str, spoil: Callable[[str], str | None], line: str, says: str
) -> None:
    quick.adopt("pull-request.yml")
    text = spoil((quick.root / name).read_text())
    if text is None:
        (quick.root / name).unlink()
    else:
        quick.write(name, text)
    quick.commit()
    job = quick.job("pull-request.yml")
    (annotation,) = job.annotations
    assert annotation.name == "error"
    assert annotation.properties == {"file": name, "line": line, "title": "nothing was compared"}
    assert annotation.text.startswith(f"{name}: ")
    assert says in annotation.text
    assert is_red(job, "2", says)


def test_a_mirrored_address_that_leads_nowhere_turns_its_line_red(fresh: Site) -> None:
    key = fresh.asset("b.png")["key"]
    fresh.change("content/posts/first.md", key, "00/no-such-key.png")
    fresh.adopt("pull-request.yml")
    job = fresh.job("pull-request.yml")
    assert is_red(job, "1", ": they differ")
    annotation = annotation_of(job, "M106")
    assert job.annotations == [annotation]
    assert marked(job, annotation).startswith(f"{fresh.public_url}/00/no-such")
    assert annotation.text.endswith(": looks mirrored, but no line of the manifest has this key")


# --- What readers get -------------------------------------------------------------------------


def moved(where: Callable[[str], str]) -> Spoil:
    """Whoever asks with the address of the posts is sent on."""
    return lambda request, response: (
        response if "?" in request.target else Response(302, {"Location": where(request.target)})
    )


@pytest.mark.parametrize(
    ("spoil", "kind", "rule", "words"),
    [
        pytest.param(
            body(b"gone", "text/plain", 404), "error", "M402", "readers get HTTP 404", id="status"
        ),
        pytest.param(
            body(b"no", "text/plain", 403),
            "error",
            "M402",
            "is refused to readers, whether they come from the site or not (HTTP 403)",
            id="refused",
        ),
        pytest.param(
            headers(Content_Type="application/octet-stream"),
            "error",
            "M401",
            "expected Content-Type image/png, found application/octet-stream",
            id="type",
        ),
        pytest.param(without("Content-Type"), "error", "M401", "found none", id="no type"),
        pytest.param(body(picture(0)[:-1]), "error", "M401", "bytes, found", id="length"),
        pytest.param(body(picture(99)), "error", "M401", "expected", id="hash"),
        pytest.param(
            body(b"<html>Sorry</html>"), "error", "M401", "an HTML page", id="an error page"
        ),
        pytest.param(
            headers(Content_Disposition="attachment"),
            "error",
            "M403",
            "is sent with Content-Disposition: attachment",
            id="attachment",
        ),
        pytest.param(
            moved(lambda target: "/lost.png?"),
            "error",
            "M402",
            "HTTP 404",
            id="redirect to nothing",
        ),
        pytest.param(
            only(lambda referer: referer is None),
            "error",
            "M402",
            f"is refused to readers who come from {SITE}, and served to others",
            id="Referer of the site refused",
        ),
    ],
)
def test_what_readers_would_complain_about_is_red(
    fresh: Site, spoil: Spoil, kind: str, rule: str, words: str
) -> None:
    key = fresh.asset("b.png")["key"]
    fresh.readers.spoil = lambda request, response: (
        spoil(request, response) if key in request.target or "?" in request.target else response
    )
    fresh.adopt("push.yml")
    job = fresh.job("push.yml")
    assert is_red(job, "1", ": they differ")
    annotation = annotation_of(job, rule)
    assert job.annotations == [annotation]
    assert annotation.name == kind
    assert annotation.text.startswith(f"{fresh.public_url}/{key}: ")
    assert words in annotation.text


def test_a_picture_that_readers_do_not_get_turns_its_line_of_the_manifest_red(fresh: Site) -> None:
    key = fresh.asset("b.png")["key"]
    spoil = body(b"gone", "text/plain", 404)
    fresh.readers.spoil = lambda request, response: (
        spoil(request, response) if key in request.target else response
    )
    fresh.adopt("push.yml")
    job = fresh.job("push.yml")
    assert not job.ok
    assert json.loads(marked(job, annotation_of(job, "M402"))) == fresh.asset("b.png")


def test_a_rule_that_feed_readers_suffer_from_is_a_warning_on_a_green_job(fresh: Site) -> None:
    fresh.readers.spoil = only(lambda referer: referer is not None)
    fresh.adopt("push.yml")
    job = fresh.job("push.yml")
    assert job.ok, job.log
    assert job.annotations == [annotation_of(job, "M405")]
    annotation = annotation_of(job, "M405")
    assert annotation.name == "warning"
    assert f"is served to readers who come from {SITE} and refused to those who" in annotation.text


def test_a_redirect_into_a_private_network_is_not_followed_and_told(fresh: Site) -> None:
    with ImageHost({}) as intranet:
        key = fresh.asset("b.png")["key"]
        there = Response(302, {"Location": f"{intranet.base_url}{key}"})
        fresh.readers.spoil = lambda request, response: there if key in request.target else response
        fresh.adopt("push.yml")
        job = fresh.job("push.yml")
        assert not intranet.requests
    assert is_red(job, "3", ": could not check everything")
    assert job.annotations == [annotation_of(job, "M404")]
    assert annotation_of(job, "M404").name == "warning"


def test_a_redirect_that_leads_to_the_picture_is_fine(fresh: Site) -> None:
    fresh.readers.spoil = moved(lambda target: f"{target}?v=2")
    fresh.adopt("push.yml")
    assert fresh.job("push.yml").ok


# --- Inputs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "compared"),
    [
        pytest.param({"offline": ""}, "manifest, folder and posts", id="defaults"),
        pytest.param({"offline": "true"}, "manifest and posts", id="offline"),
        pytest.param(
            {"offline": "false", "deep": "true", "sample": "1/1"},
            "manifest, folder and posts",
            id="read back",
        ),
        pytest.param(
            {"offline": "false", "archive": "true"},
            "manifest, folder, archive and posts",
            id="with the archive",
        ),
        pytest.param(
            {"config": "mirror.toml", "posts": "false"},
            "manifest and posts",
            id="another configuration",
        ),
    ],
)
def test_a_site_that_agrees_is_green_whatever_is_asked(
    quick: Fresh, inputs: dict[str, str], compared: str
) -> None:
    quick.adopt("pull-request.yml", **inputs)
    job = quick.job("pull-request.yml")
    assert job.ok, job.log
    assert job.log.endswith(f": {compared} agree\n")


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"sample": "$(touch pwned)"}, id="a command"),
        pytest.param({"config": '"; touch pwned; "'}, id="quotes"),
        pytest.param({"offline": "true; touch pwned"}, id="in place of a flag"),
        pytest.param({"sample": "--help\ntouch pwned"}, id="a line"),
    ],
)
def test_what_is_put_in_is_never_run(quick: Fresh, inputs: dict[str, str]) -> None:
    quick.adopt("pull-request.yml", **inputs)
    job = quick.job("pull-request.yml")
    assert not job.ok
    assert not list(job.folder.rglob("pwned"))


def test_no_code_of_the_checkout_is_run(quick: Fresh) -> None:
    plant(quick)
    quick.adopt("pull-request.yml", report="page.html")
    job = quick.job("pull-request.yml")
    assert job.ok, job.log
    adopt_gitlab(quick, "unused")
    code, said, _ = gitlab(quick, "mirror:verify")
    assert code == 0, said
    assert not list(quick.folder.rglob("pwned"))


def test_a_site_in_a_folder_is_marked_where_it_lies(quick: Fresh) -> None:
    (quick.root / "web").mkdir()
    for name in ("mirror.toml", "content", "manifests", "static"):
        (quick.root / name).rename(quick.root / "web" / name)
    quick.bucket = quick.root / "web" / "static" / "images"
    url = f"{SOURCE}new.png"
    quick.change("web/content/posts/first.md", "三", f'三"><img src="{url}')
    quick.adopt("pull-request.yml", working_directory="web", report="my page.html")
    job = quick.job("pull-request.yml")
    assert is_red(job, "1", ": they differ")
    assert marked(job, annotation_of(job, "M105")).startswith(url)
    page = job.workspace / "web" / "my page.html"
    assert job.outputs["report"] == str(page)
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_an_old_python_is_refused_before_anything_is_made(quick: Fresh) -> None:
    old = script(quick.tools / "python-old", "exit 1")
    quick.temp = None
    quick.adopt("pull-request.yml", python=str(old))
    job = quick.job("pull-request.yml")
    assert not job.ok
    (annotation,) = job.annotations
    assert (annotation.name, "needs Python 3.11 or newer" in annotation.text) == ("error", True)
    assert not list((job.folder / "runner temp").iterdir())


# --- GitLab -----------------------------------------------------------------------------------


def snippet(title: str) -> str:
    """The block of YAML under a title of the page."""
    page = (ROOT / "docs" / "ci.md").read_text()
    (block,) = re.findall(rf"^## {title}$(?:(?!^## ).)*?^```yaml$\n(.*?)^```$", page, re.M | re.S)
    return block


def adopt_gitlab(fresh: Fresh, package: str) -> None:
    """Copy a file, include it, and put the package in, as docs/ci.md says."""
    (fresh.root / "ci").mkdir()
    shutil.copy(ROOT / "ci" / "gitlab.yml", fresh.root / "ci")
    text = re.sub(r"<the archive.*?>", json.dumps(package), snippet("GitLab"))
    assert "<" not in text
    fresh.write(".gitlab-ci.yml", text)
    fresh.commit()


def gitlab(fresh: Fresh, job: str, shell: str = "bash", **variables: str) -> tuple[int, str, Path]:
    """The exit code, what was printed, and the project's folder. What is installed is not again."""
    number = next(_prefixes)
    runner = GitLab(fresh.folder / f"gitlab{number}", fresh.root, fresh.tools, shell, fresh.temp)
    done = runner.run(job, variables, leave_out=("-m venv", "-m pip") if fresh.temp else ())
    return done.returncode, done.stdout + done.stderr, runner.project


def test_the_template_installs_mirror_from_the_archive_of_a_commit(
    quick: Fresh, published: Path, index: None
) -> None:
    archive = quick.folder / "mirror.tar.gz"
    git(published, "archive", "--prefix=mirror/", "--output", archive, "HEAD")
    adopt_gitlab(quick, str(archive))
    plant(quick)
    quick.commit()
    quick.temp = None
    code, said, project = gitlab(quick, "mirror:verify")
    assert code == 0, said
    xml = JUnitXml.fromfile(str(project / "mirror.xml"))
    assert (xml.tests, xml.failures, xml.errors) == (4, 0, 0)  # the post and the folder's objects
    assert not list(project.parent.rglob("pwned"))
    shutil.rmtree(project.parent / "builds")


def test_a_template_without_a_package_says_so(quick: Fresh) -> None:
    adopt_gitlab(quick, "")
    quick.temp = None
    code, said, _ = gitlab(quick, "mirror:verify")
    assert code != 0
    assert "MIRROR_PACKAGE: names what pip shall install" in said


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_the_report_of_a_merge_request_names_object_and_line(fresh: Site, shell: str) -> None:
    fresh.object("b.png").unlink()
    url = f"{SOURCE}new.png"
    fresh.write("content/posts/second.md", f"text\n\n![]({url})\n")
    adopt_gitlab(fresh, "unused")
    code, said, project = gitlab(fresh, "mirror:verify", shell, **fresh.environment)
    assert code == 1, said
    xml = JUnitXml.fromfile(str(project / "mirror.xml"))
    assert (xml.tests, xml.failures, xml.errors) == (5, 2, 0)
    results = {
        (suite.name, case.name): result for suite in xml for case in suite for result in case.result
    }
    missing = results["destination bucket", fresh.asset("b.png")["key"]]
    unknown = results["posts", f"content/posts/second.md:3:5 {url}"]
    assert {type(result) for result in results.values()} == {Failure}
    assert len(results) == 2
    assert missing.message.startswith("missing in bucket; `mirror sync` or `mirror repair`")
    assert unknown.message == "is not mirrored; run `mirror sync`, or list it under [[ignore]]"


def test_the_report_of_a_bucket_that_does_not_answer_skips_it(fresh: Site) -> None:
    (endpoint,) = re.findall('endpoint_url = "(.*)"', (fresh.root / "mirror.toml").read_text())
    fresh.change("mirror.toml", endpoint, "http://127.0.0.1:9")
    adopt_gitlab(fresh, "unused")
    code, said, project = gitlab(fresh, "mirror:verify", **fresh.environment)
    assert code == 3, said
    xml = JUnitXml.fromfile(str(project / "mirror.xml"))
    (case,) = [case for suite in xml for case in suite if suite.name == "destination bucket"]
    assert [type(result) for result in case.result] == [Skipped]


def test_the_report_counts_a_picture_that_readers_do_not_get_once(fresh: Site) -> None:
    key = fresh.asset("b.png")["key"]
    spoil = body(b"gone", "text/plain", 404)
    fresh.readers.spoil = lambda request, response: (
        spoil(request, response) if key in request.target else response
    )
    adopt_gitlab(fresh, "unused")
    asked = {"MIRROR_ARGUMENT": "--public"} | fresh.environment
    code, said, project = gitlab(fresh, "mirror:verify", **asked)
    assert code == 1, said
    (public,) = [
        suite for suite in JUnitXml.fromfile(str(project / "mirror.xml")) if suite.name == "public"
    ]
    assert public.failures == 1
    assert public.tests == 3


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_without_credentials_a_pipeline_says_that_no_bucket_is_asked(
    fresh: Site, shell: str
) -> None:
    shutil.rmtree(fresh.bucket)
    adopt_gitlab(fresh, "unused")
    code, said, project = gitlab(fresh, "mirror:verify", shell)
    assert code == 0, said
    assert "posts and manifest only, no bucket is asked" in said
    assert [suite.name for suite in JUnitXml.fromfile(str(project / "mirror.xml"))] == ["posts"]


def test_a_scheduled_pipeline_keeps_the_page(fresh: Site) -> None:
    adopt_gitlab(fresh, "unused")
    code, said, project = gitlab(fresh, "mirror:report")
    assert code == 0, said
    assert (project / "mirror-report.html").read_text().startswith("<!DOCTYPE html>")


# --- pre-commit -------------------------------------------------------------------------------


def test_a_commit_that_shows_an_image_nobody_mirrored_is_stopped(
    quick: Fresh, published: Path, index: None
) -> None:
    """By pre-commit itself, which installs the hooks as it does for everybody."""
    program = Path(sys.executable).parent / "pre-commit"
    if not program.exists():
        pytest.skip("pre-commit is not installed")
    text = snippet("pre-commit")
    text = text.replace("<where you take mirror from>", json.dumps(str(published)))
    text = text.replace("<a full commit SHA>", git(published, "rev-parse", "HEAD"))
    assert "<" not in text
    quick.write(".pre-commit-config.yaml", text)
    quick.commit()
    home = quick.folder / "pre-commit"
    environment = clean_environment() | {"PRE_COMMIT_HOME": str(home)}
    subprocess.run(
        [program, "install", "--install-hooks"], cwd=quick.root, env=environment, check=True
    )
    before = git(quick.root, "rev-parse", "HEAD")

    def commit(*names: str) -> tuple[bool, str]:
        """Whether a commit of these files was made, and what was said."""
        git(quick.root, "reset", "--quiet")
        git(quick.root, "add", *names)
        command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", "commit"]
        done = subprocess.run(
            [*command, "--message=Something new"],
            cwd=quick.root,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )
        return done.returncode == 0, done.stdout + done.stderr

    posts = "content/posts"
    quick.write(f"{posts}/good.md", (quick.root / posts / "first.md").read_text())
    quick.write(f"{posts}/bad.md", f"text\n\n新图：![]({SOURCE}new.png)\n")
    made, said = commit(f"{posts}/good.md", f"{posts}/bad.md")
    assert not made
    assert git(quick.root, "rev-parse", "HEAD") == before
    assert f"{posts}/bad.md:3:8 {SOURCE}new.png: is not mirrored" in said
    assert "good.md" not in said
    assert re.search("^- hook id: mirror-posts$", said, re.MULTILINE)
    made, said = commit(f"{posts}/good.md")
    assert made, said

    lines = (quick.root / "manifests/images.jsonl").read_text().splitlines(keepends=True)
    quick.write("manifests/images.jsonl", "".join(lines[:-1]))
    made, said = commit("manifests/images.jsonl")
    assert not made
    assert re.search("^- hook id: mirror-manifest$", said, re.MULTILINE)
    assert f"{posts}/first.md:" in said
    shutil.rmtree(home)

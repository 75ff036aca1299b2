"""Posts, pictures, manifests and folders that were made to do harm, run through the command."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image
from support import invariants
from support.faults import PICTURES, PUBLIC, Blog, blog, chunk, crashed, picture, png
from support.sandbox import run_limited

from mirror import rewrites
from mirror.host import ImageHost as Host
from mirror.host import Request, Response
from mirror.model import Digest, HeldImage
from mirror.pictures.blob import inspect
from mirror.records import StateError
from mirror.state import HeldImages
from mirror.urls.address import Address


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Blog]:
    with blog(tmp_path, pictures=2, posts=1) as made:
        yield made


def post(site: Blog, text: str | bytes, name: str = "posts/00.md") -> None:
    data = text.encode() if isinstance(text, str) else text
    site.posts[name] = data
    (site.root / name).parent.mkdir(parents=True, exist_ok=True)
    (site.root / name).write_bytes(data)


def findings(site: Blog, *args: str) -> dict[str, str]:
    """The rules of what a run of `sync` finds, by subject."""
    ended = site.run("sync", "--json", *args)
    assert not crashed(ended), ended.text
    return {
        event["subject"]: event["rule"] for event in ended.events() if event["type"] == "finding"
    }


# --- Secrets --------------------------------------------------------------------------------------

PLANTED = {
    "userinfo": "https://planteduser:plantedpass@pics.example/p/000.png",
    "an @ in the password": "https://user:planted@planted@pics.example/p/000.png",
    "OSS v1": "https://pics.example/p/000.png?OSSAccessKeyId=planted1&Expires=9&Signature=planted2",
    "OSS v4": "https://pics.example/p/000.png?x-oss-credential=planted&x-oss-signature=planted",
    "AWS": "https://pics.example/p/000.png?X-Amz-Credential=planted&X-Amz-Signature=planted",
    "COS": "https://pics.example/p/000.png?q-ak=planted&q-signature=planted&q-sign-time=planted",
    "Azure": "https://pics.example/p/000.png?sv=planted&se=planted&sig=planted",
    "Qiniu": "https://pics.example/p/000.png?e=1700000000&token=planted:planted",
    "Kingsoft": "https://pics.example/p/000.png?KSSAccessKeyId=planted&Signature=planted",
    "GitLab": "https://pics.example/p/000.png?private_token=planted",
    "another token": "https://pics.example/p/000.png?auth_token=planted&refreshToken=planted",
    "client secret": "https://pics.example/p/000.png?client_secret=planted",
    "encoded name": "https://pics.example/p/000.png?%74oken=planted",
    "in the fragment": "https://pics.example/p/000.png#access_token=planted",
    "inside another URL": "https://pics.example/proxy.png"
    "?url=https%3A%2F%2Fb.example%2Fa.png%3FX-Amz-Signature%3Dplanted",
    "a key by its shape": "https://pics.example/p/000.png?x=AKIAPLANTEDPLANTED12",
    "another host": "https://elsewhere.example/b.png?X-Amz-Signature=planted",
    "no image": "https://elsewhere.example/c.pdf?token=planted",
}


def test_a_secret_in_a_post_is_in_no_output(site: Blog) -> None:
    """Neither printed nor written anywhere but in the post that published it."""
    lines = [f"![{name}]({url})\n" for name, url in PLANTED.items()]
    lines += [f"[{name}]({url}) and <{url}>\n" for name, url in PLANTED.items()]
    lines += [f'<img src="{url}">\n' for url in PLANTED.values()]
    lines += [f"`{url}`\n\n    {url}\n" for url in PLANTED.values()]
    post(site, "---\ncover: " + PLANTED["AWS"] + "\n---\n" + "\n".join(lines))
    site.host.put("proxy.png", picture(9))
    commands = [
        ["scan"],
        ["scan", "--json", "--all"],
        ["scan", "--hosts"],
        ["sync", "--dry-run"],
        ["sync", "--json"],
        ["sync"],
        ["rewrite", "--dry-run"],
        ["rewrite", "--check", "--json"],
        ["verify", "--posts", "--archive", "--json"],
        ["rewrite"],
        ["verify", "--posts"],
        ["verify", "--public", "--json"],
        ["rewrite", "--revert", "--dry-run"],
        ["doctor"],
        ["doctor", "--json"],
        ["dupes", "--json"],
        ["prune", "--json"],
        ["repair", "--deep", "--json"],
        ["restore", "restored"],
        ["report", "--output", "report.html"],
    ]
    for command in commands:
        ended = site.run(*command)
        assert not crashed(ended), ended.text
        assert "planted" not in ended.text.lower(), command
    for form in ("junit", "sarif", "github"):
        ended = site.run("verify", "--posts", "--format", form)
        assert "planted" not in ended.text.lower(), form
    for path in site.root.rglob("*"):
        if path.is_file() and path.parent.name != "posts":
            assert b"planted" not in path.read_bytes().lower(), path


def test_a_host_that_echoes_a_secret_is_not_quoted(tmp_path: Path) -> None:
    class Echo(Host):
        def answer(self, request: Request) -> Response:
            return self.error(403, request.target, request.headers.get("authorization", "none"))

    with blog(tmp_path, pictures=1, posts=1, host=Echo) as site:
        post(site, f"![]({PLANTED['OSS v1']})\n![]({PLANTED['userinfo']})\n")
        for args in (["sync"], ["sync", "--json"]):
            ended = site.run(*args)
            assert ended.code == 3
            assert "planted" not in ended.text


def test_a_crash_log_holds_no_secret(site: Blog, tmp_path: Path) -> None:
    """The traceback of a bug goes to a file; here an error is planted in the program itself."""
    (tmp_path / "bug").mkdir()
    (tmp_path / "bug" / "sitecustomize.py").write_text(
        "import mirror.urls.address as s\ndef broken(text): raise KeyError(text)\n"
        "s.canonical = broken\n"
    )
    post(site, f"![]({PLANTED['OSS v1']})\n![]({PLANTED['userinfo']})\n")
    folders = {"PYTHONPATH": str(tmp_path / "bug"), "TMPDIR": str(tmp_path)}
    ended = site.run("scan", env=folders | {"CI": "", "GITHUB_ACTIONS": ""})
    assert ended.code == 70
    assert "Traceback" not in ended.text
    log = Path(re.search(r"details are in (\S+)", ended.err)[1])
    assert "KeyError" in log.read_text()
    assert "planted" not in ended.text + log.read_text()


# --- Terminals and CI -----------------------------------------------------------------------------

_RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def test_control_and_bidi_characters_reach_no_terminal(site: Blog) -> None:
    evil = "\x1b[2J\x1b]0;owned\x07\u202egnp.exe\u2066\x9b31m\u2028"
    post(site, f'<img src="{PICTURES}{evil}.png">\n\n![x](<{PICTURES}b{evil}.png>)\n')
    post(site, f"![]({PICTURES}gone.png)\n", f"posts/{evil.replace('/', '')}.md")
    for args in (
        ["scan"],
        ["scan", "--all", "--json"],
        ["sync"],
        ["sync", "--json"],
        ["verify", "--posts"],
        ["rewrite", "--check"],
        ["verify", "--offline", f"posts/{evil}"],
        ["rewrite", "--map", f"{evil}.json"],
    ):
        ended = site.run(*args)
        assert not crashed(ended), ended.text
        assert not _RAW.search(ended.text), (args, _RAW.search(ended.text))


def test_no_post_gives_a_command_to_a_ci_runner(site: Blog) -> None:
    evil = "##[error]x ##vso[task.setvariable variable=a]b"
    post(site, f'<img src="{PICTURES}{evil}.png">\n')
    post(site, f"![]({PICTURES}a.png)\n\n::error::one\n ::warning::two\n", "posts/::error::a.md")
    post(site, f"![]({PICTURES}a.png)\n", "posts/line\n::error::b.md")
    post(site, f"::add-mask::c\n![]({PICTURES}p/000.png)\n::set-env name=x::d\n", "posts/d.md")
    env = {"CI": "true", "GITHUB_ACTIONS": "true"}
    for args in (
        ["scan"],
        ["scan", "--json"],
        ["sync"],
        ["sync", "--json"],
        ["rewrite", "--dry-run"],
        ["verify", "--posts"],
    ):
        ended = site.run(*args, env=env)
        assert not crashed(ended), ended.text
        for line in ended.text.splitlines():
            assert not re.match(r"\s*[-+ ]?\s*::", line), (args, line)
            assert "##[" not in line, (args, line)
            assert "##vso[" not in line, (args, line)


# --- Folders --------------------------------------------------------------------------------------


def test_a_post_that_is_a_link_out_of_the_tree_is_left_alone(site: Blog, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text(f"![]({PICTURES}p/000.png)\n")
    (site.root / "posts" / "link.md").symlink_to(outside)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "in.md").write_text(f"![]({PICTURES}p/001.png)\n")
    (site.root / "posts" / "more").symlink_to(tmp_path / "folder")
    assert "M501" in findings(site).values()
    site.run("rewrite")
    assert PUBLIC not in outside.read_text()
    assert PUBLIC not in (tmp_path / "folder" / "in.md").read_text()


def test_a_pipe_that_is_called_like_a_post_does_not_hold_the_run(site: Blog) -> None:
    os.mkfifo(site.root / "posts" / "pipe.md")
    assert findings(site) == {"posts/pipe.md": "M101"}


@pytest.mark.parametrize(
    "name",
    [
        "manifests/images.jsonl",
        "manifests/rewrites.jsonl",
        "manifests/redirects.jsonl",
        "manifests/ledger.jsonl",
        "manifests/site.txt",
        ".mirror/journal.jsonl",
        ".mirror/validators.jsonl",
        ".mirror/lock",
        "archive/data",
        "archive/manifest-sha256.txt",
        "bucket/.mirror",
        "bucket/{ab}",
    ],
)
def test_no_link_leads_out_of_our_folders(site: Blog, tmp_path: Path, name: str) -> None:
    """A branch may hold links: what they lead to is neither written to nor shown."""
    outside = tmp_path / "outside"
    secret = "the first line of a file nobody may see\n"
    if name in ("archive/data", "bucket/.mirror", "bucket/{ab}"):
        outside.mkdir()
        name = name.format(ab=next(iter(_digests(site)))[:2])
    else:
        outside.write_text(secret)
    link = site.root / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    for command in ("sync", "rewrite", "verify"):
        ended = site.run(command)
        assert not crashed(ended), ended.text
        assert secret.strip()[:20] not in ended.text
    if outside.is_dir():
        assert list(outside.iterdir()) == []
    else:
        assert outside.read_text() == secret


def _digests(site: Blog) -> list[str]:
    return [hashlib.sha256(data).hexdigest() for data in site.pictures.values()]


# --- Addresses and keys ---------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["{path}", "{source}/{stem}{ext}", "{name}", "x/{path}{ext}"])
def test_no_name_in_a_url_leads_a_key_out_of_the_destination(site: Blog, key: str) -> None:
    names = [
        "../../../../outside.png",
        "..%2f..%2f..%2foutside.png",
        "%2e%2e/%2e%2e/outside.png",
        "..%5c..%5coutside.png",
        "a%00b.png",
        "a%0ab.png",
        "%2fetc%2foutside.png",
        ".mirror-0000.tmp",
        "%c3%28.png",
        "..",
        "a//b.png",
        "x" * 300 + ".png",
        "%ed%a0%80.png",
    ]
    site.configure(destination=f'url = "file:bucket"\npublic_url = "{PUBLIC}"\nkey = "{key}"')
    for number, name in enumerate(names):
        for path in {name, unquote(name, errors="replace"), name.replace("../", "")}:
            site.host.put(path, picture(100 + number))
    post(site, "\n".join(f"![]({PICTURES}{name})\n" for name in names))
    before = {path for path in site.root.parent.rglob("*") if "-runs" not in str(path)}
    findings(site)
    made = {path for path in site.root.parent.rglob("*") if "-runs" not in str(path)} - before
    ours = [site.root / name for name in ("bucket", "archive", "manifests", ".mirror")]
    assert [path for path in made if not any(path.is_relative_to(each) for each in ours)] == []
    # And what was written can be read again.
    assert site.run("sync").code in (0, 3)
    assert site.run("verify").code in (0, 3)


def test_private_addresses_are_refused_without_a_connection(tmp_path: Path) -> None:
    """Five thousand of them, in every spelling, cost no request and no wait."""
    hosts = ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "169.254.169.254", "[::1]"]
    hosts += ["[::ffff:10.0.0.1]", "100.64.0.1", "0.0.0.0", "localhost", "10.0.0.1"]
    with blog(tmp_path, pictures=1, posts=1) as site:
        listener = site.host.port
        match = ", ".join(f'"http://{host}:{listener}/"' for host in hosts)
        text = (site.root / "mirror.toml").read_text()
        text = re.sub(r"match = .*", f"match = [{match}]", text)
        text = re.sub(r"fetch = .*", "", text).replace("concurrency = 2", "concurrency = 16")
        (site.root / "mirror.toml").write_text(text)
        urls = [f"http://{hosts[n % len(hosts)]}:{listener}/{n}.png" for n in range(5_000)]
        post(site, "\n".join(f"![]({url})\n" for url in urls))
        ended = site.run("sync", "--json")
        assert ended.code == 3
        rules = [event["rule"] for event in ended.events() if event["type"] == "finding"]
        assert rules == ["M502"] * len(urls)
        assert not site.host.requests


# --- Pictures -------------------------------------------------------------------------------------


def bomb_png() -> bytes:
    """Rows of zeros: their stream is one block again and again, and the sum of that many zeros."""
    count, size = 300, 100 * (1 + 3 * 30_000)
    rows = zlib.compressobj(9, wbits=-15)
    block = rows.compress(bytes(size)) + rows.flush(zlib.Z_FULL_FLUSH)
    adler = (count * size) % 65_521 << 16 | 1
    data = b"\x78\xda" + count * block + b"\x03\x00" + struct.pack(">I", adler)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bomb_gif() -> bytes:
    """65535 x 65535, and many frames of it."""
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\x00"
    return (
        b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6) + frame * 999 + b";"
    )


def many_frames() -> bytes:
    """A hundred and ten thousand frames: small to send, long to decode."""
    stream = BytesIO()
    frames = [Image.new("L", (8, 8), 6 * n) for n in range(40)]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=10)
    data = stream.getvalue()
    start = data.index(b"\x21\xf9")
    return data[:start] + data[start:-1] * 2_750 + b";"


def webp_of(width: int, height: int) -> bytes:
    body = (
        b"VP8L"
        + struct.pack("<I", 10)
        + b"\x2f"
        + struct.pack("<I", (width - 1) | (height - 1) << 14)
        + bytes(5)
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def polyglot() -> bytes:
    """A whole picture, and behind it a script and an archive."""
    return picture(50) + b"<script>alert(1)</script>PK\x03\x04" + bytes(100)


def text_bomb() -> bytes:
    text = b"Comment\0\0" + zlib.compress(bytes(200 * 2**20), 9)
    return png(8, 8, bytes(192), chunk(b"zTXt", text))


def profile_bomb() -> bytes:
    return png(8, 8, bytes(192), chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(200 * 2**20), 9)))


def exif_bomb() -> bytes:
    """A JPEG whose EXIF says it has four billion entries, in as much EXIF as fits."""
    stream = BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "JPEG")
    data = stream.getvalue()
    tiff = (
        b"MM\x00*\x00\x00\x00\x08"
        + b"\xff\xff"
        + b"\x01\x12\x00\x03\xff\xff\xff\xff\xff\xff\xff\xff" * 5400
    )
    block = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def lying_ico() -> bytes:
    return b"\0\0\1\0\xff\xff" + b"\0\0\0\0\1\0\x20\0\xff\xff\xff\x7f\x16\0\0\0" * 65535


SVG = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>'
LAUGHS = (
    '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + ']>\n<svg xmlns="http://www.w3.org/2000/svg"><text>&j;</text></svg>'
)

HOSTILE = {
    "bomb.png": (bomb_png, "M503"),
    "bomb.gif": (bomb_gif, "M503"),
    "frames.gif": (many_frames, "M503"),
    "bomb.webp": (lambda: webp_of(16383, 16383), "M503"),
    "svgz.svg": (lambda: gzip.compress(SVG.encode()), "M202"),
    "bomb.gz": (lambda: gzip.compress(bytes(100 * 2**20)), "M202"),
    "page.png": (lambda: b"<!DOCTYPE html><title>x</title>" + picture(1), "M202"),
    "script.png": (lambda: b"\x89PNG\r\n\x1a\n<script>alert(1)</script>", "M202"),
    "empty.png": (lambda: b"", "M202"),
    "half.png": (lambda: picture(3)[:500], "M202"),
    "lying.ico": (lying_ico, "M202"),
    "script.svg": (SVG.encode, "M504"),
    "laughs.svg": (LAUGHS.encode, "M504"),
    "polyglot.png": (polyglot, None),
    "text.png": (text_bomb, "M202"),
    "profile.png": (profile_bomb, "M202"),
    "exif.jpg": (exif_bomb, ...),
}
"""What each must be found to be: nothing, or `...` where it is only to be survived."""


def test_hostile_pictures_are_refused_or_harmless(site: Blog) -> None:
    for name, (make, _) in HOSTILE.items():
        site.host.put(name, make())
    post(site, "\n".join(f"![]({PICTURES}{name})\n" for name in HOSTILE))
    ended = site.run("sync", "--json")
    assert ended.code == 3
    rules = {
        event["subject"]: event["rule"] for event in ended.events() if event["type"] == "finding"
    }
    for name, (_, rule) in HOSTILE.items():
        assert rule is ... or rules.get(PICTURES + name) == rule, (name, rules.get(PICTURES + name))
    kept = {
        url.removeprefix(PICTURES)
        for asset in invariants.read_manifest(site.root).values()
        for url in invariants.sources_of(asset)
    }
    assert kept.isdisjoint(name for name, (_, rule) in HOSTILE.items() if rule in ("M202", "M503"))
    files = [path for path in (site.root / "bucket").rglob("*") if path.is_file()]
    names = [path.name for path in files if ".mirror" not in path.parts]
    assert all(re.fullmatch(r"[0-9a-f]{64}\.(?:png|svg|jpg)", name) for name in names)


def test_hostile_pictures_take_little_memory(site: Blog) -> None:
    """Less than three honest pictures at the limit of pixels would, whatever a header promises."""
    post(site, f"![]({PICTURES}p/000.png)\n")
    plain = site.peak("sync")
    for name, (make, _) in HOSTILE.items():
        site.host.put(name, make())
    post(site, "\n".join(f"![]({PICTURES}{name})\n" for name in HOSTILE))
    assert site.peak("sync") - plain < 3 * 100 * 2**20


# --- Posts ----------------------------------------------------------------------------------------

MONSTERS = {
    "brackets": "[" * 50_000,
    "images": "![" * 50_000,
    "links": "[a](" * 20_000,
    "quotes": ">" * 20_000 + "x",
    "stars": "*a_ " * 20_000,
    "backticks": "".join("`" * n + "x" for n in range(300)),
    "tags": "<img src=" * 20_000,
    "attributes": "<img " + 'a="' * 30_000,
    "comments": "<!--" * 30_000,
    "entities": "&#x" * 30_000 + "&" * 30_000,
    "shortcodes": "{{< " * 20_000,
    "liquid": "{% " * 20_000,
    "styles": '<p style="' + "background:url(" * 10_000 + '">',
    "srcset": '<img srcset="' + "a, " * 30_000 + '">',
    "front matter": "---\n" + "- " * 3_000 + "x\n---\n",
    "aliases": "---\na: &a [x,x]\n"
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)},*{chr(97 + n)}]\n" for n in range(20))
    + "---\n",
    "toml": "+++\n" + "a = " + "[" * 5_000 + "\n+++\n",
    "json": "{" + '"a":[' * 5_000 + "\n}\n",
    "lists": "".join("  " * n + "- x\n" for n in range(300)),
    "definitions": "".join(f"[{n}]: {PICTURES}{n}.png\n" for n in range(5_000)),
    "braces": "<div style={{" * 5_000,
}


@pytest.mark.parametrize("suffix", ["md", "mdx"])
def test_no_post_holds_or_breaks_a_run(site: Blog, suffix: str) -> None:
    for name, text in MONSTERS.items():
        post(site, f"{text}\n\n![]({PICTURES}p/000.png)\n", f"posts/{name}.{suffix}")
    ended = site.run("scan", "--json")
    assert not crashed(ended), ended.text
    assert ended.code in (0, 3)


def test_a_poisoned_manifest_is_refused_with_its_line(site: Blog) -> None:
    assert site.run("sync").code == 0
    path = site.root / "manifests" / "images.jsonl"
    header, first, *rest = path.read_text().splitlines()
    good = json.loads(first)
    for change in (
        {"key": "../../outside.png"},
        {"key": "/etc/outside.png"},
        {"key": "a\\..\\b.png"},
        {"key": "\ud800.png"},
        {"sha256": "../../../outside"},
        {"media_type": ["image/png"]},
        {"media_type": "text/html"},
        {"sources": ["//user:planted@"]},
        {"sources": ["file:///etc/passwd"]},
        {"size": -1},
        {"fingerprint": 5},
        {"alias_of": "0" * 64},
        {"more": 1},
    ):
        line = json.dumps(good | change)
        path.write_text("\n".join((header, line, *rest)) + "\n")
        ended = site.run("verify")
        assert ended.code == 2, (change, ended.text)
        assert "line" in ended.err
        assert "planted" not in ended.text
        assert path.read_text().splitlines()[1] == line


# --- Files that are none --------------------------------------------------------------------------

_SECRET = "the first line of a file nobody may see"


def _pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path, _: Path) -> None:
    path.symlink_to("/dev/zero")


def _link_out(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def _folder(path: Path, _: Path) -> None:
    path.mkdir()


def _huge(path: Path, _: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _device(path: Path, _: Path) -> None:
    with suppress(PermissionError):
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero


KINDS = {
    "pipe": _pipe,
    "endless": _endless,
    "link": _link_out,
    "folder": _folder,
    "huge": _huge,
    "device": _device,
}
_READERS_OF_THE_MANIFEST = (
    "sync|rewrite -n|verify --offline|prune|repair|restore out|report|dupes|rewrite --revert"
)
READERS = {
    "mirror.toml": "scan|sync|verify --offline",
    "posts/00.md": "scan|rewrite -n",
    "manifests/images.jsonl": _READERS_OF_THE_MANIFEST,
    "manifests/rewrites.jsonl": "rewrite -n|rewrite --revert",
    "manifests/redirects.jsonl": "sync|rewrite -n|leftovers",
    "manifests/ledger.jsonl": "sync",
    "manifests/reviews.txt": "sync|dupes",
    "manifests/site.txt": "sync|prune",
    ".mirror/lock": "sync|rewrite",
    ".mirror/.gitignore": "sync",
    ".mirror/journal.jsonl": "sync|sync -n|report",
    ".mirror/validators.jsonl": "sync --refresh",
    ".mirror/last-sync.jsonl": "report|sync",
    ".mirror/held": "sync|report|dupes",
    ".mirror/held/images.jsonl": "sync|report|dupes",
    "archive/ORIGINAL": "sync|verify --archive|restore out|report|repair",
    "archive/bagit.txt": "sync",
    "archive/sources.txt": "sync|rewrite -n",
    "archive/manifest-sha256.txt": "sync",
    "archive/tagmanifest-sha256.txt": "sync",
    "bucket/OBJECT": "sync|verify --deep|restore out|rewrite|repair",
    "map.json": "rewrite -n --map map.json",
    "mirror-report.html": "report",
    "out": "restore out",
}
TOLD = ("manifests/", "posts/", "map.json", ".mirror/lock", "mirror.toml")
"""Files whose readers say what is wrong with them, and do not end as if nothing were."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blog]:
    """A site with two images that are mirrored and one that is not."""
    with blog(tmp_path_factory.mktemp("template"), pictures=2, posts=1) as made:
        assert made.run("sync").code == 0
        assert made.run("rewrite").code == 0
        made.host.put("new.png", picture(77))
        (made.root / "posts" / "new.md").write_text(f"![]({PICTURES}new.png)\n")
        yield made


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_told_and_holds_up_no_command(
    template: Blog, tmp_path: Path, name: str
) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text(f"{_SECRET}\n")
    digest = min(_digests(template))
    actual = name.replace("ORIGINAL", f"data/{digest[:2]}/{digest}.png")
    actual = actual.replace("OBJECT", f"{digest[:2]}/{digest}.png")
    runs = []
    for kind, make in KINDS.items():
        # A pipe is what holds up a command; of other kinds one reader of a file is enough. All
        # readers open a file in the same way.
        commands = READERS[name].split("|")
        for number, command in enumerate(commands[:3] if kind == "pipe" else commands[:1]):
            root = tmp_path / f"{kind}{number}"
            shutil.copytree(template.root, root)
            path = root / actual
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            path.parent.mkdir(exist_ok=True)
            make(path, outside)
            runs.append((root, command.split(), kind))
    results = run_limited([(root, arguments) for root, arguments, _ in runs])
    for (root, arguments, kind), (code, output) in zip(runs, results, strict=True):
        case = (name, kind, arguments, code, output)
        assert code in range(5), case
        assert "Traceback" not in output, case
        assert _SECRET not in output, case
        assert outside.read_text() == f"{_SECRET}\n", case
        # The index of a site is kept in buckets only, so nothing here reads its name.
        if name.startswith(TOLD) and name != "manifests/site.txt" and (root / actual).exists():
            is_told = code != 0 and Path(actual).name in output
            # Posts may lie in a folder of that name, and the contents of the lock are not read.
            is_fine = (kind, name) in (("folder", "posts/00.md"), ("huge", ".mirror/lock"))
            assert is_told or is_fine, case


@pytest.mark.parametrize("name", [".mirror/held", "archive/data", "bucket/{ab}", "restored/{host}"])
def test_nothing_is_written_through_a_planted_link(
    template: Blog, tmp_path: Path, name: str
) -> None:
    """Bytes that are held, originals, objects and restored files stay inside."""
    outside = tmp_path / "outside"
    outside.mkdir()
    root = tmp_path / "site"
    shutil.copytree(template.root, root)
    digest = hashlib.sha256(picture(77)).hexdigest()
    path = root / name.format(ab=digest[:2], host="pics.example")
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(outside)
    for code, output in run_limited([(root, ["sync"]), (root, ["restore", "restored"])]):
        assert code in range(5), output
    if name == ".mirror/held":
        with pytest.raises(StateError, match="held"):
            HeldImages(path).keep_bytes(Digest(digest), b"damaged")
        with pytest.raises(StateError, match="held"):
            HeldImages(path).save([HeldImage(Address("https://h/a.png"), inspect(picture(1)))])
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("kind", ["pipe", "endless", "folder", "huge"])
def test_init_reads_no_list_of_ignored_files_that_is_none(tmp_path: Path, kind: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "post.md").write_text("![](https://pics.example/a.png)\n")
    KINDS[kind](tmp_path / ".gitignore", tmp_path)
    ((code, output),) = run_limited([(tmp_path, ["init"])])
    assert (code, "/archive/ >> .gitignore" in output) == (0, True), output


def test_a_report_is_not_written_through_a_link_of_the_repository(
    template: Blog, tmp_path: Path
) -> None:
    root = tmp_path / "site"
    shutil.copytree(template.root, root)
    outside = tmp_path / "outside.txt"
    outside.write_text(_SECRET)
    (root / "mirror-report.html").symlink_to(outside)
    for options in ([], ["-o", "mirror-report.html"]):
        ((code, output),) = run_limited([(root, ["report", *options])])
        assert (code, "mirror-report.html is a symbolic link" in output) == (2, True), output
        assert outside.read_text() == _SECRET
    (root / "mirror-report.html").unlink()
    (root / "mirror-report.html").symlink_to("other.html")  # which nobody named
    ((code, output),) = run_limited([(root, ["report"])])
    assert (code, "mirror-report.html: cannot be written" in output) == (2, True), output
    assert not (root / "other.html").exists()


# --- Whole repositories ---------------------------------------------------------------------------

_HEAD = '[[destination]]\nurl = "file:bucket"\npublic_url = "https://img.example/blog"\n'
REPOSITORIES: dict[str, dict[str, str]] = {
    "dots in the configuration": {"mirror.toml": "a." * 50_000 + "a = 1\n"},
    "a deep table": {"mirror.toml": "[" + "a." * 199 + "a]\n" + "b.c = 1\n" * 60_000},
    "a long name": {"mirror.toml": "a" * 900_000 + " = 1\n"},
    "many destinations": {
        "mirror.toml": "".join(
            f'[[destination]]\nname="{n}"\nurl="file:x{n}"\n' for n in range(15_000)
        )
    },
    "one name for many sources": {
        "mirror.toml": '[[source]]\nname="s"\nmatch=["https://h/"]\n' * 20_000
    },
    "a long key template": {"mirror.toml": _HEAD + 'key = "' + "{sha256}/" * 90_000 + 'a"\n'},
    "a key with a long cut": {"mirror.toml": _HEAD + f'key = "{{sha256:.{"9" * 30}}}"\n'},
    "a nested configuration": {"mirror.toml": "a = " + "[" * 400_000},
    "a configuration that is too long": {"mirror.toml": "#" * (2 << 20)},
    "nested lines": {
        "mirror.toml": _HEAD,
        "manifests/images.jsonl": '{"schema": 1}\n' + "[" * 500_000 + "\n",
        "manifests/rewrites.jsonl": json.dumps(rewrites.HEADER) + "\n" + "{" * 500_000 + "\n",
        "manifests/ledger.jsonl": "[" * 500_000 + "\n",
        "manifests/reviews.txt": "split " * 100_000,
        ".mirror/journal.jsonl": "[" * 500_000 + "\n",
        ".mirror/held/images.jsonl": "[" * 500_000 + "\n",
        ".mirror/last-sync.jsonl": "[" * 500_000 + "\n",
    },
    "evidence of nothing": {
        "mirror.toml": _HEAD,
        "manifests/ledger.jsonl": '{"rule": 1e999, "pair": []}\n5\n[]\n"mode"\n',
    },
    "reviews without end": {
        "mirror.toml": _HEAD,
        "manifests/reviews.txt": "".join(
            f"split {n:064x}\nmerge {n:064x} {n + 1:064x}\n" for n in range(30_000)
        ),
    },
    "a long post": {
        "mirror.toml": _HEAD,
        "posts/long.md": "![](https://pics.example/a.png)\n" * 12_000,
        "map.json": '{"https://pics.example/a.png": "https://img.example/a.png"}',
    },
    "a nested map": {"map.json": "[" * 500_000, "posts/a.md": "a\n"},
}
COMMANDS = (
    "scan|sync -n|sync|rewrite -n|rewrite --check|verify --offline|verify --posts --archive|prune"
    "|repair|restore out|report|dupes|rewrite -n --map map.json|init"
)


@pytest.mark.parametrize("name", REPOSITORIES)
def test_no_repository_breaks_or_holds_up_a_command(tmp_path: Path, name: str) -> None:
    root = tmp_path / "site"
    (root / ".git").mkdir(parents=True)
    (root / "posts").mkdir()
    for place, text in REPOSITORIES[name].items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_text(text)
    # Each repository meets `sync` and half of the others, so that every command meets half of all.
    others = COMMANDS.replace("|sync|", "|").split("|")
    commands = ["sync", *others[sorted(REPOSITORIES).index(name) % 2 :: 2]]
    results = run_limited([(root, command.split()) for command in commands])
    for command, (code, output) in zip(commands, results, strict=True):
        assert code in range(5), (name, command, code, output[-2000:])
        assert "Traceback" not in output, (name, command, output[-2000:])

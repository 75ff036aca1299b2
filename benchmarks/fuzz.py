"""Fuzzing: bytes that grow towards new branches of the code that reads what others wrote.

    python -m benchmarks fuzz [--seconds N] [--finds DIR] [TARGET ...]

Needs the extra `fuzz` (atheris). Each target has a process of its own and an equal share of the
time. A find is an input that ends in anything but a value or the target's own error, breaks what
the target promises, or takes long; it is written to DIR, once for each place in the code.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from threading import Thread

from benchmarks.common import KEYS, ROOT, table

_PATIENCE_S = 3.0  # of CPU, for one input of at most `_MAX_BYTES`
_MAX_BYTES = 4096
_MAX_RSS_MB = 2000
_STOPPED = 77  # libFuzzer's exit code for an input that hung or took too much memory

Run = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """`make` imports the code and returns what runs one input; `seeds` are inputs to begin with."""

    make: Callable[[], Run]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[str, ...] = ()


# --- Posts and pages ------------------------------------------------------------------------------


def _golden() -> Iterator[bytes]:
    for path in sorted((ROOT / "tests" / "data").rglob("*.md")):
        text = path.read_bytes()
        yield from (text[at : at + _MAX_BYTES // 2] for at in range(0, len(text), _MAX_BYTES // 2))


def _posts(prefix: bytes = b"") -> Run:
    from mirror.markdown import find_references, spell, splice

    def run(data: bytes) -> None:
        for name in ("a.md", "a.mdx"):
            text = prefix + data
            scan = find_references(text, name)
            stop = 0
            for ref in scan.references:
                assert stop <= ref.span.start <= ref.span.stop <= len(text), ref
                stop = ref.span.stop
                assert text[ref.span.start : stop].decode(scan.encoding) == ref.spelling, ref
                with suppress(ValueError):
                    spell("https://h.example/a b(c).png", ref.quoting)
            same = [(ref.span, ref.spelling) for ref in scan.references]
            assert not same or splice(text, scan.encoding, same) == text

    return run


def _data_files() -> Run:
    from mirror.markdown import find_references

    def run(data: bytes) -> None:
        for name in ("a.yml", "a.toml", "a.json"):
            for ref in find_references(data, name).references:
                assert data[ref.span.start : ref.span.stop], ref

    return run


def _pages() -> Run:
    from mirror.pages import MentionFinder
    from mirror.pages.mentions import mention_uses
    from mirror.pages.pictures import find_pictures, find_style_pictures
    from mirror.pages.text import utf8_text
    from mirror.urls.sources import Source

    finder = MentionFinder([Source("pics", ("https://h.example/",))])

    def run(data: bytes) -> None:
        if (text := utf8_text(data)) is not None:
            find_pictures(text)
            find_style_pictures(text)
            list(mention_uses(text, finder.find(text)))

    return run


def _urls() -> Run:
    from mirror.urls.address import Url, canonical
    from mirror.urls.redact import hide_secrets, printable, without_secrets
    from mirror.urls.sources import Locator, Source

    locator = Locator([Source("pics", ("https://h.example/",), variants="rendition")])

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        cut = without_secrets(text)
        assert without_secrets(cut) == cut
        hide_secrets(text)
        assert printable(str(Url(text))) == str(Url(text))
        locator.locate(Url(text))
        if (address := canonical(text)) is not None:
            assert canonical(address) == address
            assert address.isascii()
            assert address.isprintable()

    return run


# --- Files that mirror keeps ----------------------------------------------------------------------


def _manifest() -> Run:
    from mirror.manifest import HEADER, ManifestError, dumps, loads

    header = json.dumps(HEADER) + "\n"

    def run(data: bytes) -> None:
        text = header + data.decode("utf-8", "surrogatepass")
        with suppress(ManifestError):
            loaded = loads(text)
            assert loads(dumps(loaded)) == loaded
            dumps(loaded).encode()
            loaded.objects  # noqa: B018

    return _of_text(run)


def _rewrites() -> Run:
    from mirror.rewrites import HEADER, RewritesError, dumps, loads

    header = json.dumps(HEADER) + "\n"

    def run(data: bytes) -> None:
        with suppress(RewritesError):
            lines = loads(header + data.decode("utf-8", "surrogatepass"))
            assert loads(dumps(lines)) == sorted(lines, key=attrgetter("post"))
            dumps(lines).encode()

    return _of_text(run)


def _ledger() -> Run:
    from support.reviews import dumps_reviews

    from mirror.repeats.ledger import LedgerError, loads_ledger, loads_mode
    from mirror.repeats.reviews import ReviewError, loads_reviews
    from mirror.site_index import loads

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "surrogatepass")
        with suppress(LedgerError):
            loads_ledger(text)
            loads_mode(text)
        with suppress(ReviewError):
            reviews = loads_reviews(text)
            assert loads_reviews(dumps_reviews(reviews)) == reviews
        with suppress(ValueError):
            loads(data)

    return _of_text(run)


def _of_text(run: Run) -> Run:
    def guarded(data: bytes) -> None:
        with suppress(UnicodeError):
            data.decode("utf-8")
            run(data)

    return guarded


def _line_seeds() -> Iterator[bytes]:
    blob = {
        "sha256": "0" * 64, "md5": "1" * 32, "size": 7, "media_type": "image/png", "width": 1,
        "height": 2, "fingerprint": "a" * 64, "key": "a/b.png",
    }  # fmt: skip
    other = blob | {"sha256": "1" * 64, "key": "c.png", "alias_of": "0" * 64}
    first = json.dumps(blob | {"sources": ["https://h.example/a.png"]})
    yield first.encode() + b"\n"
    yield f"{first}\n{json.dumps(other | {'sources': ['https://h.example/b.png']})}\n".encode()
    yield f"{first}\n{first.replace('a.png', 'c.png')}\n".encode()


def _rewrite_seeds() -> Iterator[bytes]:
    line = {
        "post": "a.md", "target": "https://m.example/a.png", "source": "https://h.example/a.png",
        "before": "00", "after": "11",
    }  # fmt: skip
    for extra in ({}, {"spelling": "https://h.example/a.png"}, {"spelling": "&#104;ttps"}):
        yield json.dumps(line | extra).encode() + b"\n"


def _ledger_seeds() -> Iterator[bytes]:
    from mirror.repeats.evidence import RULE

    pair = ["0" * 64, "1" * 64]
    yield json.dumps({"rule": RULE, "pair": pair, "distance": 3, "tier": "pixels"}).encode()
    yield b'{"mode": "perceptual"}\n'
    yield f"split {pair[0]}\nmerge {pair[0]} {pair[1]}\naccept https://h/a.png {pair[1]}\n".encode()


# --- Pictures -------------------------------------------------------------------------------------


def _pictures() -> Run:
    from mirror.documents import describe
    from mirror.pictures.blob import damaged_blob, inspect
    from mirror.pictures.decode import ImageError, ImageLimits
    from mirror.urls.redact import printable

    limits = ImageLimits(max_pixels=200_000)

    def run(data: bytes) -> None:
        described = describe(data)
        assert printable(described) == described
        try:
            assert inspect(data, limits).pixels <= limits.max_pixels
        except ImageError as error:
            assert printable(str(error)) == str(error)
            damaged_blob(data)

    return run


def _picture_seeds() -> Iterator[bytes]:
    from PIL import Image

    yield b'<svg xmlns="http://www.w3.org/2000/svg"><g/></svg>'
    for mode, forms in {
        "RGB": ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "TIFF", "ICO"),
        "P": ("PNG", "GIF", "TIFF", "BMP"),
        "L": ("JPEG", "TIFF"),
        "RGBA": ("PNG", "WEBP", "AVIF"),
        "I;16": ("PNG",),
        "CMYK": ("JPEG",),
    }.items():
        for form in forms:
            image = Image.effect_noise((24, 17), 60).convert("RGB" if mode == "P" else "L")
            image = image.convert(mode) if mode != "I;16" else Image.new(mode, (24, 17), 700)
            for options in (
                {},
                {"save_all": True, "append_images": [image.copy()]},
                {"progressive": True},
                {"icc_profile": b"\0" * 132, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"},
            ):
                stream = BytesIO()
                with suppress(Exception):  # not each format takes each option
                    image.save(stream, form, **options)
                    yield stream.getvalue()


# --- S3 responses ---------------------------------------------------------------------------------


def _s3() -> Run:
    """The whole response of a server, over a socket, to a listing, a HEAD, a GET and a PUT."""
    os.environ |= {**KEYS, "NO_PROXY": "127.0.0.1"}
    from mirror.model import Key
    from mirror.store import S3Settings, StoreError
    from mirror.store.s3 import S3Store

    response = [b""]
    listener = socket.create_server(("127.0.0.1", 0))
    Thread(target=_serve, args=(listener, response), daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    store = S3Store("b", S3Settings(bucket="b", endpoint_url=url, region="r", timeout_s=5))
    calls: list[Callable[[], object]] = [
        lambda: list(store.list()),
        lambda: store.stat(Key("a.png")),
        lambda: store.get(Key("a.png"), max_bytes=1000),
        lambda: store.put(Key("a.png"), b"data", absent=True),
        lambda: store.delete(Key("a.png")),
    ]

    def run(data: bytes) -> None:
        response[0] = data[1:]
        with suppress(StoreError):
            calls[data[0] % len(calls)]() if data else None

    return run


def _serve(listener: socket.socket, response: list[bytes]) -> None:
    while True:
        client, _ = listener.accept()
        with client, suppress(OSError):
            client.settimeout(5)
            client.recv(1 << 16)
            client.sendall(response[0])


def _s3_seeds() -> Iterator[bytes]:
    listing = (
        b'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        b"<EncodingType>url</EncodingType><Contents><Key>a%20b.png</Key><LastModified>2020-01-01T00:00:00.000Z"
        b"</LastModified><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>4</Size>"
        b"</Contents></ListBucketResult>"
    )
    error = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    heads = (
        b'ETag: "d41d8cd98f00b204e9800998ecf8427e"\r\nx-amz-server-side-encryption: aws:kms\r\n'
        b"Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\nx-amz-checksum-crc32: AAAAAA==\r\n"
    )
    for kind in range(5):
        for status, body in (
            (b"200 OK", listing), (b"200 OK", listing.replace(b"true", b"false")),
            (b"403 F", error), (b"404 N", error.replace(b"AccessDenied", b"NoSuchKey")),
            (b"307 T", error), (b"412 P", b""), (b"200 OK", b"data"), (b"501 N", error),
        ):  # fmt: skip
            length = b"Content-Length: %d\r\n\r\n" % len(body)
            yield bytes([kind]) + b"HTTP/1.1 " + status + b"\r\n" + heads + length + body


# --- Settings of others ---------------------------------------------------------------------------


def _settings() -> Run:
    import tomllib

    from mirror.config import ConfigError, parse_config
    from mirror.generators import read_settings
    from mirror.uploaders import UploaderFileError, find_sources

    def run(data: bytes) -> None:
        text = data.decode()
        with suppress(ValueError, RecursionError):
            document = tomllib.loads(text)
            with suppress(ConfigError):
                parse_config(document, ROOT)
        for name in ("hugo.toml", "config.yaml", "a.json", "astro.config.mjs", "conf.py"):
            read_settings(name, text)
        with suppress(UploaderFileError):
            find_sources(data)

    return _of_text(run)


def _settings_seeds() -> Iterator[bytes]:
    yield (ROOT / "config.example.toml").read_bytes()[:_MAX_BYTES]
    yield b"baseURL = 'https://h.example/'\n[params]\na = 'b'\n"
    yield b"url: https://h.example\nroot: /blog/\n"
    yield b'{"picBed": {"current": "aliyun", "aliyun": {"bucket": "b", "area": "oss-cn-beijing"}}}'
    yield b"export default { site: 'https://h.example', base: '/blog' }\n"


_MARKUP = (
    "![](",
    "](",
    "<img src=",
    "srcset=",
    "<!--",
    "-->",
    "---\n",
    "+++\n",
    "{{<",
    ">}}",
    "{%",
    "%}",
    "```",
    "    ",
    "> ",
    "[r]: ",
    "https://h.example/a.png",
    "url(",
    "&amp;",
    "<pre>",
    "style=",
    "cover: ",
    "\r\n",
    "\ufeff",
    "<a href=",
    "export const a = ",
    "{/*",
    "import ",
)
TARGETS = {
    "posts": Target(_posts, _golden, _MARKUP),
    "front-matter": Target(
        lambda: _posts(b"---\n"),
        lambda: [b"cover: https://h.example/a.png\n---\n", b"a: [b, 'c.png']\n---\nx\n",
                 b"image:\n  url: >-\n    https://h.example/a.png\n---\n", b"- &a x\n- *a\n---\n"],
        ("cover: ", "\n---\n", "image: ", "- ", "|", ">-", "&a ", "*a", "!!str ", "? ", "'", '"'),
    ),
    "toml-matter": Target(
        lambda: _posts(b"+++\n"),
        lambda: [b"cover = 'https://h.example/a.png'\n+++\n", b'[a]\nb = """\nc"""\n+++\n'],
        ("cover = ", "\n+++\n", '"""', "'''", "[[a]]", "{ a = ", "\\u0041"),
    ),
    "data": Target(_data_files, lambda: [b"a: b.png\n", b"a = 'b.png'\n", b'{"a": "b.png"}']),
    "pages": Target(_pages, _golden, (*_MARKUP, "<picture>", "<source ", "<noscript>", "\\u002f")),
    "urls": Target(_urls, lambda: [b"https://h.example/a.png?x-oss-process=style/a&token=b#c"],
                   ("%2f", "%3F", "..", "@", "//", "token=", "&sig=", "!style", "https:")),
    "manifest": Target(_manifest, _line_seeds, ('"alias_of": "', '"former_sources": []', "null")),
    "rewrites": Target(_rewrites, _rewrite_seeds, ('"spelling": "', "\\u0000", "&#")),
    "ledger": Target(_ledger, _ledger_seeds, ("split ", "merge ", "accept ", '"refusal": "')),
    "pictures": Target(_pictures, _picture_seeds, ("IHDR", "IDAT", "acTL", "fcTL", "iCCP", "Exif",
                                                   "VP8X", "ANMF", "avif", "meta", "\u00ff\u00d8")),
    "s3": Target(_s3, _s3_seeds, ("<Contents>", "<Key>", "<Size>", "<IsTruncated>", "&quot;",
                                  "Content-Length: ", "Transfer-Encoding: chunked", "<Code>")),
    "settings": Target(_settings, _settings_seeds),
}  # fmt: skip


# --- Running --------------------------------------------------------------------------------------


def fuzz(name: str, finds: Path, seconds: int) -> None:
    """Fuzz one target in this process, which libFuzzer ends. It writes each find to `finds`."""
    import atheris

    target = TARGETS[name]
    with atheris.instrument_imports(include=["mirror"]):
        run = target.make()
    work = finds / ".work" / name
    corpus = work / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / sha256(seed).hexdigest()[:16]).write_bytes(seed)
    words = work / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    dictionary = [f"-dict={words}"] if target.words else []

    def one(data: bytes) -> None:
        began = time.process_time()
        try:
            run(data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  (a panic of Rust is no `Exception`)
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).stem}-{frame.lineno}-{type(error).__name__}"
            _keep(finds / name / place, data, traceback.format_exc())
        if (took := time.process_time() - began) > _PATIENCE_S:
            _keep(finds / name / "slow", data, f"{took:.1f} s")

    atheris.Setup(
        [
            f"fuzz-{name}", str(corpus), *dictionary, f"-max_len={_MAX_BYTES}",
            f"-max_total_time={seconds}", f"-artifact_prefix={finds / name}-stopped-",
            "-timeout=60", f"-rss_limit_mb={_MAX_RSS_MB}", "-print_final_stats=1", "-verbosity=0",
        ],
        one,
    )  # fmt: skip
    atheris.Fuzz()


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def _keep(path: Path, data: bytes, reason: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(data)
        path.with_name(f"{path.name}.txt").write_text(reason)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=3600, help="for all targets together")
    parser.add_argument("--finds", type=Path, default=Path("fuzz-finds"))
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    share = max(1, options.seconds // len(names))
    if options.inside:
        fuzz(names[0], options.finds, share)
    rows = []
    for name in names:
        command = [
            *(sys.executable, "-m", "benchmarks", "fuzz", name, "--inside"),
            *("--seconds", str(share), "--finds", str(options.finds.absolute())),
        ]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        said = [line for line in ended.stderr.splitlines() if "executed_units" in line]
        runs = said[0].rpartition(":")[2].strip() if said else "?"
        finds = [*options.finds.glob(f"{name}/*.txt"), *options.finds.glob(f"{name}-stopped-*")]
        if ended.returncode and not finds:
            print(ended.stderr[-2000:], file=sys.stderr)
        rows.append((name, runs, ended.returncode, len(finds)))
        print(*rows[-1], file=sys.stderr, flush=True)
    table(("target", "inputs", "exit code", "finds"), rows)
    return int(any(code or finds for _, _, code, finds in rows))

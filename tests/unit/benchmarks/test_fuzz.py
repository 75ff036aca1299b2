"""Whatever comes in, the scanner, the manifest, the configuration and the inspector end in a value
or in their own error. What was found this way stands as an example above the property."""

from __future__ import annotations

import json
import random
import tomllib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.faults import picture
from support.growth import assert_linear

from mirror import manifest, rewrites
from mirror.config import Config, ConfigError, load_config, parse_config
from mirror.destinations import object_key
from mirror.fetch import FetchError
from mirror.fetch.addresses import HttpUrl
from mirror.manifest import ManifestError, is_safe_key
from mirror.markdown import find_references, splice
from mirror.pictures.blob import inspect
from mirror.pictures.decode import ImageError, ImageLimits
from mirror.repeats.evidence import RULE
from mirror.repeats.ledger import LedgerError, loads_ledger, loads_mode
from mirror.repeats.reviews import ReviewError, loads_reviews
from mirror.rewrites import RewritesError
from mirror.state import HeldImages, Journal
from mirror.store import StoreError, check_key
from mirror.urls.address import Url, canonical
from mirror.urls.redact import hide_secrets, printable, without_secrets

few = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# --- Posts ----------------------------------------------------------------------------------------

_PIECES = [
    *"![a](\n](\n)\n[\n]\n<\n>\n\"\n'\n`\n&\n#\n%ff\n|\n$$\n*\n_\n{\n}\n\\\n\t".split("\n"),
    *("\n", "\r\n", "\r", "    ", "> ", "- ", "1. ", "---\n", "+++\n", "```\n", "~~~"),
    *("<img src=", "<img srcset='", "<!--", "-->", "<pre>", "</pre>", "<style>", "<?", "<![CDATA["),
    *("]]>", "{{< figure src=", ">}}", "{% img ", "%}", "<div style={{", "}}", "url(", "cover: "),
    *("https://h.example/a.png", "//h/a b.png", "a.png!style", "[r]: ", "![r]", "import a from '"),
    *("&amp;", "&#x0;", "\ufeff", "\0", "图", "\u202e", "\U0001f600", "\x85", "\u2028"),
]
posts = st.lists(st.sampled_from(_PIECES), max_size=40).map("".join)


@few
@given(st.one_of(posts.map(str.encode), posts.map(lambda t: t.encode("gb18030")), st.binary()))
def test_any_post_is_scanned_and_comes_back_unchanged(data: bytes) -> None:
    for name in ("a.md", "a.mdx"):
        scan = find_references(data, name)
        stop = 0
        for ref in scan.references:
            assert stop <= ref.span.start <= ref.span.stop <= len(data)
            stop = ref.span.stop
            assert data[ref.span.start : ref.span.stop].decode(scan.encoding) == ref.spelling
        same = [(ref.span, ref.spelling) for ref in scan.references]
        assert not same or splice(data, scan.encoding, same) == data


# --- URLs -----------------------------------------------------------------------------------------

_URL_PIECES = [
    *"https:// // http:\\ u:p@ h.example :80 / .. %2e %2f ? & = token sig e # a.png".split(),
    *"%3Ftoken%3Ds [::1] 图 @ x-oss-process=image/resize,w_1 !style \\ % ;".split(),
    *("\0", " ", "AKIAIOSFODNN7EXAMPLE"),
]
urls = st.text() | st.lists(st.sampled_from(_URL_PIECES), max_size=12).map("".join)


@few
@given(urls)
@example("https://u:p@q@h.example/a.png")
@example("https://p/?url=https%3A%2F%2Fb%2Fa%3Fsig%3Ds&w=1")
@example("%3FTOKEN%3D//@")
def test_secrets_are_cut_out_once_and_for_all(text: str) -> None:
    cut = without_secrets(text)
    assert without_secrets(cut) == cut
    assert printable(str(Url(text))) == str(Url(text))
    hide_secrets(text)
    address = canonical(text)
    if address is not None:
        assert canonical(address) == address
        assert without_secrets(address) == address
        assert address.isascii()
        assert address.isprintable()


@few
@given(urls)
def test_any_url_is_an_endpoint_or_refused(text: str) -> None:
    try:
        http_url = HttpUrl.parse(text)
    except FetchError:
        return
    assert http_url.path.startswith("/")
    assert http_url.path.isascii()
    assert not set(http_url.path) & set(" \r\n\t\0")
    with suppress(httpx.InvalidURL):  # a host that cannot exist
        assert httpx.URL(http_url.url).raw_path.decode() == http_url.path


@few
@given(urls, st.sampled_from(["{path}", "{name}", "{stem}{ext}", "{source}/{path:.9}"]))
@example("https://h.example/a%5C..%5Cb.png", "{path}")
@example("https://h.example/.mirror-0.tmp", "{path}")
def test_a_key_that_stores_take_is_one_that_the_manifest_takes(text: str, template: str) -> None:
    address = canonical(text)
    blob = inspect(picture(1))
    try:
        key = check_key(object_key(template, blob, "pics", address))
    except StoreError:
        return
    assert is_safe_key(key)


# --- Files ----------------------------------------------------------------------------------------

json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(),
        st.sampled_from(["image/png", "0" * 64, "0" * 32, "https://h.example/a.png", "\ud800"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_LINE = {
    "sha256": "0" * 64,
    "md5": "0" * 32,
    "size": 1,
    "media_type": "image/png",
    "width": 1,
    "height": 1,
    "fingerprint": None,
    "key": "a.png",
    "sources": ["https://h.example/a.png"],
}


@few
@given(st.dictionaries(st.sampled_from([*_LINE, "alias_of", "x"]), json_values, max_size=3))
@example({"media_type": ["image/png"]})
@example({"key": "\ud800.png"})
@example({"sha256": []})
@example({"alias_of": "0" * 64})
def test_any_manifest_is_loaded_or_refused_with_its_line(changes: dict[str, object]) -> None:
    text = json.dumps(manifest.HEADER) + "\n" + json.dumps(_LINE | changes) + "\n"
    try:
        loaded = manifest.loads(text)
    except ManifestError as error:
        assert "line" in str(error)  # noqa: PT017  (either is right)
    else:
        assert manifest.loads(manifest.dumps(loaded)) == loaded
        manifest.dumps(loaded).encode()


@few
@given(st.text())
@example("[" * 100_000)
@example("9" * 5000)
def test_any_text_is_a_manifest_and_a_memory_or_neither(text: str) -> None:
    for module, header, error in (
        (manifest, manifest.HEADER, ManifestError),
        (rewrites, rewrites.HEADER, RewritesError),
    ):
        for whole in (text, json.dumps(header) + "\n" + text):
            try:
                assert module.dumps(module.loads(whole)).encode()  # type: ignore[attr-defined]
            except error:
                continue


@few
@given(
    st.dictionaries(
        st.sampled_from(["post", "target", "source", "before", "after", "spelling"]), json_values
    )
)
@example(dict.fromkeys(("post", "target", "source", "before", "after"), "\ud800"))
def test_any_line_of_memory_can_be_written_again(line: dict[str, object]) -> None:
    text = json.dumps(rewrites.HEADER) + "\n" + json.dumps(line) + "\n"
    try:
        rewrites.dumps(rewrites.loads(text)).encode()
    except RewritesError as error:
        assert "line 2" in str(error)  # noqa: PT017  (either is right)


@few
@given(
    st.one_of(st.binary(), st.lists(json_values, max_size=3).map(lambda v: json.dumps(v).encode()))
)
@example(b'{"source": 5, "blob": {}}')
@example(b"5\n[]\n" + b"[" * 100_000)
def test_any_journal_is_read(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(data)
    assert all(canonical(address) == address for address, _ in Journal(path).read())


@few
@given(st.one_of(st.text(), st.lists(json_values, max_size=3).map(lambda v: f"{json.dumps(v)}\n")))
@example("[" * 100_000 + "\n")
@example("9" * 5000 + "\n")
@example('{"mode": []}\n')
@example('{"mode": "x"}\n"mode"\n')
@example(json.dumps({"rule": RULE, "pair": float("inf")}) + "\n")
def test_any_text_is_a_ledger_and_reviews_or_neither(text: str) -> None:
    for load, error in ((loads_ledger, LedgerError), (loads_reviews, ReviewError)):
        try:
            load(text)
        except error as reason:
            assert "line" in str(reason)  # noqa: PT017  (either is right)
        else:
            assert load is loads_reviews or loads_mode(text)


@few
@given(
    st.dictionaries(st.sampled_from(["pair", "distance", "tier", "refusal", "mode"]), json_values)
)
@example({"pair": ["0" * 64, "1" * 64], "distance": float("inf")})
@example({"pair": ["0" * 64, "0" * 64], "distance": 0})
def test_any_line_of_the_ledger_is_evidence_or_refused(members: dict[str, object]) -> None:
    line = json.dumps({"rule": RULE, **members}) + "\n"
    try:
        loads_ledger(line)
    except LedgerError as error:
        assert "line 1" in str(error)  # noqa: PT017  (either is right)


@few
@given(
    st.one_of(st.binary(), st.lists(json_values, max_size=3).map(lambda v: json.dumps(v).encode()))
)
@example(b'{"source": 5, "blob": {}}')
@example(b"5\n[]\n" + b"[" * 100_000)
def test_any_file_of_held_images_is_read(tmp_path: Path, data: bytes) -> None:
    held = HeldImages(tmp_path / "held")
    held.folder.mkdir(exist_ok=True)
    held.path.write_bytes(data)
    assert all(canonical(image.address) == image.address for image in held.load().values())


@pytest.mark.parametrize("line", ["split {0:064x}\n", "merge {0:064x} {1:064x}\n",
                                  "accept https://h/{0} {0:064x}\n"])  # fmt: skip
def test_reviews_are_read_in_linear_time(line: str) -> None:
    def run(count: int) -> None:
        loads_reviews("".join(line.format(number, number + 1) for number in range(count)))

    assert_linear(run, 2_000)


# --- Configuration --------------------------------------------------------------------------------

toml_values = st.recursive(
    st.one_of(
        st.booleans(), st.integers(), st.floats(), st.text(), st.dates(), st.just(2**70),
        st.sampled_from(["s3://b/../c", "file:x", "https://h/", "{sha256}", "{0}", "{", "9" * 400]),
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip
_KEYS = ["paths", "name", "match", "fetch", "headers", "url", "key", "public_url", "path", "mode",
         "reason", "max_bytes", "timeout_s", "retries", "endpoint_url", "variants"]  # fmt: skip
tables = st.dictionaries(st.sampled_from(_KEYS), toml_values, max_size=4)
_ROOTS = ["posts", "source", "destination", "archive", "manifest", "dedupe", "ignore", "fetch", "x"]
documents = st.dictionaries(
    st.sampled_from(_ROOTS),
    st.one_of(tables, st.lists(tables, max_size=2), toml_values),
    max_size=3,
)


@few
@given(documents)
@example({"fetch": {"max_bytes": "9" * 400}})
@example({"fetch": {"max_bytes": 2**70}})
@example({"archive": {"path": "\0"}})
def test_any_document_is_a_configuration_or_an_error(
    tmp_path: Path, raw: dict[str, object]
) -> None:
    try:
        assert isinstance(parse_config(raw, tmp_path), Config)
    except ConfigError as error:
        assert str(error)  # noqa: PT017  (either is right)


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 100_000, "a = " + "9" * 5000, "\ufeff\ufeff", "\0"]
)
def test_no_text_breaks_the_loader(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mirror.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"mirror\.toml"):
        load_config(path)
    with pytest.raises((ValueError, RecursionError)):
        tomllib.loads(text)


# --- Pictures -------------------------------------------------------------------------------------


def _samples() -> list[bytes]:
    image = Image.frombytes("RGB", (24, 24), random.Random(1).randbytes(24 * 24 * 3))
    samples = [picture(1)]
    for form in ("PNG", "JPEG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "ICO"):
        stream = BytesIO()
        image.save(
            stream, form, **({"save_all": True, "append_images": [image]} if form == "GIF" else {})
        )
        samples.append(stream.getvalue())
    return [*samples, b'<svg xmlns="http://www.w3.org/2000/svg"><g/></svg>']


_SAMPLES = _samples()
_LIMITS = ImageLimits(max_pixels=1_000_000)


@settings(few, max_examples=400)
@given(
    st.sampled_from(range(len(_SAMPLES))),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    st.integers(0, 2000),
)
def test_any_picture_is_inspected_or_refused(
    which: int, changes: list[tuple[int, int]], keep: int
) -> None:
    data = bytearray(_SAMPLES[which][: keep or None])
    for at, value in changes:
        if data:
            data[at % len(data)] = value
    try:
        blob = inspect(bytes(data), _LIMITS)
    except ImageError as error:
        assert printable(str(error)) == str(error)  # noqa: PT017  (either is right)
    else:
        assert blob.pixels <= _LIMITS.max_pixels

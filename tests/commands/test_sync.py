"""`mirror sync`, on a site in a folder and a host on a socket."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from hashlib import md5, sha256

import pytest
from conftest import use
from PIL import Image
from support import commands, slides
from support.commands import picture
from support.servers import BUCKET as SERVER_BUCKET
from support.servers import Server
from support.sites import BUCKET, Blog

from mirror.engine import Serial
from mirror.host import ImageHost
from mirror.manifest import ManifestError
from mirror.model import Key, Rule
from mirror.pipeline.repair import RepairOptions, repair
from mirror.pipeline.restore import restore
from mirror.store import MemoryStore

DRAWN = slides.deck(1)[0].draw()
DECK = [slides.encode(page.draw()) for page in slides.deck(6)]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>'


def images(*names: str) -> str:
    return "".join(f"![]({BUCKET}{name})\n\n" for name in names)


def fill(blog, **objects):
    for name, data in objects.items():
        blog.host.put(name.replace("_", "."), data)


def rules(result):
    return [finding.rule for finding in result.findings]


def test_what_posts_show_is_archived_stored_and_recorded(blog):
    fill(blog, a_png=DECK[0], b_png=DECK[1])
    blog.write("post.md", images("a.png", "b.png", "a.png"))
    result = blog.sync()
    assert not result.findings
    counts = {name: result.summary[name] for name in ("posts", "references", "urls", "fetched")}
    assert counts == {"posts": 1, "references": 3, "urls": 2, "fetched": 2}
    for name, data in (("a.png", DECK[0]), ("b.png", DECK[1])):
        asset = blog.asset(name)
        digest = sha256(data).hexdigest()
        assert asset["sha256"] == digest
        assert asset["md5"] == md5(data, usedforsecurity=False).hexdigest()
        assert (asset["size"], asset["width"], asset["height"]) == (len(data), 1280, 720)
        assert blog.objects()[asset["key"]] == data
        assert (blog.root / f"archive/data/{digest[:2]}/{digest}.png").read_bytes() == data


def test_pictures_of_any_size_are_kept_and_compared(blog):
    sizes = [(1, 1), (1, 400), (400, 1), (10, 50), (50, 10), (15, 17), (1249, 705), (1250, 706)]
    for number, size in enumerate(sizes):
        image = DRAWN.resize(size)
        blog.host.put(f"{number}.png", slides.encode(image))
        image.putpixel((size[0] - 1, size[1] - 1), (9, 90, 9))
        blog.host.put(f"{number}.jpg", slides.encode(image, "JPEG", quality=60))
    names = [f"{number}.{kind}" for number in range(len(sizes)) for kind in ("png", "jpg")]
    blog.write("post.md", images(*names))
    result = blog.sync()
    assert not result.findings
    assert {result.summary[name] for name in ("urls", "fetched")} == {len(names)}


def test_a_second_run_asks_nobody_and_writes_nothing(blog):
    fill(blog, a_png=DECK[0])
    blog.write("post.md", images("a.png"))
    blog.sync()
    manifest = blog.root / "manifests" / "images.jsonl"
    before = manifest.stat().st_mtime_ns
    asked = blog.asked
    result = blog.sync()
    assert (result.summary["fetched"], result.summary["reused"]) == (0, 1)
    assert blog.asked == asked
    assert manifest.stat().st_mtime_ns == before


def test_each_distinct_url_is_asked_for_once_however_it_is_spelled(blog):
    fill(blog, **{"图_png": DECK[0]})
    spellings = ["图.png", "%E5%9B%BE.png", "%e5%9b%be.png#pic_center"]
    blog.write("post.md", images(*spellings) + f"![](//{BUCKET.partition('//')[2]}图.png)\n")
    result = blog.sync()
    assert (result.summary["urls"], blog.asked) == (1, 1)


def test_the_same_manifest_comes_from_any_engine_any_order_and_any_number_of_runs(blog):
    names = [f"{n}.png" for n in range(len(DECK))]
    for name, data in zip(names, DECK, strict=True):
        blog.host.put(name, data)
    blog.host.put("copy.jpg", slides.encode(slides.deck(1)[0].draw(), "JPEG", quality=80))
    blog.host.put("again.png", DECK[3])
    blog.write("a.md", images(*names))
    blog.write("b.md", images("copy.jpg", "again.png"))
    path = blog.root / "manifests" / "images.jsonl"
    texts = set()
    for run in ("threads", "serial", "reversed", "one by one"):
        for folder in ("manifests", "archive", "static", ".mirror"):
            _remove(blog.root / folder)
        if run == "reversed":
            blog.write("a.md", images("copy.jpg", "again.png"))
            blog.write("b.md", images(*reversed(names)))
        if run == "one by one":
            while blog.sync(limit=1).summary["postponed"]:
                pass
        else:
            blog.sync(Serial() if run == "serial" else None)
        texts.add(_without_keys_of_aliases(path.read_text(encoding="utf-8")))
    assert len(texts) == 1


def _remove(path):
    import shutil

    shutil.rmtree(path, ignore_errors=True)


def _without_keys_of_aliases(text: str) -> str:
    """What a run of its own had stored before the better copy came keeps its object."""
    lines = [json.loads(line) for line in text.splitlines()[1:]]
    for line in lines:
        if "alias_of" in line:
            line.pop("key", None)
    return json.dumps(lines)


def test_repeats_are_stored_once_and_the_slide_is_the_one_kept(blog):
    page = slides.deck(1)[0].draw()
    fill(blog, slide_png=slides.encode(page), again_png=slides.encode(page))
    fill(blog, copy_jpg=slides.encode(page, "JPEG", quality=75))
    fill(blog, lossless_png=slides.encode(page, optimize=True, compress_level=1))
    blog.write("post.md", images("copy.jpg", "slide.png", "again.png", "lossless.png"))
    result = blog.sync()
    assert result.summary["stored"] == len(blog.objects()) == 1
    assert result.summary["repeats"] == 3
    kept = next(asset for asset in blog.assets if "key" in asset)
    assert kept["media_type"] == "image/png"
    assert blog.asset("copy.jpg")["alias_of"] == kept["sha256"]


def test_two_slides_that_differ_in_a_digit_are_two_pictures(blog):
    page = next(slide for slide in slides.deck(6) if slide.table)
    fill(blog, a_png=slides.encode(page.draw()))
    fill(blog, b_png=slides.encode(slides.with_digit_changed(page).draw()))
    blog.write("post.md", images("a.png", "b.png"))
    assert blog.sync().summary["repeats"] == 0
    assert len(blog.objects()) == 2


def test_a_better_copy_that_comes_later_moves_the_posts_and_no_object(blog):
    page = slides.deck(1)[0].draw()
    fill(blog, small_png=slides.encode(page.resize((640, 360), Image.Resampling.BOX)))
    blog.write("post.md", images("small.png"))
    blog.sync()
    small = blog.asset("small.png")
    blog.rewrite()
    fill(blog, large_png=slides.encode(page))
    blog.write("other.md", images("large.png"))
    blog.sync()
    assert blog.asset("small.png") == small | {"alias_of": blog.asset("large.png")["sha256"]}
    assert small["key"] in blog.objects()
    blog.rewrite()
    assert blog.read("post.md") == blog.read("other.md")
    blog.revert()
    assert blog.read("post.md") == images("small.png")


@pytest.mark.parametrize(
    ("body", "rule", "message"),
    [
        pytest.param(None, Rule.NOT_FETCHED, "404", id="missing"),
        pytest.param(b"<html><title>403</title></html>", Rule.NOT_AN_IMAGE, "HTML", id="html"),
        pytest.param(b"", Rule.NOT_AN_IMAGE, "the object at the host is empty", id="empty"),
        pytest.param(b" \n", Rule.NOT_AN_IMAGE, "the object at the host is empty", id="blank"),
        pytest.param(DECK[0][:5000], Rule.NOT_AN_IMAGE, "", id="cut short"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(500), Rule.NOT_AN_IMAGE, "", id="damaged"),
    ],
)
def test_what_is_no_picture_is_named_with_its_place_and_kept_out(blog, body, rule, message):
    fill(blog, good_png=DECK[0])
    if body is not None:
        blog.host.put("bad.png", body)
    blog.write("post.md", "text\n\n" + images("bad.png", "good.png"))
    result = blog.sync()
    (finding,) = result.findings
    assert finding.rule is rule
    assert message in finding.message
    assert (finding.post, finding.line, finding.column) == ("posts/post.md", 3, 5)
    assert finding.subject == BUCKET + "bad.png"
    assert [asset["sources"] for asset in blog.assets] == [[BUCKET + "good.png"]]
    assert len(list((blog.root / "archive" / "data").rglob("*.png"))) == 1
    assert result.summary["failed"] == 1


def test_no_image_is_offered_to_ignore_while_none_could_be_read(blog):
    """Then `fetch` is wrong more often than every image is gone."""
    blog.write("post.md", images("a.png", "b.png"))
    done = commands.run(blog, "sync")
    assert done.code == 3
    assert "check `fetch` and `match` of [[source]]" in done.out
    assert "[[ignore]]" not in done.out.splitlines()
    blog.host.put("a.png", DECK[0])
    assert f'[[ignore]]\nurl = "{BUCKET}b.png"' in commands.run(blog, "sync").out


def test_what_is_gone_can_be_pasted_under_ignore(blog):
    blog.host.put("a.png", DECK[0])
    blog.write("a.md", images("a.png"))
    blog.write("post.md", f"![]({BUCKET}lost.png) ![]({BUCKET}lost%201.png) ![]({BUCKET}lost.png)")
    done = commands.run(blog, "sync")
    lines = [line for line in done.out.splitlines() if line.startswith(("[[ignore]]", "url = "))]
    assert lines.count("[[ignore]]") == 2
    blog.configure(more="\n".join(lines))
    again = commands.run(blog, "sync")
    assert again.code == 0
    assert "2 ignored" in again.out
    assert "[[ignore]]" not in again.out.splitlines()
    assert "2 images under [[ignore]] are not mirrored and not asked for" in again.out


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(40), "a HEIC picture (brand 'heic'); convert it"),
        ("a.png", b"\0\0\0\x18ftypisom" + bytes(40), "a video (brand 'isom'); videos are not"),
        ("a.png", b"\x1aE\xdf\xa3" + bytes(40), "WebM video; videos are not mirrored"),
        ("a.png", b"%PDF-1.7\n%%EOF\n", "a PDF document; convert it"),
    ],
)
def test_a_file_that_is_no_picture_of_the_web_has_a_way_out(blog, name, data, words):
    blog.host.put(name, data)
    blog.write("post.md", images(name))
    done = commands.run(blog, "sync")
    assert words in done.out
    assert f'[[ignore]]\nurl = "{BUCKET}{name}"' in done.out


def test_an_entry_that_ignores_nothing_is_named_after_a_full_scan(blog):
    blog.configure(
        more=f'[[ignore]]\nurl = "{BUCKET}a*"\n[[ignore]]\nurl = "{BUCKET}once-there.png"\n'
    )
    blog.write("post.md", f"![]({BUCKET}a.png)")
    blog.write("other.md", "nothing")
    (warning,) = blog.sync().findings
    assert warning.rule is Rule.ENTRY_UNUSED
    assert warning.subject == f"{BUCKET}once-there.png"
    assert not blog.sync(paths=(blog.root / "posts" / "other.md",)).findings


def test_an_ignored_image_is_no_failure_and_no_request(blog):
    blog.configure(more=f'[[ignore]]\nurl = "{BUCKET}lost.png"\nreason = "gone"')
    blog.write("post.md", images("lost.png"))
    result = blog.sync()
    assert (result.findings, result.summary["ignored"], blog.asked) == ([], 1, 0)


def test_a_rendition_is_what_posts_show_and_its_original_is_archived_too(blog):
    style = "a.png?x-oss-process=image/resize,w_640"
    blog.host.put("a.png", DECK[0])
    blog.write("post.md", images(style))
    blog.sync()
    assert {url for asset in blog.assets for url in asset["sources"]} == {
        BUCKET + style,
        BUCKET + "a.png",
    }


def test_an_original_is_stored_in_a_destination_only_once_a_post_shows_it(blog):
    class Processing(ImageHost):
        def answer(self, request):
            is_rendition = "x-oss-process" in request.target
            return super().answer(
                replace(request, target="/small.png") if is_rendition else request
            )

    style = "a.png?x-oss-process=image/resize,w_640"
    with Processing({"a.png": DECK[0], "small.png": DECK[1]}) as host:
        blog.host = host
        blog.configure()
        blog.write("post.md", images(style))
        assert blog.sync().summary["stored"] == 1
        assert list(blog.objects().values()) == [DECK[1]]
        assert "key" not in blog.asset("a.png")
        blog.rewrite()
        assert blog.sync().summary["stored"] == 0
        assert blog.verify(posts=True, archive=True).findings == []
        blog.write("other.md", images("a.png"))
        assert blog.sync().summary["stored"] == 1
        blog.rewrite()
        assert blog.sync().findings == []
        assert blog.verify(posts=True, archive=True).findings == []


def test_a_missing_original_is_worth_a_word_and_no_failure(blog):
    blog.host.put("a.png!small", DECK[0])
    blog.write("post.md", images("a.png!small"))
    result = blog.sync()
    assert rules(result) == [Rule.ORIGINAL_UNREADABLE]
    assert result.summary["failed"] == 0


def test_an_original_that_cannot_be_read_says_nothing_of_a_mirror(blog):
    blog.write("post.md", images("a.png!small"))
    result = blog.sync()
    assert sorted(rules(result), key=str) == [Rule.NOT_FETCHED, Rule.ORIGINAL_UNREADABLE]
    (message,) = (f.message for f in result.findings if f.rule is Rule.ORIGINAL_UNREADABLE)
    assert "mirror" not in message
    assert "original of what the post shows cannot be read: " in message


def test_the_counts_add_up_and_name_the_destinations(blog):
    second = '[[destination]]\nname = "disk"\nurl = "file:disk"\n'
    blog.configure(more=second)
    style = "a.png?x-oss-process=image/resize,w_640"
    fill(blog, a_png=DECK[0], b_png=DECK[1], again_png=DECK[1])
    blog.write("post.md", images("b.png"))
    out = commands.run(blog, "sync").out
    assert "stored 1 new object in site, 1 in disk\n" in out
    (blog.root / "disk").rename(blog.root / "elsewhere")
    blog.write("post.md", images("b.png", "again.png", style))
    out = commands.run(blog, "sync").out
    assert "3 images of your sources" in out
    assert "fetched 2 and 1 unprocessed original (" in out
    assert "1 known already" in out
    assert (
        "stored 1 new object in site, 2 in disk\n"
        "4 images in the manifest (1 unprocessed original among them): 2 pictures; "
        "2 are repeats of another (2 of the same bytes)\n"
    ) in out


def test_variants_original_points_every_rendition_at_one_original(blog):
    blog.configure(source='variants = "original"')
    blog.host.put("a.png", DECK[0])
    blog.write("post.md", images("a.png?x-oss-process=image/resize,w_9", "a.png!small", "a.png"))
    result = blog.sync()
    assert (result.summary["urls"], blog.asked) == (1, 1)
    blog.rewrite()
    assert len(set(blog.read("post.md").split())) == 1


def test_a_changed_source_is_a_finding_and_changes_nothing(blog):
    fill(blog, a_png=DECK[0])
    blog.write("post.md", images("a.png"))
    blog.sync()
    old = blog.asset("a.png")
    assert rules(blog.sync(refresh=True)) == []
    fill(blog, a_png=DECK[1])
    result = blog.sync(refresh=True)
    assert rules(result) == [Rule.SOURCE_CHANGED]
    assert blog.assets == [old]
    assert list(blog.objects().values()) == [DECK[0]]
    archived = [path.read_bytes() for path in (blog.root / "archive").rglob("*.png")]
    assert sorted(map(len, archived)) == sorted(map(len, DECK[:2]))


def test_refresh_asks_conditionally(blog):
    fill(blog, a_png=DECK[0])
    blog.write("post.md", images("a.png"))
    blog.sync()
    blog.sync(refresh=True)
    assert "if-none-match" in blog.host.received[-1].headers


def test_an_object_with_other_bytes_stays_and_is_a_finding(blog):
    fill(blog, a_png=DECK[0])
    blog.write("post.md", images("a.png"))
    key = f"{sha256(DECK[0]).hexdigest()[:2]}/{sha256(DECK[0]).hexdigest()}.png"
    path = blog.root / "static" / "images" / key
    path.parent.mkdir(parents=True)
    path.write_bytes(b"somebody else's")
    result = blog.sync()
    assert rules(result) == [Rule.OBJECT_DIFFERENT]
    assert path.read_bytes() == b"somebody else's"
    assert blog.rewrite().findings[0].rule is Rule.OBJECT_NOT_PROVEN
    assert blog.read("post.md") == images("a.png")


def test_a_hole_in_the_destination_is_filled_from_the_archive(blog):
    fill(blog, a_png=DECK[0])
    blog.write("post.md", images("a.png"))
    blog.sync()
    (path,) = (blog.root / "static").rglob("*.png")
    path.unlink()
    asked = blog.asked
    assert blog.sync().summary["stored"] == 1
    assert path.read_bytes() == DECK[0]
    assert blog.asked == asked


def test_the_key_template_names_objects_and_a_clash_is_said(blog):
    blog.configure(destination='key = "{source}/{stem}{ext}"')
    blog.host.put("x/a.png", DECK[0])
    blog.host.put("y/a.png", DECK[1])
    blog.write("post.md", images("x/a.png", "y/a.png"))
    result = blog.sync()
    assert list(blog.objects()) == ["blog/a.png"]
    assert rules(result) == [Rule.KEY_TAKEN]
    assert "{sha256}" in result.findings[0].message


def test_an_svg_is_stored_with_a_warning_unless_its_source_is_trusted(blog):
    fill(blog, a_svg=SVG)
    blog.write("post.md", images("a.svg"))
    result = blog.sync()
    assert rules(result) == [Rule.SVG_STORED]
    assert "let the web server add" in result.findings[0].message
    assert (blog.asset("a.svg")["width"], blog.asset("a.svg")["fingerprint"]) == (None, None)
    _remove(blog.root / "static")
    blog.configure(source="trust_svg = true")
    assert rules(blog.sync()) == []


def test_one_picture_behind_very_many_urls_may_be_a_notice(blog):
    names = [f"{n}.png" for n in range(21)]
    for name in names:
        blog.host.put(name, DECK[0])
    blog.write("post.md", images(*names))
    result = blog.sync()
    assert rules(result) == [Rule.SUSPECT_NOTICE]
    assert len(blog.objects()) == 1


def test_a_signature_in_a_post_is_used_and_recorded_nowhere(blog):
    blog.configure()
    fill(blog, a_png=DECK[0])
    query = "?Expires=1&OSSAccessKeyId=LTAIplantedplanted&Signature=planted"
    blog.write("post.md", images("a.png" + query))
    result = blog.sync()
    assert rules(result) == [Rule.SECRET_IN_POST]
    assert blog.asset("a.png")["sources"] == [BUCKET + "a.png"]
    for path in blog.root.rglob("*"):
        if path.is_file() and "posts" not in path.parts:
            assert b"planted" not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ("![](U?Expires=1&OSSAccessKeyId=LTAIplanted&Signature=planted)", "post is free of it"),
        ("![](U?token=planted)", "`mirror rewrite --drop-secrets` takes it out"),
        ("<U?token=planted>", "leaves text as it is"),
    ],
)
def test_a_secret_is_said_to_go_only_where_rewrite_takes_it_out(blog, form, says):
    blog.configure()
    fill(blog, a_png=DECK[0])
    blog.write("post.md", form.replace("U", f"{BUCKET}a.png") + "\n")
    (finding,) = blog.sync().findings
    assert finding.rule is Rule.SECRET_IN_POST
    assert says in finding.message
    commands.run(blog, "rewrite")
    assert ("planted" in blog.read("post.md")) == ("token" in form)
    commands.run(blog, "rewrite", "--drop-secrets")
    assert ("planted" in blog.read("post.md")) == form.startswith("<")


def test_a_killed_run_goes_on_from_its_journal(blog):
    fill(blog, a_png=DECK[0], b_png=DECK[1])
    blog.write("post.md", images("a.png", "b.png"))
    blog.sync(limit=1)
    asset = blog.assets[0]
    # As after a kill between fetching and recording: archive and journal are there, no manifest.
    (blog.root / "manifests" / "images.jsonl").unlink()
    blob = {name: asset[name] for name in list(asset)[:7]}
    journal = blog.root / ".mirror" / "journal.jsonl"
    record = json.dumps({"source": asset["sources"][0], "blob": blob})
    journal.write_text(f"{record}\n{record[:40]}", encoding="utf-8")
    asked = blog.asked
    result = blog.sync()
    assert result.summary["reused"] == 1
    assert blog.asked == asked + 1
    assert len(blog.assets) == 2
    assert not journal.exists()


def test_sync_goes_on_where_one_destination_is_down(blog):
    blog.configure(
        more='[[destination]]\nname = "down"\nurl = "s3://nowhere"\n'
        'endpoint_url = "http://127.0.0.1:9"\nregion = "r"'
    )
    fill(blog, a_png=DECK[0])
    blog.write("post.md", images("a.png"))
    result = blog.sync()
    assert rules(result) == [Rule.DESTINATION_UNREACHABLE]
    assert result.findings[0].subject == "down"
    assert len(blog.objects()) == 1


def test_a_dry_run_says_what_it_would_fetch_and_leaves_no_trace(blog):
    blog.write("post.md", images("a.png"))
    before = sorted(blog.root.rglob("*"))
    result = blog.sync(dry_run=True)
    assert result.planned == [BUCKET + "a.png"]
    assert blog.asked == 0
    left = [path for path in blog.root.rglob("*") if ".mirror" not in path.parts]
    assert sorted(left) == before


@pytest.mark.parametrize("refresh", [False, True])
def test_a_lost_manifest_is_made_again_although_the_hosts_were_asked_before(blog, refresh):
    fill(blog, a_png=DECK[0])
    blog.write("post.md", images("a.png"))
    blog.sync()
    path = blog.root / "manifests" / "images.jsonl"
    before = path.read_bytes()
    path.unlink()
    assert blog.sync(refresh=refresh).summary["fetched"] == 1
    assert path.read_bytes() == before


def test_refresh_asks_about_the_version_the_manifest_has(blog):
    fill(blog, a_png=DECK[0])
    blog.write("post.md", images("a.png"))
    blog.sync()
    path = blog.root / "manifests" / "images.jsonl"
    old = path.read_bytes()
    fill(blog, a_png=DECK[1])
    blog.sync(refresh=True)
    path.write_bytes(old)  # as after a checkout of an older commit
    assert rules(blog.sync(refresh=True)) == [Rule.SOURCE_CHANGED]


class Encrypted(MemoryStore):
    """As a bucket encrypted with KMS: ETags look like MD5, only HEAD tells that they are none."""

    def list(self, prefix=""):
        for info in super().list(prefix):
            yield replace(info, md5="0" * 32)

    def stat(self, key):
        info = super().stat(key)
        return info and replace(info, md5=None)


def test_an_etag_that_only_looks_like_an_md5_is_no_difference(blog, monkeypatch):
    store = Encrypted("site")
    monkeypatch.setattr("mirror.destinations.DirectoryStore", lambda *_: store)
    fill(blog, a_png=DECK[0])
    blog.write("post.md", images("a.png"))
    blog.sync()
    assert rules(blog.sync()) == []
    result = blog.rewrite()
    assert (rules(result), len(result.changed)) == ([], 1)
    store.delete(Key(blog.asset("a.png")["key"]))
    store.put(Key(blog.asset("a.png")["key"]), bytes(len(DECK[0])))
    blog.revert()
    assert rules(blog.rewrite()) == [Rule.OBJECT_NOT_PROVEN]


def test_a_source_can_be_its_bucket(
    blog: Blog, rclone: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = use(rclone, monkeypatch)
    assert server.folder is not None
    keys = ("a.png", "图 (1).png", "C++.png")
    for seed, key in enumerate(keys):
        server.client().put_object(Bucket=SERVER_BUCKET, Key=f"origin/{key}", Body=picture(seed))
    config = blog.root / "mirror.toml"
    bucket = (
        f's3://{SERVER_BUCKET}/origin"\nendpoint_url = "{server.endpoint_url}"\nregion = "us-east-1'
    )
    config.write_text(config.read_text().replace(blog.host.base_url, bucket))
    blog.write("post.md", "".join(f"![](<BUCKET/{key}>)\n\n" for key in (*keys, "gone.png")))
    result = blog.sync()
    assert [finding.subject.rpartition("/")[2] for finding in result.findings] == ["gone.png"]
    assert sorted(blog.objects().values()) == sorted(map(picture, range(len(keys))))


# --- Turns: runs that may only ask for so many images ---

NAMES = [f"{name}.png" for name in "cadbe"]


@pytest.fixture
def known(blog):
    """Five images that a sync has fetched, in an order of their own."""
    for name, slide in zip(NAMES, slides.deck(5), strict=True):
        blog.host.put(name, slides.encode(slide.draw()))
    blog.write("post.md", "".join(f"![](BUCKET/{name})\n" for name in NAMES))
    blog.sync()
    return blog


def asked(blog, limit, **options):
    """The images that a run asks for, in alphabetical order: they are asked for at once."""
    blog.host.received.clear()
    blog.sync(limit=limit, **options)
    return "".join(sorted(request.key[0] for request in blog.host.received))


def test_a_limited_refresh_goes_round_all_images_in_turn(known):
    rounds = [asked(known, 2, refresh=True) for _ in range(6)]
    assert rounds == ["ac", "bd", "ce", "ad", "be", "ac"]


def test_an_image_that_was_never_asked_for_comes_first(known):
    known.host.put("new.png", slides.encode(slides.deck(6)[5].draw()))
    known.write("more.md", "![](BUCKET/new.png)\n")
    assert asked(known, 1, refresh=True) == "n"
    assert asked(known, 1, refresh=True) == "c"


def test_a_dead_image_does_not_keep_others_from_their_turn(blog):
    blog.host.put("alive.png", slides.encode(slides.deck(1)[0].draw()))
    blog.write("post.md", "![](BUCKET/dead.png)\n![](BUCKET/alive.png)\n")
    rounds = [asked(blog, 1) for _ in range(3)]
    assert rounds == ["d", "a", "d"]


def test_a_failure_forgets_nothing_that_the_host_said(known):
    known.host.remove("c.png")
    assert asked(known, 1, refresh=True) == "c"
    known.host.put("c.png", slides.encode(slides.deck(1)[0].draw()))
    asked(known, 5, refresh=True)
    assert all("if-none-match" in request.headers for request in known.host.received)


def test_whose_turn_it_is_may_be_deleted_and_is_in_no_manifest(known):
    manifests = {path: path.read_bytes() for path in (known.root / "manifests").iterdir()}
    assert asked(known, 2, refresh=True) == "ac"
    shutil.rmtree(known.root / ".mirror")
    assert asked(known, 2, refresh=True) == "ac"
    assert asked(known, 2, refresh=True) == "bd"
    assert {path: path.read_bytes() for path in (known.root / "manifests").iterdir()} == manifests


def test_a_dry_run_takes_no_turn(known):
    planned = [known.sync(dry_run=True, refresh=True, limit=2).planned for _ in range(2)]
    assert planned[0] == planned[1]
    assert asked(known, 2, refresh=True) == "ac"


def test_pictures_that_only_repointed_posts_show_are_asked_for_too(known):
    known.rewrite()
    assert asked(known, None, refresh=True) == "abcde"
    assert asked(known, None) == ""
    assert asked(known, 2, refresh=True) != ""


def test_a_lost_manifest_is_said_by_whoever_needs_it(known):
    known.rewrite()
    for path in (known.root / "manifests").iterdir():
        path.unlink()
    for work in (
        known.revert,
        lambda: restore(known.site, Serial(), known.root / "out", known.progress),
        lambda: repair(
            known.site, Serial(), RepairOptions(dry_run=False, deep=False), known.progress
        ),
    ):
        with pytest.raises(ManifestError, match="there is no manifest"):
            work()
    (finding,) = known.sync().findings
    assert finding.rule is Rule.UNKNOWN_TARGET
    assert "and so do 4 more, but no manifest knows" in finding.message
    assert finding.place == "posts/post.md:1:5"
    with pytest.raises(ManifestError, match="there is no manifest"):
        restore(known.site, Serial(), known.root / "out", known.progress)
    known.host.put("new.png", slides.encode(slides.deck(6)[5].draw()))
    known.write("more.md", "![](BUCKET/new.png)\n")
    for _ in range(2):
        assert [finding.rule for finding in known.sync().findings] == [Rule.UNKNOWN_TARGET]


def test_a_new_repeat_of_a_picture_that_posts_show_from_the_mirror_is_counted(known):
    slide = slides.deck(7)[2].draw()
    known.host.put("first.png", slides.encode(slide))
    known.write("first.md", "![](BUCKET/first.png)\n")
    known.sync()
    known.rewrite()
    known.host.put("again.jpg", slides.encode(slide, "JPEG", quality=80))
    known.write("again.md", "![](BUCKET/again.jpg)\n")
    summary = known.sync().summary
    assert (summary["fetched"], summary["stored"], summary["repeats"]) == (1, 0, 1)

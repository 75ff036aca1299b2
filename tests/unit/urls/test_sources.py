import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.urls.address import Url, canonical, identity, is_canonical
from mirror.urls.sources import Locator, Source

HIDDEN = re.compile(r"hidden-[0-9a-f]{32}")
BUCKET = "https://70data.oss-cn-beijing.aliyuncs.com/"


@pytest.mark.parametrize(
    ("spelling", "address"),
    [
        pytest.param(BUCKET + "note/a.png", BUCKET + "note/a.png", id="as it is"),
        pytest.param("//h.example/a.png", "https://h.example/a.png", id="scheme of the page"),
        pytest.param("HTTPS://H.Example:443/a.png", "https://h.example/a.png", id="case and port"),
        pytest.param("http://h.example:80/a.png", "http://h.example/a.png", id="port of http"),
        pytest.param("https://h.example:8443/a", "https://h.example:8443/a", id="other port"),
        pytest.param("https://h.example", "https://h.example/", id="no path"),
        pytest.param("https://h.example/图.png", "https://h.example/%E5%9B%BE.png", id="raw"),
        pytest.param(
            "https://h.example/%e5%9b%be.png", "https://h.example/%E5%9B%BE.png", id="hex"
        ),
        pytest.param("https://h.example/a%281%29.png", "https://h.example/a(1).png", id="parens"),
        pytest.param("https://h.example/a b.png", "https://h.example/a%20b.png", id="blank"),
        pytest.param(
            "https://h.example/a%2Fb.png", "https://h.example/a%2Fb.png", id="slash stays"
        ),
        pytest.param("https://h.example/a+b.png", "https://h.example/a+b.png", id="plus stays"),
        pytest.param("https://h.example/x/../a.png", "https://h.example/a.png", id="dots"),
        pytest.param(
            "https://h.example/a%2b+%21!%40@.png",
            "https://h.example/a%2B+%21!%40@.png",
            id="what is reserved stays as it is spelled",
        ),
        pytest.param("https://h.example/%2e%2e/a.png", "https://h.example/a.png", id="hidden dots"),
        pytest.param(
            "https://h.example/../../a.png", "https://h.example/a.png", id="above the root"
        ),
        pytest.param(
            "https://h.example//a.png", "https://h.example//a.png", id="double slash stays"
        ),
        pytest.param(
            "https://h.example/a.png#pic_center", "https://h.example/a.png", id="fragment"
        ),
        pytest.param("https://h.example/a.png?v=4", "https://h.example/a.png?v=4", id="query"),
        pytest.param("https://h.example/a.png?", "https://h.example/a.png", id="empty query"),
        pytest.param("https://me:pw@h.example/a.png", "https://h.example/a.png", id="userinfo"),
        pytest.param("https://bücher.example/a", "https://xn--bcher-kva.example/a", id="idna"),
        pytest.param("https://b%C3%BCcher%2eexample/a", "https://xn--bcher-kva.example/a", id="%"),
        pytest.param("https://[::1]:8000/a.png", "https://[::1]:8000/a.png", id="ipv6"),
    ],
)
def test_spellings_of_one_object_have_one_address(spelling, address):
    assert canonical(spelling) == address


@pytest.mark.parametrize(
    "text",
    ["", "a.png", "/a.png", "ftp://h/a.png", "data:image/png;base64,AA==", "https://", "https://h:99999/",
     "https://a%3a80/x", "https://a%2fb/x",
     "https://a b/c.png", "https://[::1/a.png", "javascript:alert(1)", "https:///a.png"],
)  # fmt: skip
def test_what_is_no_web_address_has_none(text):
    assert canonical(text) is None


@pytest.mark.parametrize(
    "query",
    [
        "Expires=1&OSSAccessKeyId=LTAI5tPlantedPlanted&Signature=planted",
        "X-Amz-Credential=AKIAPLANTEDPLANTED00&X-Amz-Signature=planted",
        "q-sign-algorithm=sha1&q-ak=planted&q-signature=planted",
        "e=1451491200&token=planted:planted",
        "sp=r&se=2021&sv=2020-08-04&sig=planted",
    ],
)
def test_a_signature_is_no_part_of_an_address_and_is_never_printed(query):
    url = Url(f"https://u:planted@h.example/a.png?{query}&v=2#f")
    assert canonical(url.raw) == "https://h.example/a.png?v=2"
    for shown in (str(url), repr(url), f"{url}", url.public):
        assert "planted" not in shown.lower()


def test_a_control_or_bidi_character_is_never_printed_raw():
    assert str(Url("https://h/\x1b[2J\u202egnp.exe")) == "https://h/\\x1b[2J\\u202egnp.exe"


@given(st.text(alphabet="aZ/%2e.图 é~+!@()?&=#:\\\u202e\x00", max_size=40))
def test_an_address_is_its_own_address_and_printable_ascii(tail):
    address = canonical("https://h.example/" + tail)
    assert address is not None
    assert canonical(address) == address
    assert address.isascii()
    assert address.isprintable()
    assert " " not in address


@given(
    st.sampled_from(["https://h.example/", "http://h.example", "https://H.example/", "//h/"]),
    st.text(alphabet="aZ09/%2EeF.-_~图+?#", max_size=12),
)
def test_whether_an_address_is_spelled_as_it_should_be_is_known_without_spelling_it(host, tail):
    text = host + tail
    assert is_canonical(text) == (canonical(text) == text)


@pytest.fixture
def locator():
    return Locator([Source("70data", (BUCKET,)), Source("deep", (BUCKET + "deep/",))])


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (BUCKET + "note/a.png", "70data"),
        (BUCKET.replace("https", "http") + "note/a.png", "70data"),
        (BUCKET.removeprefix("https:") + "note/a.png", "70data"),
        (BUCKET + "deep/a.png", "deep"),
        (BUCKET + "deep/../a.png", "70data"),
        ("https://70data.oss-cn-beijing.aliyuncs.com.evil.example/a.png", None),
        ("https://70data.oss-cn-beijing.aliyuncs.com@evil.example/a.png", None),
        ("https://x70data.oss-cn-beijing.aliyuncs.com/a.png", None),
        ("images/a.png", None),
    ],
)
def test_a_url_belongs_to_the_source_with_the_longest_matching_prefix(locator, url, source):
    located = locator.locate(Url(url))
    assert (located and located.source.name) == source


def test_http_and_https_of_one_object_are_recorded_alike(locator):
    plain = locator.locate(Url(BUCKET.replace("https", "http") + "a.png"))
    secure = locator.locate(Url(BUCKET + "a.png"))
    assert plain.address == secure.address == BUCKET + "a.png"
    assert identity("http://h/a") == identity("https://h/a")


def test_a_signature_goes_to_the_host_and_not_to_the_manifest(locator):
    located = locator.locate(Url(BUCKET + "a.png?Expires=1&Signature=s&OSSAccessKeyId=k"))
    assert located.address == BUCKET + "a.png"
    assert located.fetch_url.raw.endswith("?Expires=1&Signature=s&OSSAccessKeyId=k")


def test_two_addresses_of_one_fetch_base_are_asked_for_once():
    locator = Locator(
        [Source("s", (BUCKET, "https://img.example/"), fetch="http://127.0.0.1:9000/b/")]
    )
    one, two = (locator.locate(Url(u)) for u in (BUCKET + "n/a.png", "//img.example/n/a.png"))
    assert one.fetch_url.raw == two.fetch_url.raw == "http://127.0.0.1:9000/b/n/a.png"
    assert one.address != two.address


def test_equal_paths_on_two_hosts_stay_two_objects():
    locator = Locator([Source("s", ("https://a.example/", "https://b.example/"))])
    one, two = (locator.locate(Url(f"https://{h}.example/x.png")) for h in "ab")
    assert one.object_name != two.object_name


def test_a_bucket_key_is_the_decoded_path():
    locator = Locator([Source("s", (BUCKET,), fetch="s3://b/pre/")])
    assert locator.locate(Url(BUCKET + "n/%E5%9B%BE%20(1).png")).bucket_key == "pre/n/图 (1).png"


@pytest.mark.parametrize(
    ("suffix", "plain"),
    [
        ("a.png?x-oss-process=image/resize,w_800", "a.png"),
        ("a.png?v=1&x-oss-process=style/small", "a.png?v=1"),
        ("a.png?imageView2/2/w/800", "a.png"),
        ("a.png?imageMogr2/thumbnail/!50p|imageslim", "a.png"),
        ("a.png?imageslim", "a.png"),
        ("a.jpg!small", "a.jpg"),
        ("a.JPG@!panda_style", "a.JPG"),
    ],
)
def test_a_rendition_knows_its_original(suffix, plain):
    rendition = Locator([Source("s", (BUCKET,))]).locate(Url(BUCKET + suffix))
    assert rendition.address == BUCKET + suffix
    assert rendition.original.address == BUCKET + plain
    original = Locator([Source("s", (BUCKET,), variants="original")]).locate(Url(BUCKET + suffix))
    assert (original.address, original.original) == (BUCKET + plain, None)


@pytest.mark.parametrize(
    "suffix",
    [
        "a.png?x-oss-process=image/watermark,text_x",
        "a.png?x-oss-process=image/resize,m_fill,w_9,h_9",
        "a.png?imageView2/1/w/100/h/100",
        "a.png?imageMogr2/rotate/90",
    ],
)
def test_another_picture_is_kept_even_where_originals_are_asked_for(suffix):
    located = Locator([Source("s", (BUCKET,), variants="original")]).locate(Url(BUCKET + suffix))
    assert located.address == BUCKET + suffix


@pytest.mark.parametrize(
    "suffix", ["a!b.png", "crop/a.png", "a.png?v=1", "!x/a.png", "mail@2x.png"]
)
def test_an_ordinary_name_is_no_rendition(suffix):
    assert Locator([Source("s", (BUCKET,))]).locate(Url(BUCKET + suffix)).original is None


def test_a_rendition_cannot_be_read_from_a_bucket():
    locator = Locator([Source("s", (BUCKET,), fetch="s3://b")])
    located = locator.locate(Url(BUCKET + "a.png?x-oss-process=image/resize,w_8"))
    assert located.bucket_key is None
    assert located.original.bucket_key == "a.png"


def test_a_prefix_that_is_no_url_is_named():
    with pytest.raises(ValueError, match="'70data': match 'note/'"):
        Locator([Source("70data", ("note/",))])


@pytest.mark.parametrize("fetch", [None, "https://inner.example/pre/", "s3://src/pre"])
@pytest.mark.parametrize("match", ["https://img.example.com/", "https://img.example.com"])
def test_a_doubled_slash_is_another_object(match: str, fetch: str | None) -> None:
    locator = Locator([Source("img", (match,), fetch)])
    one, two = (locator.locate(Url(f"https://img.example.com/{name}")) for name in ("a", "/a"))
    assert one
    assert two
    asked = {None: (".com/a", ".com//a"), "s3://src/pre": ("pre/a", "pre//a")}
    expected = asked.get(fetch, ("inner.example/pre/a", "inner.example/pre//a"))
    assert one.object_name.endswith(expected[0])
    assert two.object_name.endswith(expected[1])
    assert one.address != two.address


def test_one_version_of_an_object_is_asked_of_its_host() -> None:
    locator = Locator([Source("img", ("https://img.example.com/",), "s3://src")])
    located = locator.locate(Url("https://img.example.com/a.png?versionId=1"))
    assert located
    assert located.bucket_key is None
    assert located.fetch_url.raw == "https://img.example.com/a.png?versionId=1"


def test_a_fetch_base_is_asked_for_all_that_the_post_says() -> None:
    locator = Locator([Source("img", ("https://img.example.com/",), "http://inner.example/")])
    located = locator.locate(Url("https://img.example.com/p;jsessionid=S/a.png?token=T"))
    assert located
    assert HIDDEN.sub("HIDDEN", located.address) == (
        "https://img.example.com/p;jsessionid=HIDDEN/a.png?token=HIDDEN"
    )
    assert located.fetch_url.raw == "http://inner.example/p;jsessionid=S/a.png?token=T"


@pytest.mark.parametrize("fetch", [None, "http://inner.example/pictures", "s3://bucket/inside"])
def test_a_prefix_ends_where_a_segment_ends(fetch):
    locator = Locator([Source("img", ("https://cdn.example/note",), fetch)])
    assert locator.locate(Url("https://cdn.example/notebook/a.png")) is None
    located = locator.locate(Url("https://cdn.example/note/a.png"))
    assert located is not None
    if fetch is None:
        assert located.fetch_url.raw == "https://cdn.example/note/a.png"
    elif located.bucket_key is None:
        assert located.fetch_url.raw == "http://inner.example/pictures/a.png"
    else:
        assert located.bucket_key == "inside/a.png"
    whole = locator.locate(Url("https://cdn.example/note"))
    assert whole is not None
    assert whole.address == "https://cdn.example/note"


def test_the_scheme_that_a_post_spells_is_asked():
    locator = Locator([Source("img", ("https://cdn.example/",))])
    requests = [
        locator.locate(Url(f"{scheme}//cdn.example/a.png")) for scheme in ("http:", "https:", "")
    ]
    assert [located.fetch_url.raw.partition("/")[0] for located in requests] == [
        "http:",
        "https:",
        "https:",
    ]
    assert len({located.address for located in requests}) == 1

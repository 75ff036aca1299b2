"""Small files as PicGo, PicList and Elog write them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.uploaders import UploaderFileError, UploaderSource, find_sources, usual_paths

SECRETS = ("LTAI4Fsecretsecret12", "shhh-not-for-you", "ghp_abcdefghijklmnopqrstuvwxyz0123456789")


def gallery(*urls: str) -> dict[str, Any]:
    return {
        "gallery": [
            {"fileName": "a.png", "imgUrl": url, "type": "aliyun", "id": str(n), "createdAt": n}
            for n, url in enumerate(urls)
        ],
        "__gallery_KEY__": {str(n): 1 for n in range(len(urls))},
    }


CONFIG = {
    "picBed": {
        "current": "aliyun",
        "uploader": "aliyun",
        "aliyun": {
            "accessKeyId": SECRETS[0],
            "accessKeySecret": SECRETS[1],
            "bucket": "70data",
            "area": "oss-cn-beijing",
            "path": "note/",
            "customUrl": "",
        },
        "github": {"repo": "me/pics", "branch": "main", "token": SECRETS[2], "customUrl": ""},
        "qiniu": {"accessKey": SECRETS[0], "secretKey": SECRETS[1], "url": "img.example.com"},
        "list": [{"type": "aliyun", "name": "阿里云OSS", "visible": True}],
    },
    "settings": {"server": {"port": 36677}},
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            gallery(
                "https://70data.oss-cn-beijing.aliyuncs.com/a.png",
                "https://70data.oss-cn-beijing.aliyuncs.com/b.png",
                "https://i.imgur.com/x.jpg",
            ),
            [
                UploaderSource("70data", "https://70data.oss-cn-beijing.aliyuncs.com/", 2),
                UploaderSource("i", "https://i.imgur.com/", 1),
            ],
            id="a gallery",
        ),
        pytest.param(
            {"uploaded": gallery("https://a.example.com/no-extension")["gallery"]},
            [UploaderSource("a", "https://a.example.com/", 1)],
            id="the gallery of an old PicGo",
        ),
        pytest.param(
            gallery("https://a.example.com/1.png")["gallery"],
            [UploaderSource("a", "https://a.example.com/", 1)],
            id="an exported album",
        ),
        pytest.param(
            CONFIG,
            [
                UploaderSource("aliyun", "https://70data.oss-cn-beijing.aliyuncs.com/", 0),
                UploaderSource("qiniu", "https://img.example.com/", 0),
                UploaderSource("github", "https://raw.githubusercontent.com/me/pics/", 0),
            ],
            id="a configuration",
        ),
        pytest.param(
            {
                "uploader": {
                    "tcyun": {
                        "configList": [
                            {"_configName": "博客", "bucket": "b-125", "area": "ap-guangzhou"},
                            {"_configName": "博客", "customUrl": "https://cos.example.com"},
                        ]
                    },
                    "aws-s3-plist": {"configList": [{"urlPrefix": "https://r2.example.com/blog"}]},
                }
            },
            [
                UploaderSource("博客", "https://b-125.cos.ap-guangzhou.myqcloud.com/", 0),
                UploaderSource("博客-2", "https://cos.example.com/", 0),
                UploaderSource("aws-s3-plist", "https://r2.example.com/", 0),
            ],
            id="several uploaders of a kind",
        ),
        pytest.param(
            CONFIG | {"uploaded": gallery("https://img.example.com/a.png")["gallery"]},
            [
                UploaderSource("qiniu", "https://img.example.com/", 1),
                UploaderSource("aliyun", "https://70data.oss-cn-beijing.aliyuncs.com/", 0),
                UploaderSource("github", "https://raw.githubusercontent.com/me/pics/", 0),
            ],
            id="both in one",
        ),
        pytest.param(
            {
                "docs": [
                    {
                        "doc_id": "x",
                        "properties": {"title": "文", "cover": "https://c.example.com/cover.jpg"},
                        "body": "text ![](https://c.example.com/1.png?x=1) and\n"
                        '<img src="https://d.example.com/2.webp">',
                        "relativePath": "/a.md",
                    }
                ],
                "catalog": [],
            },
            [
                UploaderSource("c", "https://c.example.com/", 2),
                UploaderSource("d", "https://d.example.com/", 1),
            ],
            id="a cache of Elog",
        ),
        pytest.param(
            gallery(
                "https://cdn.jsdelivr.net/gh/me/pics@main/a.png",
                "https://cdn.jsdelivr.net/gh/me/pics@1.0/b.png",
                "https://raw.githubusercontent.com/me/pics/main/a.png",
            ),
            [
                UploaderSource("pics", "https://cdn.jsdelivr.net/gh/me/pics", 2),
                UploaderSource("pics-2", "https://raw.githubusercontent.com/me/pics/", 1),
            ],
            id="hosts that others use too",
        ),
        *(
            pytest.param(
                gallery(f"https://{owner}/a.png"), [UploaderSource(name, match, 1)], id=name
            )
            for owner, name, match in (
                ("gcore.jsdelivr.net/gh/me/g@1", "g", "https://gcore.jsdelivr.net/gh/me/g"),
                ("testingcf.jsdelivr.net/gh/me/t", "t", "https://testingcf.jsdelivr.net/gh/me/t"),
                ("res.cloudinary.com/me/image/upload", "me", "https://res.cloudinary.com/me/"),
            )
        ),
        pytest.param(
            gallery("http://a.example.com/1.png", "https://a.example.com/2.png"),
            [UploaderSource("a", "https://a.example.com/", 2)],
            id="one host over http and https",
        ),
        pytest.param({"docs": [{"properties": {}}]}, [], id="nothing in it"),
    ],
)
def test_what_a_tool_remembers_becomes_sources(value: Any, expected: list[UploaderSource]) -> None:
    data = json.dumps(value).encode()
    assert find_sources(data) == expected
    assert find_sources(data.decode()) == expected
    assert find_sources(gzip.compress(data)) == expected
    assert find_sources(b"\xef\xbb\xbf" + data) == expected


def test_no_secret_is_copied() -> None:
    signed = "https://b.example.com/a.png?OSSAccessKeyId=" + SECRETS[0] + "&Signature=abc"
    inside = f"https://user:{SECRETS[1]}@c.example.com/a.png"
    named = {"uploader": {"aliyun": {"configList": [{"_configName": SECRETS[2], "url": "d.com"}]}}}
    value = CONFIG | gallery(signed, inside) | named
    said = repr(find_sources(json.dumps(value)))
    assert "b.example.com" in said
    assert "c.example.com" in said
    for secret in (*SECRETS, "Signature", "user:"):
        assert secret not in said


def test_a_list_of_urls_will_do() -> None:
    assert find_sources("https://a.example.com/1.png\nhttps://a.example.com/2.png\n") == [
        UploaderSource("a", "https://a.example.com/", 2)
    ]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: b"", id="empty"),
        pytest.param(lambda: b"{", id="cut short"),
        pytest.param(lambda: b"\x1f\x8bdamaged", id="damaged gzip"),
        pytest.param(lambda: b"\x89PNG\r\n", id="something else"),
        pytest.param(lambda: b"[" * 100_000, id="too deep"),
        pytest.param(lambda: gzip.compress(b"[" + b" " * (65 * 2**20)), id="a bomb"),
    ],
)
def test_anything_else_is_said(make: Callable[[], bytes]) -> None:
    data = make()
    with pytest.raises(UploaderFileError, match=r"^(expected a gallery|damaged|unpacks)"):
        find_sources(data)


def test_the_places_are_those_of_three_systems() -> None:
    paths = [str(path) for path in usual_paths(PurePosixPath("/home/me"), PurePosixPath("/site"))]
    assert "/home/me/.config/picgo/picgo.db" in paths
    assert "/home/me/Library/Application Support/piclist/data.json" in paths
    assert "/home/me/AppData/Roaming/picgo/data.json" in paths
    assert paths[-1] == "/site/elog.cache.json"


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("picBed"), inner),
    max_leaves=20,
)


@given(json_values)
def test_any_json_gives_a_list_whose_names_differ(value: Any) -> None:
    sources = find_sources(json.dumps(value))
    assert len({source.name for source in sources}) == len(sources)

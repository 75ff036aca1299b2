"""Keys of a template, and the comparison of an object with the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mirror.config import DestinationSettings
from mirror.destinations import bucket_settings, object_key, open_destination
from mirror.model import Blob, Digest, Key
from mirror.store import S3Settings
from mirror.urls.address import Address
from mirror.urls.sources import Source

PNG = Blob(Digest("0" * 64), "0" * 32, 1, "image/png", 1, 1, None)


@pytest.mark.parametrize("url", ["file:public/images", "file://{root}/public/images"])
def test_a_folder_is_found_beside_the_configuration(tmp_path: Path, url: str) -> None:
    settings = DestinationSettings("copy", url.format(root=tmp_path))
    root = tmp_path if "{" not in url else Path("/nowhere")
    open_destination(settings, root).store.put(Key("a.png"), b"1")
    assert (tmp_path / "public/images/a.png").read_bytes() == b"1"


def test_the_bucket_of_a_source_is_reached_like_that_of_a_destination() -> None:
    reached: dict[str, Any] = {"endpoint_url": "https://s3.example", "region": "r", "profile": "p"}
    source = Source("s", ("https://h.example/",), "s3://b", **reached)
    destination = DestinationSettings("d", "s3://b", **reached)
    assert bucket_settings(source) == bucket_settings(destination) == S3Settings(**reached)


def path_key(path: str) -> str:
    return object_key("{path}", PNG, "s", Address(f"https://h.example/{path}"))


@pytest.mark.parametrize(
    ("path", "key"),
    [
        pytest.param("%E5%9B%BE/a%20b.png", "图/a b.png", id="UTF-8"),
        pytest.param("%D6%D0.png", "%D6%D0.png", id="GBK"),
        pytest.param("100%25.png", "100%.png", id="a percent sign"),
        pytest.param("%25D6%25D0.png", "%25D6%25D0.png", id="an escape that is a name"),
        pytest.param("%E5%9B%BE%D6.png", "图%D6.png", id="both"),
    ],
)
def test_a_path_is_decoded_where_it_is_text(path, key):
    assert path_key(path) == key


def test_names_in_other_encodings_do_not_collide():
    paths = ["%D6%D0.png", "%25D6%25D0.png", "%D6%D1.png", "%FF.png", "%FE.png", "%25FF.png"]
    assert len({path_key(path) for path in paths}) == len(paths)

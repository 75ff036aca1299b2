"""Keys of a template, and the comparison of an object with the manifest."""

from __future__ import annotations

import pytest

from mirror.destinations import object_key
from mirror.model import Blob, Digest
from mirror.urls.address import Address

PNG = Blob(Digest("0" * 64), "0" * 32, 1, "image/png", 1, 1, None)


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

"""The folder `manifests/` of this repository: the schema, and the manifest of the demonstration."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from mirror.demo.blog import BUCKET, lost_url, posts
from mirror.manifest import dumps, loads
from mirror.model import EXTENSIONS
from mirror.urls.address import canonical

FOLDER = Path(__file__).parents[3] / "manifests"
SCHEMA = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))
TEXT = (FOLDER / "images.jsonl").read_text(encoding="utf-8")


def test_the_example_is_what_the_schema_says_and_what_the_program_writes():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for line in TEXT.splitlines():
        validator.validate(json.loads(line))
    assert dumps(loads(TEXT)) == TEXT


def test_the_example_lists_every_image_of_the_demonstration():
    text = b"".join(posts().values()).decode("utf-8", "replace")
    shown = {canonical(url) for url in re.findall(rf"{BUCKET}[^)\s\"']+", text)}
    listed = {url for asset in loads(TEXT).assets.values() for url in asset.sources}
    assert shown - {lost_url()} <= listed


def test_the_schema_knows_every_media_type():
    assert set(SCHEMA["$defs"]["asset"]["properties"]["media_type"]["enum"]) == set(EXTENSIONS)


@pytest.mark.parametrize("change", [{"size": -1}, {"md5": "x"}, {"key": "/a"}, {"extra": 1}])
def test_the_schema_refuses_what_the_program_refuses(change):
    line = json.loads(TEXT.splitlines()[1]) | change
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(line)

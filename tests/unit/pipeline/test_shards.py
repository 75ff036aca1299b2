import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.config import parse_config
from mirror.fetch import Validators
from mirror.model import Blob, Digest, Fingerprint, Rule
from mirror.pipeline.answers import Answer, dumps_answer, loads_answer
from mirror.pipeline.shards import (
    Shard,
    ShardError,
    ShardHeader,
    dumps_shard,
    loads_shard,
    settings_digest,
)
from mirror.urls.address import Address, canonical

BLOB = Blob(Digest("ab" * 32), "cd" * 16, 9, "image/png", 3, 4, Fingerprint(5))
HEADER = ShardHeader("1.0", "ef" * 32, False, Shard(1, 1))

addresses = st.text(min_size=1, max_size=20).map(lambda text: canonical(f"https://x/{text}"))
texts = st.text(max_size=30).filter(lambda text: text.isprintable())
answers = st.builds(
    Answer,
    st.lists(addresses.filter(bool), min_size=1, max_size=3).map(tuple),
    st.sampled_from([None, BLOB]),
    st.builds(Validators, st.none() | texts, st.none() | texts),
    st.none() | texts,
    st.sampled_from([None, Rule.NOT_FETCHED, Rule.TOO_LARGE]),
    texts,
)


@given(answers)
def test_an_answer_is_read_as_it_was_written(answer: Answer) -> None:
    assert loads_answer(dumps_answer(answer)) == answer


@given(st.lists(answers, max_size=4))
def test_a_shard_is_read_as_it_was_written(listed: list[Answer]) -> None:
    text = dumps_shard(HEADER, listed)
    assert text == dumps_shard(HEADER, listed[::-1])
    header, read = loads_shard(text)
    assert header == HEADER
    assert sorted(map(dumps_answer, read)) == sorted(map(dumps_answer, listed))


@given(st.lists(answers, max_size=3), st.data())
def test_no_part_of_a_shard_and_no_changed_byte_is_read(
    listed: list[Answer], data: st.DataObject
) -> None:
    text = dumps_shard(HEADER, listed)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(exclude_categories=["Cs"]).filter(lambda c: c != text[at]))
    for spoilt in (text[:at], text[:at] + other + text[at + 1 :], text + text[at:]):
        with pytest.raises(ShardError):
            loads_shard(spoilt)


@given(st.integers(1, 300), st.integers(1, 256))
def test_the_shares_of_a_limit_add_up_to_it(count: int, limit: int) -> None:
    shares = [Shard(number, count).share(limit) for number in range(1, count + 1)]
    assert min(shares) >= 1
    assert sum(shares) == max(limit, count)
    assert max(shares) - min(shares) <= 1


@given(st.lists(addresses.filter(bool), min_size=1, max_size=5), st.integers(1, 50))
def test_a_request_belongs_to_one_part_whatever_the_order_of_its_addresses(
    urls: list[Address], count: int
) -> None:
    parts = [Shard(number, count) for number in range(1, count + 1)]
    owners = [part for part in parts if part.covers(urls)]
    assert len(owners) == 1
    assert [part for part in parts if part.covers(urls[::-1])] == owners


def test_parts_are_of_like_size() -> None:
    urls = [Address(f"https://x.example/{number}.png") for number in range(10_000)]
    for number in (1, 2, 3):
        part = Shard(number, 3)
        assert abs(sum(part.covers([url]) for url in urls) - 3333) < 250


CONFIG = {
    "source": [{"name": "a", "match": ["https://x/"], "headers": {"Referer": "https://y"}}],
    "destination": [{"url": "file:images", "public_url": "/images"}],
    "ignore": [{"url": "https://x/a.png"}],
}


def test_the_digest_of_the_settings_is_that_of_the_same_site_elsewhere() -> None:
    here = settings_digest(parse_config(CONFIG, Path("/home/a/site")))
    assert here == settings_digest(parse_config(CONFIG, Path("/srv/site")))
    assert len(here) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"posts": {"paths": ["content"]}},
        {"archive": {"path": "originals"}},
        {"archive": {"path": "/srv/originals"}},
        {"dedupe": {"mode": "exact"}},
        {"fetch": {"max_bytes": "1MB"}},
        {"ignore": []},
        {"source": [{"name": "a", "match": ["https://x/"], "headers": {"Referer": "https://z"}}]},
        {"destination": [{"url": "file:images", "public_url": "/img"}]},
    ],
)
def test_each_setting_counts(change: dict[str, object]) -> None:
    root = Path("/home/a/site")
    before = settings_digest(parse_config(CONFIG, root))
    assert before != settings_digest(parse_config(CONFIG | change, root))


@pytest.mark.parametrize("name", ["advice", "rule", "etag"])
@pytest.mark.parametrize("value", ["x" * 10_000, ["x"] * 10_000])
def test_a_long_value_of_an_answer_is_quoted_in_part(name: str, value: object) -> None:
    if name == "etag" and isinstance(value, str):
        value = {"x": value}
    with pytest.raises(ValueError, match=name) as caught:
        loads_answer(json.dumps({"addresses": ["https://h.example/a.png"], name: value}))
    assert len(str(caught.value)) < 200

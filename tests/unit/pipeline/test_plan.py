"""The plan of a sync: what is asked for, and what is known."""

from __future__ import annotations

from dataclasses import replace

from mirror.fetch import Validators
from mirror.model import Blob, Digest, Place
from mirror.pipeline.plan import Inventory, plan
from mirror.pipeline.post_images import PostImage
from mirror.urls.address import Address, Url, identity
from mirror.urls.sources import Locator, Source

HOST = "https://h.example/"
LOCATOR = Locator([Source("h", (HOST,))])
EMPTY = Inventory({}, {}, (), {}, frozenset())
BLOB = Blob(Digest("0" * 64), "0" * 32, 1, "image/png", 1, 1, None)


def image(name: str) -> PostImage:
    located = LOCATOR.locate(Url(HOST + name))
    assert located is not None
    return PostImage(located, (Place("a.md", 1, 1),))


def names(addresses) -> list[str]:
    return [address.removeprefix(HOST) for address in addresses]


def test_what_is_unknown_is_asked_for_in_the_order_of_the_posts():
    todo = plan([image("b.png"), image("a.png")], EMPTY, (), refresh=False)
    assert names(todo.addresses) == ["b.png", "a.png"]
    assert (todo.counts["urls"], todo.counts["reused"]) == (2, 0)


def test_what_is_known_is_asked_for_on_refresh_only():
    known = replace(EMPTY, blobs={identity(Address(HOST + "a.png")): BLOB})
    todo = plan([image("a.png")], known, (), refresh=False)
    assert (list(todo.requests), todo.counts["reused"]) == ([], 1)
    assert list(todo.known) == []  # it is recorded already
    assert names(plan([image("a.png")], known, (), refresh=True).addresses) == ["a.png"]


def test_an_object_that_is_known_under_another_address_is_recorded_under_this_one_too():
    known = replace(EMPTY, by_object={image("a.png").located.object_name: BLOB})
    todo = plan([image("a.png")], known, (), refresh=False)
    assert (list(todo.requests), todo.counts["reused"]) == ([], 1)
    assert list(todo.known) == [(HOST + "a.png", BLOB)]


def test_what_is_ignored_is_counted_and_not_asked_for():
    todo = plan([image("a.png")], EMPTY, [Address(HOST + "a.png")], refresh=True)
    assert (list(todo.requests), todo.counts["ignored"]) == ([], 1)


def test_a_limit_takes_first_what_was_never_asked_for_then_the_longest_ago():
    turns = [Address(HOST + name) for name in ("c.png", "a.png")]
    images = [image("a.png"), image("b.png"), image("c.png")]
    todo = plan(images, EMPTY, (), refresh=False).limited(2, turns, ())
    assert names(todo.addresses) == ["b.png", "c.png"]
    assert todo.counts == {"urls": 3, "reused": 0, "ignored": 0, "postponed": 1}
    assert todo.counts["postponed"] == 1


def test_validators_of_other_bytes_are_not_used():
    address = Address(HOST + "a.png")
    inventory = replace(EMPTY, validators={address: ("f" * 64, Validators('"etag"'))})
    assert inventory.validators_of(address, BLOB) is None
    assert inventory.validators_of(address, replace(BLOB, digest=Digest("f" * 64))) is not None
    assert inventory.validators_of(address, None) is None


def test_what_a_shard_has_answered_counts_against_no_limit():
    every = plan([image("a.png"), image("b.png")], EMPTY, (), refresh=False)
    todo = every.limited(0, (), every.requests[1:])
    assert (names(todo.addresses), todo.counts["postponed"]) == (["b.png"], 1)


def test_a_part_of_the_requests_postpones_none():
    every = plan([image("a.png"), image("b.png")], EMPTY, (), refresh=False)
    todo = every.covered_by(lambda addresses: names(addresses) == ["b.png"])
    assert (names(todo.addresses), todo.counts["postponed"]) == (["b.png"], 0)

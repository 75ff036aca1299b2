"""The lists of a bag."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.archive.bag import (
    DECLARATION,
    INFO,
    LISTS,
    MANIFEST,
    TAG_MANIFEST,
    Bag,
    Entry,
    dumps,
    find_lack,
    loads,
)

names = st.text(st.characters(blacklist_categories=["Cc", "Cs"]), max_size=3)
batches = st.lists(st.lists(names.map(lambda name: f"data/{name}"), max_size=8), max_size=5)


def entry(name: str) -> Entry:
    return Entry(name, sha256(name.encode()).hexdigest(), len(name))


@given(batches=batches)
def test_files_that_are_added_by_and_by_give_the_lists_of_all_of_them(
    batches: list[list[str]],
) -> None:
    bag = Bag()
    for batch in batches:
        bag = bag.with_entries(map(entry, batch))
    every = sorted({name for batch in batches for name in batch}, key=str.encode)
    expected = "".join(f"{entry(name).digest}  {name}\n" for name in every)
    assert bag.lines.decode() == expected
    assert (bag.size, bag.count) == (sum(map(len, every)), len(every))
    assert bag == Bag().with_entries(map(entry, every))


@given(batch=st.lists(names.map(lambda name: f"data/{name}"), max_size=8))
def test_a_bag_is_read_back_from_its_lists(batch: list[str]) -> None:
    bag = Bag().with_entries(map(entry, batch))
    assert loads(dumps(bag)) == bag


@pytest.mark.parametrize("key", list(dumps(Bag())))
@pytest.mark.parametrize("change", ["missing", "longer", "cut"])
def test_lists_that_contradict_each_other_are_no_bag(key: str, change: str) -> None:
    lists = dumps(Bag().with_entries(map(entry, ["data/a", "data/b"])))
    if change == "missing":
        del lists[key]
    else:
        lists[key] = lists[key] + b"x\n" if change == "longer" else lists[key][:-1]
    assert loads(lists) is None


def test_a_number_that_fits_no_list_is_no_bag() -> None:
    lists = dumps(Bag().with_entries([entry("data/a")]))
    lists[INFO] = b"Payload-Oxum: 6.2\n"
    tags = [name for name in lists if name != TAG_MANIFEST]
    checksums = (f"{sha256(lists[name]).hexdigest()}  {name}\n" for name in tags)
    lists[TAG_MANIFEST] = "".join(checksums).encode()
    assert loads(lists) is None
    assert lists[MANIFEST].count(b"\n") == 1


def original(number: int) -> Entry:
    digest = sha256(b"%d" % number).hexdigest()
    return Entry(f"data/{digest[:2]}/{digest}.png", digest, 9)


ORIGINALS = [original(number) for number in range(3)]
NAMES = [entry.name for entry in ORIGINALS]


def test_lists_that_name_every_original_lack_nothing() -> None:
    lists = dumps(Bag().with_entries(ORIGINALS))
    assert find_lack(lists, NAMES) is None
    assert find_lack(lists, NAMES[:1]) is None


def test_lists_of_another_program_lack_nothing_if_they_agree() -> None:
    lists = dumps(Bag().with_entries(reversed(ORIGINALS)))
    lists[INFO] += b"Bagging-Date: 2026-11-28\n"
    tags = [name for name in lists if name != TAG_MANIFEST]
    checksums = (f"{sha256(lists[name]).hexdigest()}  {name}\n" for name in reversed(tags))
    lists[TAG_MANIFEST] = "".join(checksums).encode()
    assert find_lack(lists, NAMES) is None


@pytest.mark.parametrize("key", [DECLARATION, MANIFEST, TAG_MANIFEST])
def test_a_list_that_is_missing_is_named(key: str) -> None:
    lists = dumps(Bag().with_entries(ORIGINALS))
    del lists[key]
    assert find_lack(lists, NAMES) == f"{key} is missing"


@pytest.mark.parametrize("key", [DECLARATION, INFO, MANIFEST])
def test_a_list_that_was_changed_is_named(key: str) -> None:
    lists = dumps(Bag().with_entries(ORIGINALS))
    lists[key] += b"x\n"
    assert find_lack(lists, NAMES) == f"{key} has another SHA-256 than {TAG_MANIFEST} says"


def test_originals_that_no_list_names_are_counted() -> None:
    lists = dumps(Bag().with_entries(ORIGINALS[:1]))
    assert find_lack(lists, NAMES) == f"{MANIFEST} lacks 2 originals"


def test_the_lists_are_those_that_a_bag_is_written_as() -> None:
    assert tuple(dumps(Bag())) == LISTS

"""The address that each original came from, as the archive saw it."""

from __future__ import annotations

from mirror.archive.sources import SourceRecord
from mirror.model import Digest
from mirror.urls.address import Address, canonical

A, B, C = (Digest(digit * 64) for digit in "abc")
FIRST, SECOND = Address("https://host.example/1.png"), Address("https://host.example/2.png")


def record(*lines: tuple[Address, Digest]) -> SourceRecord:
    return SourceRecord.loads("".join(f"{d.hex}  {a}\n" for a, d in lines).encode())


def test_what_an_address_gave_last_is_known_and_another_picture_contradicts() -> None:
    sources = record((FIRST, A), (SECOND, C), (FIRST, B))
    assert sources.is_known(FIRST, B)
    assert not sources.contradicts(FIRST, B)
    assert not sources.is_known(FIRST, A)
    assert sources.contradicts(FIRST, A)


def test_a_known_picture_under_an_address_that_never_gave_it_contradicts() -> None:
    sources = record((FIRST, A))
    assert sources.contradicts(SECOND, A)
    assert not sources.is_known(SECOND, A)


def test_an_archive_that_saw_neither_knows_nothing() -> None:
    sources = record((FIRST, A))
    assert not sources.contradicts(SECOND, B)
    assert not sources.is_known(SECOND, B)


def test_the_scheme_makes_no_other_address() -> None:
    sources = record((FIRST, A))
    assert sources.is_known(Address("http://host.example/1.png"), A)
    assert sources.contradicts(Address("http://host.example/1.png"), B)


def test_a_line_that_is_none_is_passed_over() -> None:
    data = b"\xff\xfe\nabc  https://host.example/1.png\n" + f"{A.hex}  {FIRST}\n".encode()
    torn = f"{B.hex}  {FIRST}".encode()  # a run was killed while it wrote
    sources = SourceRecord.loads(data + torn)
    assert sources.is_known(FIRST, A)


def test_a_line_from_before_a_secret_was_known_counts_for_the_address_that_hides_it() -> None:
    url = "https://host.example/1.png?x-sign=planted"
    sources = record((Address(url), A))
    address = canonical(url)
    assert address is not None
    assert sources.is_known(address, A)
    assert sources.contradicts(address, B)

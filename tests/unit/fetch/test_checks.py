"""Checks of a body, without a network."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fetching import PNG

from mirror.fetch import FetchError, Validators
from mirror.fetch.checks import Declaration
from mirror.host import ImageHost, Request


def test_a_body_of_another_length_is_a_mismatch() -> None:
    with pytest.raises(FetchError, match="5 bytes, found 4 bytes"):
        Declaration.parse({"content-length": "5"}).check(b"four")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"etag": '"' + "a" * 32 + '-3"'}, id="uploaded in parts"),
        pytest.param({"etag": 'W/"' + "a" * 32 + '"'}, id="weak"),
        pytest.param({"etag": '"5f3a-1a2b3c"'}, id="another make"),
        pytest.param({"etag": "a" * 32, "x-oss-object-type": "Appendable"}, id="appended object"),
        pytest.param(
            {"etag": "a" * 32, "x-amz-server-side-encryption": "aws:kms"}, id="KMS encryption"
        ),
        pytest.param(
            {"etag": "a" * 32, "x-amz-server-side-encryption-customer-algorithm": "AES256"},
            id="customer key",
        ),
    ],
)
def test_an_etag_that_is_no_md5_promises_nothing(headers: dict[str, str]) -> None:
    Declaration.parse(headers).check(b"anything")


@pytest.mark.parametrize(
    "headers",
    [
        {"etag": "a" * 32},
        {"x-oss-hash-crc64ecma": "1"},
        {"content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="},
    ],
)
def test_a_checksum_of_a_picture_is_processed_promises_nothing(headers) -> None:
    Declaration.parse(headers, is_processed=True).check(b"anything")
    with pytest.raises(FetchError):
        Declaration.parse(headers).check(b"anything")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_a_body_agrees_with_its_own_checksums_and_no_other(data: bytes, other: bytes) -> None:
    with ImageHost({"a": data}) as host:
        headers = host.answer(Request("GET", "/a", {})).headers
    declared = Declaration.parse({name.lower(): text for name, text in headers.items()})
    declared.check(data)
    if other != data:
        with pytest.raises(FetchError):
            declared.check(other)


@pytest.mark.parametrize("name", ["content-length", "x-oss-hash-crc64ecma"])
@pytest.mark.parametrize("text", ["", "-1", "1.5", "²", "9" * 5000, "5, 5"])
def test_a_number_that_is_none_declares_nothing(name: str, text: str) -> None:
    Declaration.parse({name: text}).check(b"anything")


def test_validators_make_a_conditional_request() -> None:
    assert Validators('"a"', "date").as_headers() == {
        "if-none-match": '"a"',
        "if-modified-since": "date",
    }
    assert Validators().as_headers() == {}


@pytest.mark.parametrize(
    "label", ["aws-chunked", "utf-8", "none", "", "binary,identity", "AWS-Chunked, gzip"]
)
def test_a_coding_that_is_only_a_label_is_passed_by(label: str) -> None:
    data = zlib.compress(PNG, wbits=31) if "gzip" in label else PNG
    assert Declaration.parse({"content-encoding": label}).decoded(data, 2**20) == PNG


@pytest.mark.parametrize("label", ["br", "gzip, br", "zstd", "gzip, gzip"])
def test_a_coding_nobody_can_undo_here_is_named(label: str) -> None:
    with pytest.raises(FetchError, match=f"Content-Encoding '{label}'"):
        Declaration.parse({"content-encoding": label}).decoded(PNG, 2**20)


def test_a_content_md5_in_hexadecimal_is_read_too() -> None:
    digest = hashlib.md5(PNG, usedforsecurity=False).hexdigest()
    Declaration.parse({"content-md5": digest.upper()}).check(PNG)
    with pytest.raises(FetchError, match="Content-MD5"):
        Declaration.parse({"content-md5": digest}).check(PNG[:-1])

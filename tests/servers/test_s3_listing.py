"""Pages of real servers are read in the fast way."""

from __future__ import annotations

import pytest
from conftest import use
from support.servers import Servers

from mirror.model import Key
from mirror.store.listing import read_fast


@pytest.mark.parametrize("name", ["rclone", "moto"])
def test_what_servers_write_is_read_in_the_fast_way(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    store = use(servers[name], monkeypatch).store()
    for key in ("a.png", "图/片 &.png"):
        store.put(Key(key), key.encode())
    page = store.list_page("")
    assert len(read_fast(page.text)) == 2
    assert [(key, size) for key, size, _ in page.objects()] == [
        (store.connection.prefix + key, len(key.encode())) for key in ("a.png", "图/片 &.png")
    ]

"""Where pictures lie that a site publishes, and how its pages name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mirror.generators import PublicFolder, find_generators, public_folder
from mirror.generators.public import published_below

KIT = 'import { sveltekit } from "@sveltejs/kit/vite";\n'
PLAIN = 'import { svelte } from "@sveltejs/vite-plugin-svelte";\n'


@pytest.mark.parametrize(
    ("site", "generator", "folder"),
    [
        pytest.param(
            {"svelte.config.js": "const config = { kit: { } };", "vite.config.ts": KIT},
            "SvelteKit",
            "static/mirror",
            id="SvelteKit with a file for Svelte",
        ),
        pytest.param({"vite.config.ts": KIT}, "SvelteKit", "static/mirror", id="SvelteKit"),
        pytest.param(
            {"svelte.config.js": "export default {}\n", "vite.config.js": PLAIN},
            "Vite",
            "public/mirror",
            id="Svelte without the kit",
        ),
    ],
)
def test_files_of_one_name_are_told_apart_by_what_they_hold(
    site: Mapping[str, str], generator: str, folder: str, tmp_path: Path
) -> None:
    for name, text in site.items():
        (tmp_path / name).write_text(text)
    public = public_folder(next(iter(find_generators(tmp_path))), tmp_path)
    assert (public.generator, public.folder, public.public_url) == (generator, folder, "/mirror")


@pytest.mark.parametrize(
    ("address", "public_url"),
    [
        ("", "/mirror"),
        ("/", "/mirror"),
        ("https://example.org/", "/mirror"),
        ("https://example.org/blog/", "https://example.org/blog/mirror"),
        ("https://example.org/a/b", "https://example.org/a/b/mirror"),
        ("//example.org/blog/", "https://example.org/blog/mirror"),
        ("/blog/", "/blog/mirror"),
    ],
)
def test_a_site_below_a_path_gets_the_whole_address(address: str, public_url: str) -> None:
    public = published_below(
        PublicFolder("Hugo", "static/mirror", "/mirror"), address, adds_base=False
    )
    assert public.public_url == public_url
    prefixing = published_below(
        PublicFolder("VitePress", "public/mirror", "/mirror"), "/blog/", adds_base=True
    )
    assert prefixing.public_url == "/mirror"
    assert "verify --site" in prefixing.remark

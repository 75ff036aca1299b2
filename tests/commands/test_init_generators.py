"""What `init` makes of sites as their generators' own templates lay them out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from mirror.cli.init import _matches
from mirror.pipeline.init import PostHost, PublicFolder, configuration, find_public_folder, propose

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
    found = find_public_folder(partial(_matches, tmp_path))
    assert (found.generator, found.folder, found.public_url) == (generator, folder, "/mirror")


def test_a_site_below_a_path_is_told_to_name_the_whole_address() -> None:
    # With `/blog` in front the images of VitePress and Docusaurus are not found when the site is
    # built, and Hexo puts it there twice; without it those of Hugo lead nowhere.
    text = configuration(
        propose([PostHost("i.example", 1)]), ["."], PublicFolder("", "s", "/mirror")
    )
    assert "# If the site itself lives below a path, name the whole address" in text
    assert "https://example.com/blog/mirror\n" in text
    assert ": /blog" not in text

"""Where pictures lie that a site publishes, and how its pages name them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from mirror.generators import PublicFolder, find_generators, public_folder
from mirror.generators.public import published_below

KIT = 'import { sveltekit } from "@sveltejs/kit/vite";\n'
PLAIN = 'import { svelte } from "@sveltejs/vite-plugin-svelte";\n'


def public_of(site: Mapping[str, str], root: Path) -> PublicFolder:
    """Write the files of a site; return the folder for its images."""
    for name, text in site.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return public_folder(next(iter(find_generators(root))), root)


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
    public = public_of(site, tmp_path)
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


PELICAN = "PATH = 'content'\nSTATIC_PATHS = {}\n"


@pytest.mark.parametrize(
    ("site", "folder", "public_url"),
    [
        pytest.param(
            {"pelicanconf.py": PELICAN.format(["extra/CNAME", "extra"]), "content/extra/CNAME": ""},
            "content/extra/mirror",
            "/extra/mirror",
            id="Pelican",
        ),
        pytest.param(
            {"pelicanconf.py": PELICAN.format(["images", "extra"]), "content/extra/CNAME": ""},
            "content/images/mirror",
            "/images/mirror",
            id="the usual folder among others",
        ),
        pytest.param(
            {"hugo.toml": 'staticDir = ["assets/../files", "b"]\n', "files/a": "", "b/a": ""},
            "files/mirror",
            "/mirror",
            id="Hugo",
        ),
        pytest.param(
            {"astro.config.mjs": "export default { publicDir: './files' }\n", "files/a": ""},
            "files/mirror",
            "/mirror",
            id="Astro",
        ),
        pytest.param(
            {"conf.py": "project = 'x'\nhtml_static_path = ['_static']\n", "_static/a": ""},
            "_static/mirror",
            "/_static/mirror",
            id="Sphinx",
        ),
        pytest.param(
            {"hugo.yaml": "staticDir:\n- files\n- b\n", "files/a": ""},
            "files/mirror",
            "/mirror",
            id="Hugo in YAML",
        ),
        pytest.param(
            {"docusaurus.config.ts": "x = { staticDirectories: ['gone', 'b'] }", "b/a": ""},
            "b/mirror",
            "/mirror",
            id="Docusaurus",
        ),
        pytest.param(
            {
                ".vitepress/config.mts": "define({ srcDir: 's', vite: { publicDir: 'p' } })",
                "s/p/a": "",
            },
            "s/p/mirror",
            "/mirror",
            id="VitePress",
        ),
        pytest.param(
            {"hugo.yaml": "staticDir: ../files\n", "hugo.toml": ""},
            "static/mirror",
            "/mirror",
            id="a folder outside of the site",
        ),
    ],
)
def test_the_folder_is_one_that_the_configuration_publishes(
    site: Mapping[str, str], folder: str, public_url: str, tmp_path: Path
) -> None:
    public = public_of(site, tmp_path)
    assert (public.folder, public.public_url) == (folder, public_url)


def test_a_folder_that_the_configuration_does_not_publish_gets_a_remark(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    public = public_of({"pelicanconf.py": PELICAN.format(["robots.txt"])}, tmp_path)
    assert public.folder == "content/images/mirror"
    assert public.remark == "Pelican publishes it once `STATIC_PATHS` names it"


def test_computed_settings_are_to_be_checked(tmp_path: Path) -> None:
    config = "export default { srcDir: resolve('a'), base: process.env.BASE || '/' }"
    public = public_of({".vitepress/config.ts": config}, tmp_path)
    assert public.remark == (
        "CHECK `public_url`, `url` and `paths`: the configuration of VitePress computes `base` and "
        "`srcDir`"
    )
    config = "define({ pathPrefix: env.PREFIX })"
    public = public_of({"eleventy.config.js": config}, tmp_path / "b")
    assert "computes `pathPrefix`; Eleventy copies it once" in public.remark


def test_sphinx_is_known_where_it_publishes_no_folder(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/conf.py").write_text("project = 'x'\n")
    public = public_folder(next(iter(find_generators(tmp_path))), tmp_path)
    assert (public.generator, public.folder) == ("Sphinx", "source/assets/mirror")
    assert "html_static_path" in public.remark

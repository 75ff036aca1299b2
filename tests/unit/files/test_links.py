"""Links that a repository brings along lead no output out of it; links of the user do."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.files import escaping_link, repository_of


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("repository/.git/hooks", "repository/site/real", "outside"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "repository"


@pytest.mark.parametrize(
    ("link", "target", "path"),
    [
        pytest.param("site/archive", "../../outside", "site/archive", id="the folder itself"),
        pytest.param("site/a", "../../outside", "site/a/b/new", id="a folder above it"),
        pytest.param("up", "../outside", "site/../up/archive", id="above the site"),
        pytest.param("site/a", "../.git/hooks", "site/a", id="into git"),
        pytest.param("site/a", "/nowhere/at/all", "site/a", id="to nothing yet"),
        pytest.param("site/out.html", "../../outside/x", "site/out.html", id="a file"),
        pytest.param("site/a", "real/b", "site/a", id="a chain"),
    ],
)
def test_a_link_of_the_repository_that_leads_out_is_found(
    repository: Path, link: str, target: str, path: str
) -> None:
    (repository / link).symlink_to(target)
    (repository / "site/real/b").symlink_to(repository.parent / "outside")
    found = escaping_link(repository / path, repository / "site")
    assert found is not None
    assert found.resolve() == (repository / link).resolve()


def test_a_link_that_stays_inside_is_none_of_these(repository: Path) -> None:
    (repository / "site/images").symlink_to("real")
    assert escaping_link(repository / "site/images/new", repository / "site") is None


def test_a_link_outside_of_the_repository_is_the_word_of_the_user(repository: Path) -> None:
    data, home = repository.parent / "data", repository.parent / "home"
    data.symlink_to("outside")
    home.symlink_to("repository")
    assert escaping_link(data / "archive", repository / "site") is None
    assert escaping_link(home / "site/archive", home / "site") is None
    (repository / "site/archive").symlink_to(data)
    assert escaping_link(home / "site/archive", home / "site") == home / "site/archive"


def test_a_folder_without_a_repository_counts_for_itself(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/archive").symlink_to(tmp_path)
    assert repository_of(tmp_path / "site") == tmp_path / "site"
    assert escaping_link(tmp_path / "site/archive", tmp_path / "site") is not None

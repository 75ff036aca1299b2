"""Fixtures that more than one test module uses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from support.servers import Server, Servers
from support.sites import Blog

from mirror.host import ImageHost

# A busy machine is no failure. The same examples at every run: a red check names the change that
# made it red. New ones are tried by `pytest --hypothesis-profile=search`.
settings.register_profile("mirror", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("mirror")


_NOT_OURS = (
    "AWS_",
    "CI",
    "CODEBUILD_",
    "GITHUB_",
    "GO_PIPELINE_",
    "HARNESS_",
    "JENKINS_",
    "MIRROR_",
    "RENDER",
    "TASKCLUSTER_",
    "TEAMCITY_",
    "TF_BUILD",
    "bamboo_",
)


def pytest_configure() -> None:
    """Keep the settings and credentials of whoever runs the tests out of them.

    Servers and workers of a whole session are started with what stands here, so no fixture of
    a single test could do it. Some services of CI set `CI` for all they run, some do not.
    """
    kept = "MIRROR_TEST_"
    for name in list(os.environ):
        if name.startswith(_NOT_OURS) and not name.startswith(kept):
            del os.environ[name]
    # Hundreds of processes would compile the program anew, and every worker the tests.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def pytest_xdist_auto_num_workers() -> int:
    """Return one worker more than there are cores: tests wait for servers and other processes."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """S3 servers by name, each started when a test first asks for it."""
    with ExitStack() as stack:
        yield Servers(tmp_path_factory.mktemp("servers"), stack)


@pytest.fixture(params=Servers.NAMES)
def server(
    request: pytest.FixtureRequest, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> Server:
    """Each server in turn, its credentials in the environment."""
    return use(servers[request.param], monkeypatch)


@pytest.fixture
def rclone(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server whose objects are plain files."""
    return use(servers["rclone"], monkeypatch)


def use(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Let boto find what the server's user would have in the environment."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server


@pytest.fixture
def blog(tmp_path: Path) -> Iterator[Blog]:
    """An empty blog, configured with a directory as destination, and its image host."""
    with ImageHost({}) as host:
        blog = Blog(tmp_path, host)
        blog.configure()
        yield blog


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, driven over its DevTools protocol."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine; Debian has it as `chromium`")
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=browser, args=sandbox)
        yield running
        running.close()

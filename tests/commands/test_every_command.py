"""The commands from outside: exit codes, what is printed where, and how a run is ended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import invariants
from support.faults import MIRROR, PICTURES, PUBLIC, Blog, HoldingHost, ProcessResult, blog, crashed
from support.servers import BUCKET, Server

NEED_A_CONFIG = ("sync", "rewrite", "verify", "dupes", "report")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Blog]:
    with blog(tmp_path_factory.mktemp("cli"), pictures=6, posts=2) as site:
        yield site


@pytest.fixture
def site(made: Blog) -> Blog:
    """A site before its first run."""
    made.forget()
    made.configure()
    for path in (made.root / "posts").iterdir():
        if f"posts/{path.name}" not in made.posts:
            path.unlink()
    return made


def ends(ended: ProcessResult, code: int, *words: str) -> None:
    """One way to end: with this code, these words on stderr or stdout, and no traceback."""
    assert ended.code == code, ended.text
    assert not crashed(ended), ended.text
    for word in words:
        assert word in ended.text, ended.text


# --- What is wrong before a run begins ------------------------------------------------------------


@pytest.mark.parametrize("command", NEED_A_CONFIG)
def test_without_a_configuration_it_says_how_to_get_one(
    site: Blog, tmp_path: Path, command: str
) -> None:
    (tmp_path / ".git").mkdir()
    done = subprocess.run([MIRROR, command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "mirror init" in done.stderr
    assert "Traceback" not in done.stderr
    ends(site.run(command, "--config", "missing.toml"), 2, "missing.toml")


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        pytest.param("[posts]\npath = []\n", "'paths'", id="unknown key"),
        pytest.param("[posts\n", "line 1", id="no TOML"),
        pytest.param("[[source]]\nname = 'a'\n", "match", id="missing key"),
        pytest.param("a = " + "[" * 100_000, "TOML", id="deep"),
        pytest.param("version = " + "9" * 5000, "TOML", id="long number"),
        pytest.param('[fetch]\nmax_bytes = "' + "9" * 400 + '"', "max_bytes", id="huge size"),
        pytest.param('[archive]\npath = "a\\u0000b"\n', "control", id="NUL in a path"),
        pytest.param('[[destination]]\nurl = "s3://b/../c"\n', "`..`", id="prefix with dots"),
        pytest.param('[[destination]]\nurl = "s3://b"\naccess_key = "x"\n', "secret", id="secret"),
    ],
)
def test_a_wrong_configuration_is_named(site: Blog, toml: str, words: str) -> None:
    if "[[destination]]" in toml:
        toml += f'[[source]]\nname = "a"\nmatch = ["{PICTURES}"]\n'
    (site.root / "mirror.toml").write_text(toml)
    for command in ("sync", "verify"):
        ends(site.run(command), 2, "mirror.toml" if "dest" not in toml else "destination", words)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        pytest.param(["scan", "missing"], "missing: no such file", id="no such folder"),
        pytest.param(["sync", "missing"], "missing: no such file", id="sync of no folder"),
        pytest.param(["sync", "--limit", "-1"], "--limit", id="limit"),
        pytest.param(["sync", "--nonsense"], "--nonsense", id="option"),
        pytest.param(["nonsense"], "nonsense", id="command"),
        pytest.param(["verify", "--sample", "0/0"], "--sample", id="sample"),
        pytest.param(["verify", "--format", "x"], "--format", id="format"),
        pytest.param(["verify", "-o", "missing/report"], "missing/report", id="output"),
        pytest.param(["rewrite", "--map", "missing.json"], "missing.json", id="map"),
        pytest.param(["rewrite", "--map", "mirror.toml"], "mirror.toml", id="map of no JSON"),
        pytest.param(["rewrite", "--map", "x", "--revert"], "--map", id="map and revert"),
    ],
)
def test_bad_usage_is_named(site: Blog, args: list[str], words: str) -> None:
    if "-o" in args:
        assert site.run("sync").code == 0
    ends(site.run(*args), 2, words)


@pytest.mark.parametrize("command", [["verify", "--format", "json"], ["report"]])
def test_an_output_that_is_no_file_gets_the_bytes_and_stays(site: Blog, command: list[str]) -> None:
    assert site.run("sync").code == 0
    pipe = site.root / "pipe"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        ended = site.run(*command, "--quiet", "--output", "pipe")
        assert ended.code == 0, ended.text
        assert reader.stdout is not None
        received = reader.stdout.read()
    assert pipe.is_fifo()
    assert received.rstrip().endswith((b"}", b"</html>"))


def test_an_output_through_a_link_and_to_stdout(site: Blog) -> None:
    assert site.run("sync").code == 0
    (site.root / "link").symlink_to("real")
    assert site.run("verify", "--json", "--quiet", "-o", "link").code == 0
    assert (site.root / "link").is_symlink()
    written = [json.loads(line) for line in (site.root / "real").read_text().splitlines()]
    printed = site.run("verify", "--json", "--quiet", "-o", "-")
    assert [json.loads(line)["type"] for line in printed.out.splitlines()] == ["summary"]
    assert written[-1]["exit_code"] == 0
    assert not (site.root / "-").exists()


@pytest.mark.parametrize(
    "mapping",
    [
        pytest.param({"u": "\ud800"}, id="half a character"),
        pytest.param({"u": "https://a.example/\n::x"}, id="line break"),
        pytest.param({"u": "a b)<>\"'"}, id="every delimiter"),
        pytest.param({"u": ""}, id="nothing"),
        pytest.param({"u": "x" * 100_000}, id="long"),
    ],
)
def test_no_mapped_url_breaks_a_post(site: Blog, mapping: dict[str, str]) -> None:
    url = f"{PICTURES}p/000.png"
    (site.root / "map.json").write_text(json.dumps({url: mapping["u"]}))
    ended = site.run("rewrite", "--map", "map.json")
    assert not crashed(ended), ended.text
    assert ended.code in (0, 3)
    for name, before in site.posts.items():
        after = (site.root / name).read_bytes()
        assert after.count(b"\n") == before.count(b"\n")


# --- What is wrong during a run -------------------------------------------------------------------


def test_posts_that_are_no_text_are_named_and_the_rest_is_done(site: Blog) -> None:
    (site.root / "posts" / "binary.md").write_bytes(bytes(range(256)))
    (site.root / "posts" / "folder.md").mkdir()
    ended = site.run("sync")
    (site.root / "posts" / "folder.md").rmdir()
    ends(ended, 3, "posts/binary.md", "M101")
    assert invariants.at_rest(site.truth()) == []


def test_a_post_is_named_once_in_a_finding_with_its_line(site: Blog) -> None:
    (site.root / "posts" / "nul.md").write_bytes(b"# Words\n\na\0b\n")
    ended = site.run("scan")
    assert ended.code == 3
    assert ended.err.count("posts/nul.md") == 1
    assert "posts/nul.md:3:2: holds a NUL character" in ended.err
    assert "`exclude` the post" in ended.err


def test_what_a_host_refuses_is_named_with_its_status(site: Blog) -> None:
    post = site.root / "posts" / "more.md"
    post.write_text(f"![]({PICTURES}gone.png)\n")
    ends(site.run("sync"), 3, "posts/more.md:1:5", "404", "[[ignore]]")
    site.host._referer = "https://blog.example/"
    site.forget()
    ends(site.run("sync"), 3, "403", "Referer")
    site.host._referer = None
    post.unlink()


def test_an_unreachable_host_is_named(site: Blog) -> None:
    text = (site.root / "mirror.toml").read_text()
    text = re.sub(r'fetch = "http://.*"', 'fetch = "http://127.0.0.1:9/"', text)
    (site.root / "mirror.toml").write_text(text)
    ends(site.run("sync"), 3, "127.0.0.1:9", "no connection")
    text = text.replace("127.0.0.1:9", "no-such-host.invalid")
    (site.root / "mirror.toml").write_text(text)
    ends(site.run("sync"), 3, "no-such-host.invalid")


@pytest.mark.parametrize("command", ["sync", "rewrite", "verify"])
def test_a_bucket_that_cannot_be_used_is_named(site: Blog, rclone: Server, command: str) -> None:
    def use(url: str, endpoint: str = rclone.endpoint_url) -> None:
        site.configure(
            destination=f'url = "{url}"\npublic_url = "{PUBLIC}"\nendpoint_url = "{endpoint}"'
        )

    assert site.run("sync").code == 0
    use("s3://no-such-bucket")
    ends(site.run(command), 3, "no-such-bucket", "create the bucket")
    use(f"s3://{BUCKET}/cli")
    ends(site.run(command, env={"AWS_SECRET_ACCESS_KEY": "wrong"}), 3, "credentials")
    ends(site.run(command, env={"AWS_ACCESS_KEY_ID": ""}), 3, "credentials")
    use(f"s3://{BUCKET}/cli", "http://127.0.0.1:9")
    ends(site.run(command, env={"AWS_MAX_ATTEMPTS": "1"}), 3, "127.0.0.1:9")
    use(f"s3://{BUCKET}/cli", site.host.base_url)
    ends(site.run(command, env={"AWS_MAX_ATTEMPTS": "1"}), 3)


# --- What is printed ------------------------------------------------------------------------------


def test_json_is_json_lines_and_ends_with_a_summary(site: Blog) -> None:
    (site.root / "posts" / "more.md").write_text(f"![]({PICTURES}gone.png)\n")
    for args in (["sync"], ["rewrite"], ["verify", "--posts"], ["rewrite", "--revert"]):
        ended = site.run(*args, "--json")
        assert not crashed(ended)
        assert ended.summary["exit_code"] == ended.code
        assert ended.out.isascii()
    for args in (["scan"], ["scan", "--hosts"]):
        assert site.run(*args, "--json").events()
    (site.root / "mirror.toml").write_text("[")
    ended = site.run("sync", "--json")
    assert ended.code == 2
    assert [event["type"] for event in ended.events()] == ["error"]


def test_an_encoding_that_lacks_a_character_is_no_bug(site: Blog) -> None:
    (site.root / "posts" / "图.md").write_text(f"图 ![图]({PICTURES}p/000.png) 图\n", "utf-8")
    site.run("sync")
    for args in (["scan"], ["rewrite", "--dry-run"], ["verify", "--posts"]):
        ends(
            site.run(*args, env={"PYTHONIOENCODING": "ascii"}),
            0,
            "\\u56fe" if "v" not in args[0] else "",
        )


@pytest.mark.parametrize("args", [["scan"], ["scan", "--json"], ["rewrite", "--dry-run"]])
def test_a_reader_that_goes_away_ends_the_run_quietly(site: Blog, args: list[str]) -> None:
    assert site.run("sync").code == 0
    (site.root / "posts" / "long.md").write_text(f"![]({PICTURES}p/000.png)\n" * 3000)
    with subprocess.Popen(
        [MIRROR, *args], cwd=site.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait() == 128 + signal.SIGPIPE
    assert said == b""


def test_an_output_that_cannot_be_written_is_no_bug(site: Blog) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([MIRROR, "scan"], cwd=site.root, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert b"cannot be written" in done.stderr
    assert b"Exception" not in done.stderr


def test_it_runs_without_stdout_and_stderr(site: Blog) -> None:
    for close in (">&-", "2>&-", ">&- 2>&-"):
        done = subprocess.run(["sh", "-c", f'"{MIRROR}" sync {close}'], cwd=site.root)
        assert done.returncode == 0
    assert invariants.at_rest(site.truth()) == []


# --- How a run is ended ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sync_keeps_what_it_has(tmp_path: Path, number: signal.Signals) -> None:
    """While the host holds its requests: the run ends all the same, and nothing is asked twice."""

    def host(objects: dict[str, bytes]) -> HoldingHost:
        return HoldingHost(objects, requests=8)

    with blog(tmp_path, pictures=12, posts=2, host=host) as site:
        assert isinstance(site.host, HoldingHost)
        text = (site.root / "mirror.toml").read_text().replace("timeout_s = 5", "timeout_s = 900")
        (site.root / "mirror.toml").write_text(text)
        run = site.start("sync")
        assert site.host.holds.wait(60)
        run.process.send_signal(number)
        ends(run.end(), 128 + number, "run again to go on")
        assert list(invariants.at_any_instant(site.truth())) == []
        kept = len(list((site.root / "archive" / "data").rglob("*.png")))
        again = site.start("sync", "--dry-run", "--json").end()
        assert again.summary["reused"] >= kept


def test_an_interrupted_run_lets_go_of_the_lock(tmp_path: Path) -> None:
    def host(objects: dict[str, bytes]) -> HoldingHost:
        return HoldingHost(objects, requests=0)

    with blog(tmp_path, pictures=2, posts=1, host=host) as site:
        assert isinstance(site.host, HoldingHost)
        run = site.start("sync")
        assert site.host.holds.wait(60)
        ends(site.run("rewrite"), 4, "`mirror sync`", str(run.process.pid))
        run.process.send_signal(signal.SIGTERM)
        run.end()
        assert site.run("rewrite").code == 0

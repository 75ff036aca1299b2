"""An environment that few programs are tried in changes no exit code and shows no traceback."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from PIL import Image
from support.commands import filled, run
from support.faults import MIRROR
from support.sites import BUCKET, Blog

from mirror.pipeline.report import growth_points
from mirror.state import State

_TMPFS = "/dev/shm"  # noqa: S108  (its files may have times of any year)

# Runs the command as a user that the system does not know.
_UNKNOWN_USER = """
import pwd

def unknown(*_):
    raise KeyError("uid not found")

pwd.getpwuid = pwd.getpwnam = unknown
from mirror.main import main
main()
"""


def clean_environment(**changes: str) -> dict[str, str]:
    private = ("MIRROR_", "CI", "GITHUB_", "SOURCE_DATE_EPOCH")
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(private)}
    return inherited | changes


def mirror(
    folder: Path, *arguments: str | bytes, **changes: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [MIRROR, *arguments],
        cwd=folder,
        env=clean_environment(**changes),
        capture_output=True,
        check=False,
    )


@pytest.fixture
def site(blog: Blog) -> Blog:
    """A backup of two images."""
    filled(blog, "a.png", "b.png")
    return blog


# --- Standard streams -------------------------------------------------------------------------


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "2>&- <&-", "2>&1 >/dev/null | :"])
def test_an_exit_code_does_not_depend_on_stderr(site: Blog, redirection: str) -> None:
    for arguments, code in (
        ("verify", 0),
        ("rewrite --dry-run", 0),
        ("scan missing", 2),
        ("nonsense", 2),
        ("verify --format nonsense", 2),
        ("dupes --merge a b", 2),
        ("prune --max-delete x", 2),
    ):
        script = f'{{ "$0" {arguments}; echo $? >code; }} {redirection}'
        subprocess.run(["bash", "-c", script, MIRROR], cwd=site.root, env=clean_environment())
        assert (site.root / "code").read_text() == f"{code}\n", arguments


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["sync", "--help"], ["scan"]])
def test_an_output_that_is_not_written_is_not_a_success(site: Blog, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([MIRROR, *arguments], cwd=site.root, stdout=full, stderr=-1)
    assert done.returncode == 3
    assert b"the output cannot be written: No space left on device; make room" in done.stderr
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([MIRROR, *arguments], cwd=site.root, stdout=writer, stderr=-1)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_bug_is_a_bug_also_when_nothing_can_be_printed(tmp_path: Path) -> None:
    bug = "import mirror.cli, mirror.main\nmirror.cli.run = lambda: print('x') or 1 / 0\n"
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", f"{bug}mirror.main.main()"],
            env=clean_environment(TMPDIR=str(tmp_path)),
            stdout=full,
            stderr=full,
            check=False,
        )
    assert done.returncode == 70
    assert len(list(tmp_path.glob("crash-*.log"))) == 1


def damaged_tiff() -> bytes:
    """Return a picture on which libtiff prints to descriptor 2, past Python."""
    file = BytesIO()
    noise = random.Random(1).randbytes(64 * 48 * 3)
    Image.frombytes("RGB", (64, 48), noise).save(file, "TIFF", compression="tiff_lzw")
    data = bytearray(file.getvalue())
    data[2000:2100] = bytes(100)
    return bytes(data)


def test_what_a_decoder_prints_does_not_reach_stderr(
    site: Blog, capfd: pytest.CaptureFixture[str]
) -> None:
    data = damaged_tiff()
    with pytest.raises(OSError, match="decoder error"):
        Image.open(BytesIO(data)).load()
    assert "LZWDecode: " in capfd.readouterr().err
    site.host.put("damaged.tif", data)
    site.write("damaged.md", f"![]({BUCKET}damaged.tif)\n")
    done = mirror(site.root, "sync")
    assert done.returncode == 3
    assert b"damaged.tif" in done.stdout
    assert done.stderr == b""


# --- The user ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["init", "--config", "new.toml", "posts"], ["sync"], ["report"]], ids=" ".join
)
def test_a_user_without_a_home_and_without_a_name_can_run_it(
    site: Blog, arguments: list[str]
) -> None:
    environment = clean_environment()
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", _UNKNOWN_USER, *arguments],
        cwd=site.root,
        env=environment,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


# --- Times ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-1, -(10**11), 253_402_300_800, 10**13])
def test_no_time_of_a_file_stops_a_command(site: Blog, seconds: int) -> None:
    """Beyond the year 2446 only some file systems, such as tmpfs, take it as it is."""
    for path in list(site.root.rglob("*")):
        os.utime(path, (seconds, seconds))
    for command in (["sync"], ["report"], ["verify", "--deep", "--posts"], ["prune"]):
        result = run(site, *command)
        assert (result.code, result.err) == (0, ""), command


@pytest.mark.skipif(not os.access(_TMPFS, os.W_OK), reason="no tmpfs")
def test_a_last_sync_in_the_year_10000_is_loaded() -> None:
    with TemporaryDirectory(dir=_TMPFS) as folder:
        state = State.below(Path(folder))
        state.last_sync.save({}, [])
        for seconds in (-(10**11), 10**13):
            os.utime(state.last_sync.path, (seconds, seconds))
            assert state.last_sync.load()


def test_the_growth_of_an_archive_has_a_day_for_every_time() -> None:
    points = growth_points([(-(10**12), 1), (0, 2), (10**13, 3)])
    assert [point.label for point in points] == ["0001-01-01", "1970-01-01", "9999-12-31"]


@pytest.mark.parametrize("epoch", ["x", "²", "-99999999999999", "253402300800", "9" * 40])
def test_a_source_date_epoch_that_is_no_moment_is_a_usage_error(site: Blog, epoch: str) -> None:
    done = mirror(site.root, "report", SOURCE_DATE_EPOCH=epoch)
    assert done.returncode == 2
    assert b"SOURCE_DATE_EPOCH: expected seconds since 1970" in done.stderr
    assert not (site.root / "mirror-report.html").exists()


def test_a_source_date_epoch_is_the_date_of_the_report(site: Blog) -> None:
    for epoch, date in (("0", "1970-01-01"), ("1700000000", "2023-11-14")):
        assert mirror(site.root, "report", SOURCE_DATE_EPOCH=epoch).returncode == 0
        assert date in (site.root / "mirror-report.html").read_text()
    assert mirror(site.root, "report", SOURCE_DATE_EPOCH="").returncode == 0


# --- Encodings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "locale",
    [
        pytest.param({"LC_ALL": "C"}, id="C"),
        pytest.param({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, id="ASCII"),
        pytest.param({"PYTHONIOENCODING": "latin-1"}, id="Latin-1"),
    ],
)
def test_an_encoding_that_is_not_utf_8_changes_no_exit_code(
    site: Blog, locale: dict[str, str]
) -> None:
    (site.root / "posts" / "图.md").write_text(f"图 ![图]({BUCKET}a.png) 图\n", "utf-8")
    for code, *arguments in (
        (0, b"--help"),
        (0, b"sync"),
        (0, b"scan"),
        (0, b"rewrite", b"--dry-run"),
        (0, b"restore", b"\xff\xe5"),
        (0, b"report", b"--output", b"\xff.html"),
        (2, b"scan", b"\xff"),
        (2, b"\xff"),
        (2, b"--\xff"),
        (2, b"sync", b"--limit", b"\xff"),
        (2, b"verify", b"--sample", b"\xff"),
        (2, b"verify", b"--format", b"\xff"),
        (2, b"verify", b"--format", b"github", b"--config", b"\xff"),
        (2, b"dupes", b"--split", b"\xff"),
        (2, b"init", b"--config", b"n.toml", b"--fetch", b"\xff", b"posts"),
    ):
        done = mirror(site.root, *arguments, **locale)
        assert done.returncode == code, (arguments, done.stdout + done.stderr)
        assert b"Traceback" not in done.stderr


def test_a_name_that_the_system_cannot_spell_is_named_with_the_remedy(site: Blog) -> None:
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = mirror(site.root, "doctor", **ascii_only)  # it tries a name in Chinese
    assert done.returncode == 1
    assert b"cannot be a file name in the encoding of this system, ascii; set LC_ALL=C.UTF-8" in (
        done.stdout.replace(b"\n", b" ")
    )
    assert mirror(site.root, "doctor", LC_ALL="C.UTF-8").returncode == 0
    path = site.root / "mirror.toml"
    path.write_text(f'{path.read_text()}\n[archive]\npath = "图"\n', "utf-8")
    done = mirror(site.root, "sync", **ascii_only)
    assert done.returncode == 2
    assert b"cannot be a file name in the encoding of this system, ascii; set LC_A" in done.stderr


# --- Limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["-v 45000", "-v 60000", "-v 180000", "-n 16", "-f 0"])
def test_a_limit_of_the_system_is_no_bug_and_no_finding(site: Blog, limit: str) -> None:
    # Compiled code of others that meets no memory may end the process: that is no wrong code.
    ended = (-signal.SIGSEGV, -signal.SIGABRT) if limit.startswith("-v") else ()
    for arguments in ("sync --refresh", "verify --posts --archive", "rewrite --dry-run", "dupes"):
        script = f'ulimit {limit}; exec "$0" {arguments}'
        done = subprocess.run(
            ["bash", "-c", script, MIRROR],
            cwd=site.root,
            env=clean_environment(),
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 3, *ended), (arguments, done.stdout + done.stderr)
        assert done.returncode != 3 or done.stderr or done.stdout


# --- Signals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "module",
    ["signal", "enum", "mirror.main", "mirror.streams", "typer", "mirror.config", "mirror.cli"],
)
def test_a_signal_during_start_exits_at_once(
    tmp_path: Path, module: str, number: signal.Signals
) -> None:
    """The signal comes when `module` is about to be imported."""
    script = f"""
import os, sys
sys.modules.pop("signal", None), sys.modules.pop("enum", None)

class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {int(number)})

import mirror
sys.meta_path.insert(0, Signalling())
sys.argv = ["mirror", "--help"]
from mirror.start import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, "--help"], cwd=tmp_path, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, b"", b"")


def test_nothing_of_the_program_is_imported_before_its_signal_handlers_are_set() -> None:
    script = "import sys, mirror.main; print(*sorted(m for m in sys.modules if 'mirror' in m))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["mirror", "mirror.main"]

"""What people copy into their repositories: valid by the published schemas, and run as written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from mirror.cli import app
from mirror.host import ImageHost

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted(ROOT.glob("examples/workflows/*.yml"))


def load(path: str | Path) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


# --- As written ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-actions", "action.yml"),
        ("vendor.gitlab-ci", "ci/gitlab.yml"),
        *(("vendor.github-workflows", str(path.relative_to(ROOT))) for path in WORKFLOWS),
        *(
            ("custom.github-workflows-require-timeout", str(path.relative_to(ROOT)))
            for path in WORKFLOWS
        ),
    ],
)
def test_files_are_valid_by_the_published_schemas(schema: str, path: str) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema]
    if schema == "vendor.gitlab-ci":
        command += ["--data-transform", "gitlab-ci"]
    done = subprocess.run([*command, path], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def steps(path: str | Path) -> list[dict[str, Any]]:
    document = load(path)
    if "runs" in document:
        return list(document["runs"]["steps"])
    return [step for job in document["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", ["action.yml", *WORKFLOWS], ids=lambda path: Path(path).name)
def test_nothing_from_outside_is_part_of_a_script(path: str | Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", "")
        assert not re.search(r"\beval\b|\bbash -c\b", step.get("run", ""))
        if "run" in step:
            assert step["shell"] == "bash"
            assert step["run"].startswith("set -euo pipefail\n")
        uses = step.get("uses", "./")
        assert uses.startswith("./") or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", uses)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_read_and_no_more(path: Path) -> None:
    text = path.read_text()
    document = load(path)
    assert document["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in document[True]  # YAML 1.1 reads `on` as true
    inputs = load("action.yml")["inputs"]
    for step in steps(path):
        if step.get("uses") == "./.mirror-action":
            assert step.get("with", {}).keys() <= inputs.keys()
    if path.name == "pull-request.yml":
        assert "secrets." not in text


def test_every_input_is_used_and_explained() -> None:
    text = (ROOT / "action.yml").read_text()
    docs = (ROOT / "docs/ci.md").read_text()
    for name in load("action.yml")["inputs"]:
        assert f"inputs.{name}" in text
        assert f"`{name}`" in docs
    for name in load("action.yml")["outputs"]:
        assert f"`{name}`" in docs


def test_files_that_the_page_names_are_there() -> None:
    docs = (ROOT / "docs/ci.md").read_text()
    for name in re.findall(r"`((?:examples|ci)/[\w./-]+|\.pre-commit-hooks\.yaml)`", docs):
        assert (ROOT / name).is_file()


# --- As run -------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site whose image is mirrored."""
    stream = BytesIO()
    Image.new("RGB", (40, 30), "red").save(stream, "PNG")
    root = tmp_path / "my site"
    (root / "posts").mkdir(parents=True)
    with ImageHost({"a.png": stream.getvalue()}) as host:
        (root / "posts" / "a.md").write_text(f"![x]({host.base_url}a.png)\n")
        (root / "mirror.toml").write_text(
            f'[posts]\npaths = ["posts"]\n[[source]]\nname = "old"\nmatch = ["{host.base_url}"]\n'
            f'fetch = "{host.base_url}"\n[[destination]]\nname = "public"\nurl = "file:public"\n'
        )
        monkeypatch.chdir(root)
        assert CliRunner().invoke(app, ["sync", "--quiet"]).exit_code == 0
    return root


class Runner:
    """Runs the scripts of `action.yml` as a GitHub runner would."""

    def __init__(self, folder: Path, site: Path) -> None:
        self.temp = folder / "runner temp"
        self.output = folder / "output"
        self.site = site
        self.temp.mkdir()
        self.output.touch()
        # In place of the installation, which would fetch every dependency.
        (self.temp / "mirror").symlink_to(Path(sys.executable).parent.parent)

    def step(self, name: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        document = load("action.yml")
        [step] = [step for step in document["runs"]["steps"] if step["name"] == name]
        values = {key: one["default"] for key, one in document["inputs"].items()}
        values |= {key.replace("_", "-"): value for key, value in inputs.items()}
        context = {f"inputs.{key}": value for key, value in values.items()}
        context["github.action_path"] = str(ROOT)
        environment = {
            key: re.sub(r"\$\{\{ (\S+) \}\}", lambda found: context[found[1]], text)
            for key, text in step["env"].items()
        }
        runner = {"RUNNER_TEMP": str(self.temp), "GITHUB_OUTPUT": str(self.output)}
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.site,
            env={**os.environ, **runner, **environment},
            check=False,
            capture_output=True,
            text=True,
        )


@pytest.fixture
def runner(tmp_path: Path, site: Path) -> Runner:
    return Runner(tmp_path, site)


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({}, id="defaults"),
        pytest.param({"offline": "true"}, id="offline"),
        pytest.param({"deep": "true", "sample": "1/1"}, id="read back"),
        pytest.param({"config": "mirror.toml", "posts": "false"}, id="another configuration"),
    ],
)
def test_a_site_that_agrees_is_green(runner: Runner, inputs: dict[str, str]) -> None:
    done = runner.step("Verify", **inputs)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all agree" in done.stdout
    assert runner.output.read_text() == "exit-code=0\n"


def test_a_lost_object_turns_it_red_with_the_right_words(runner: Runner) -> None:
    [path] = (runner.site / "public").rglob("*.png")
    path.unlink()
    done = runner.step("Verify")
    assert done.returncode == 1
    assert "::error" in done.stdout
    assert "missing in public" in done.stdout
    assert runner.output.read_text() == "exit-code=1\n"


def test_an_image_that_is_not_mirrored_turns_a_pull_request_red(runner: Runner) -> None:
    post = runner.site / "posts" / "a.md"
    post.write_text(post.read_text() + post.read_text().replace("a.png", "new.png"))
    done = runner.step("Verify", offline="true")
    assert done.returncode == 1
    assert re.search(r"::error file=\S*a\.md,line=2", done.stdout), done.stdout


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"sample": "$(touch pwned)"}, id="a command"),
        pytest.param({"config": '"; touch pwned; "'}, id="quotes"),
        pytest.param({"offline": "true; touch pwned"}, id="in place of a flag"),
        pytest.param({"sample": "--help\ntouch pwned"}, id="a line"),
    ],
)
def test_what_is_put_in_is_never_run(runner: Runner, inputs: dict[str, str]) -> None:
    done = runner.step("Verify", **inputs)
    assert done.returncode == 2
    assert not (runner.site / "pwned").exists()


def test_the_report_is_written_and_its_path_told(runner: Runner) -> None:
    done = runner.step("Report", report="my report.html")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (runner.site / "my report.html").read_text().startswith("<!DOCTYPE html>")
    assert runner.output.read_text() == "path=my report.html\n"


def test_an_old_python_is_refused_before_anything_is_made(runner: Runner, tmp_path: Path) -> None:
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = runner.step("Install mirror", python=str(old))
    assert done.returncode == 2
    assert "Python 3.11" in done.stdout


@pytest.mark.parametrize("hook", load(".pre-commit-hooks.yaml"), ids=lambda hook: hook["id"])
def test_hooks_pass_a_mirrored_post_and_stop_another(hook: dict[str, Any], site: Path) -> None:
    name, *arguments = shlex.split(hook["entry"])
    assert name == "mirror"
    given = ["posts/a.md"] if hook.get("pass_filenames", True) else []
    assert CliRunner().invoke(app, [*arguments, *given]).exit_code == 0
    post = site / "posts" / "a.md"
    post.write_text(post.read_text().replace("a.png", "new.png"))
    assert CliRunner().invoke(app, [*arguments, *given]).exit_code == 1
    pattern = re.compile(hook["files"])
    assert bool(pattern.search("content/posts/文.md")) != bool(
        pattern.search("manifests/images.jsonl")
    )
    assert not pattern.search("a.png")


def test_the_gitlab_jobs_do_what_they_say(site: Path, tmp_path: Path) -> None:
    document = load("ci/gitlab.yml")
    builds, project = tmp_path / "builds", tmp_path / "project"
    builds.mkdir()
    project.mkdir()
    (builds / "mirror").symlink_to(Path(sys.executable).parent.parent)
    variables = document["variables"] | {
        "CI_BUILDS_DIR": str(builds),
        "CI_PROJECT_DIR": str(project),
        "MIRROR_DIRECTORY": str(site),
    }
    for job in ("mirror:verify", "mirror:report"):
        script = "set -eo pipefail\n" + "\n".join(document[job]["script"])
        done = subprocess.run(
            ["bash", "-c", script],
            env={**os.environ, **variables},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "<testsuite" in (project / "mirror.xml").read_text()
    assert (project / "mirror-report.html").is_file()


def test_the_nightly_slice_is_one_of_28(tmp_path: Path) -> None:
    [step] = [step for step in steps(ROOT / "examples/workflows/nightly.yml") if "run" in step]
    output = tmp_path / "output"
    environment = {**os.environ, "GITHUB_OUTPUT": str(output)}
    subprocess.run(["bash", "-c", step["run"]], env=environment, check=True)
    found = re.fullmatch(r"sample=(\d+)/28\n", output.read_text())
    assert found
    assert 1 <= int(found[1]) <= 28

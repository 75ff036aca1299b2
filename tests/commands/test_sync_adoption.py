"""What people copy into their repositories, as written: valid, linted, and what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.commands import filled, run
from support.runners import Expression, clean_environment, fill
from support.sites import Blog

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
EXAMPLES = sorted(ROOT.glob("examples/workflows/*.yml"))
WORKFLOWS = [*EXAMPLES, ROOT / ".github/workflows/ci.yml"]
PLACEHOLDER = "OWNER/REPOSITORY@" + 40 * "0"


def load(path: str | Path) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def steps(path: str | Path) -> list[dict[str, Any]]:
    document = load(path)
    if "runs" in document:
        return list(document["runs"]["steps"])
    return [step for job in document["jobs"].values() for step in job["steps"]]


def lint(tool: str, *arguments: str | Path, stdin: str | None = None) -> None:
    """Fail with what `tool` says; skip where it could not be installed."""
    if not (BIN / tool).exists():
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run(
        [BIN / tool, *arguments],
        cwd=ROOT,
        env=clean_environment() | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        check=False,
        input=stdin,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- Linters ----------------------------------------------------------------------------------


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
    more = ["--data-transform", "gitlab-ci"] if schema == "vendor.gitlab-ci" else []
    lint("check-jsonschema", "--builtin-schema", schema, *more, path)


@pytest.mark.parametrize("path", [ROOT / "action.yml", *WORKFLOWS], ids=lambda path: path.name)
def test_a_child_of_actionlint_finds_nothing(path: Path, tmp_path: Path) -> None:
    # A workflow counts as one, and an action as one, by where it lies.
    folder = tmp_path if path.name == "action.yml" else tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / path.name).write_text(path.read_text())
    lint("jactionlint", "--strict-exit", folder / path.name)


def test_zizmor_finds_nothing_that_an_outsider_could_use() -> None:
    files = [ROOT / "action.yml", ROOT / ".pre-commit-hooks.yaml", *WORKFLOWS]
    lint("zizmor", "--offline", "--strict-collection", *files)


def test_the_hooks_are_valid() -> None:
    lint("pre-commit", "validate-manifest", ".pre-commit-hooks.yaml")


def gitlab_scripts() -> list[str]:
    jobs = [job for job in load("ci/gitlab.yml").values() if "artifacts" in job]
    before = load("ci/gitlab.yml")[".mirror"]["before_script"]
    return ["\n".join(["set -e", *before, *job["script"], ""]) for job in jobs]


@pytest.mark.parametrize("shell", ["bash", "sh"])
def test_shellcheck_finds_nothing_in_scripts(shell: str) -> None:
    scripts = gitlab_scripts()  # run by whichever of the two the image has
    if shell == "bash":
        paths = ("action.yml", *WORKFLOWS)
        scripts += [step["run"] for path in paths for step in steps(path) if "run" in step]
        scripts.append((ROOT / ".ci/run").read_text())
        assert len(scripts) >= 8
    for script in scripts:
        lint("shellcheck", "--shell", shell, "-", stdin=script)


# --- Rules of the house -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["action.yml", *WORKFLOWS], ids=lambda path: Path(path).name)
def test_nothing_from_outside_is_part_of_a_script(path: str | Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", "")
        assert not re.search(r"\beval\b|\bbash -c\b", step.get("run", ""))
        if "run" in step and path != ROOT / ".github/workflows/ci.yml":
            assert step["shell"] == "bash"
            assert step["run"].startswith("set -euo pipefail\n")
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_read_and_no_more(path: Path) -> None:
    document = load(path)
    assert document["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in document[True]  # YAML 1.1 reads `on` as true


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_uses_the_action_once_with_inputs_it_has(path: Path) -> None:
    text = path.read_text()
    assert text.count(PLACEHOLDER) == 1
    (step,) = [step for step in steps(path) if step.get("uses") == PLACEHOLDER]
    assert step["with"].keys() <= load("action.yml")["inputs"].keys()
    # A fork is given neither.
    assert "vars." not in text
    assert ("secrets." in text) is (path.name != "pull-request.yml")


def test_every_input_is_used_and_explained() -> None:
    text = (ROOT / "action.yml").read_text()
    docs = (ROOT / "docs/ci.md").read_text()
    for name, setting in load("action.yml")["inputs"].items():
        assert f"inputs.{name}" in text
        (row,) = re.findall(rf"^\| `{name}` \| (.*?)\|", docs, re.MULTILINE)
        assert row.strip() == (f"`{setting['default']}`" if setting["default"] else "")
    for name in load("action.yml")["outputs"]:
        assert f"`{name}`" in docs


def test_what_the_page_names_is_there() -> None:
    docs = (ROOT / "docs/ci.md").read_text()
    names = re.findall(r"`((?:examples|ci)/[\w./-]+|\.pre-commit-hooks\.yaml)`", docs)
    assert {*names} >= {str(path.relative_to(ROOT)) for path in EXAMPLES}
    for name in names:
        assert (ROOT / name).is_file()
    assert f"`{PLACEHOLDER}`" in docs
    for name in re.findall(r"secrets\.(\w+)", "".join(path.read_text() for path in EXAMPLES)):
        assert f"`{name}`" in docs


def installing_scripts() -> list[str]:
    """All scripts that an adopter's CI runs."""
    scripts = [step["run"] for step in steps("action.yml")]
    return [*scripts, *gitlab_scripts()]


def test_no_file_of_the_checkout_is_taken_for_a_module() -> None:
    """Python that is not isolated looks for modules in the folder that it is started in."""
    for script in installing_scripts():
        calls = re.findall(r"(?:python|MIRROR_PYTHON)\"? (-.*)", script)
        assert calls
        assert all(call.startswith("-I ") for call in calls)
        assert 'bin/mirror"' not in script
        assert "PYTHONPATH" not in script


def test_whatever_is_installed_is_pinned() -> None:
    count = 0
    for script in installing_scripts():
        for line in re.findall(r"^\s*install (.*)$", script, re.MULTILINE):
            is_pinned = "--require-hashes" in line and "--only-binary :all:" in line
            assert is_pinned or {"--no-index", "--no-deps", "--no-build-isolation"} <= {
                *line.split()
            }
            count += 1
    assert count == 6  # two lines of the action, and two of each job of the template


def test_the_pins_are_those_of_what_the_package_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = project["project"]["dependencies"] + project["build-system"]["requires"]
    pins: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=\S)", (ROOT / "ci/requirements.txt").read_text()):
        if entry.startswith("#"):
            continue
        pin = re.match(r"([\w.-]+)==([\w.]+)(?: ; .*?)? \\\n", entry)
        assert pin, entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry)
        pins.setdefault(canonicalize_name(pin[1]), []).append(pin[2])
    for text in needed:
        requirement = Requirement(text)
        versions = pins[canonicalize_name(requirement.name)]
        assert all(version in requirement.specifier for version in versions)


def test_keys_are_given_to_the_step_that_asks_buckets_and_to_no_other() -> None:
    for step in steps("action.yml"):
        text = yaml.safe_dump(step)
        assert ("inputs.secret-access-key" in text) is (step["name"] == "Verify")
        if step["name"] != "Verify":
            assert "unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN" in text
    for path in EXAMPLES:
        for step in steps(path):
            assert "secrets." not in yaml.safe_dump(step.get("env", {}))
            assert "secrets." not in yaml.safe_dump(step) or step["uses"] == PLACEHOLDER
        assert "secrets." not in yaml.safe_dump(load(path).get("env", {}))
        assert all("env" not in job for job in load(path)["jobs"].values())


def test_a_file_that_is_called_like_an_option_is_a_file(blog: Blog) -> None:
    filled(blog, "a.png")
    (blog.root / "other.toml").write_text("no configuration")
    (blog.root / "--config=other.toml").write_text("no post\n")
    for hook in load(".pre-commit-hooks.yaml"):
        program, *arguments = hook["entry"].split()
        assert (program, arguments[-1]) == ("mirror", "--")
        result = run(blog, *arguments, "--config=other.toml")
        assert "other.toml" not in result.err
        assert result.code in (0, 3)
    assert run(blog, *arguments[:-1], "--config=other.toml").code == 2


def test_nobody_with_keys_is_told_to_run_what_a_stranger_wrote() -> None:
    docs = (ROOT / "docs/ci.md").read_text()
    (answer,) = re.findall(r"^- \*\*A pull request adds images\.\*\*(.*?)^- ", docs, re.M | re.S)
    assert "on its branch" not in answer
    assert "never run" in answer.lower()


# --- The runner that the other tests rely on --------------------------------------------------

CONTEXTS = {
    "inputs": {"report": "", "path": "a b"},
    "secrets": {},
    "steps": {"verify": {"outputs": {"exit-code": "1"}}},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.path", "a b"),
        ("secrets.NOT_SET", ""),
        ("steps.verify.outputs.exit-code", "1"),
        ("steps.verify.outputs.other", ""),
        ("inputs.report != ''", False),
        ("inputs.path == 'A B'", True),
        ("'it''s'", "it's"),
        ("always() && inputs.report != '' && steps.verify.outputs.exit-code != ''", False),
        ("!(inputs.report == '') || inputs.path", "a b"),
        ("success()", False),
        ("failure()", True),
    ],
)
def test_expressions_mean_what_they_mean_to_github(text: str, value: object) -> None:
    assert Expression(text, CONTEXTS, failed=True).value() == value


@pytest.mark.parametrize(
    "text",
    ["inputs.other", "matrix.python", "steps.none.outputs.x", "toJSON(inputs)", "1 + 1", "'", ""],
)
def test_an_expression_that_is_not_known_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        Expression(text, CONTEXTS).value()


def test_text_is_filled_as_it_stands() -> None:
    assert fill("${{ inputs.path }}/$(x) ${{ always() }}", CONTEXTS) == "a b/$(x) true"

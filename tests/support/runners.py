"""The runners of GitHub and GitLab, as far as our files need them, so that those run as they are.

Jobs are read from their YAML and run step by step, each script by the shell and the command line
that the real runner uses. What is not known here is an error, never skipped: expressions, keys,
workflow commands. There is no marketplace: an action of GitHub's own is replaced by what it
promises (`_PROMISED`), and any other is taken from a repository on this machine, at its commit.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from support.workflow_commands import Command, obey

Values = Mapping[str, Any]


def git(folder: Path, *arguments: str | Path) -> str:
    """`git` with nobody's settings; return what it prints."""
    command = ["git", "-c", "user.name=A Writer", "-c", "user.email=writer@example.com"]
    done = subprocess.run(
        [*command, "-C", folder, *arguments],
        env=clean_environment(),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.strip()


def clean_environment() -> dict[str, str]:
    """Ours, without what would tell a program that it runs in CI, or in our environment."""
    prefixes = ("CI_", "GIT", "MIRROR_", "PRE_COMMIT", "PYTHON", "RUNNER_", "VIRTUAL_ENV")
    kept = {name: text for name, text in os.environ.items() if not f"{name}_".startswith(prefixes)}
    nobodys = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    # A store that does not answer once does not answer.
    # What pip installs is compiled where it is used. (`PIP_NO_COMPILE=1` would have pip compile.)
    return kept | nobodys | {"AWS_MAX_ATTEMPTS": "1", "PIP_COMPILE": "0"}


def tools(folder: Path) -> Path:
    """A folder for PATH with the Python that images of CI promise."""
    folder.mkdir()
    for name in ("python", "python3"):
        script(folder / name, f'exec {shlex.quote(sys.executable)} "$@"')
    return folder


def script(path: Path, text: str) -> Path:
    """A program of a few lines of shell."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


# --- Expressions ------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|([A-Za-z_][\w.-]*)|(&&|\|\||==|!=|!|\(|\)))")
# Of these a name that nobody has set is empty; a name that others lack is a mistake.
_OPEN = ("secrets", "vars", "outputs")


class Expression:
    """The text between `${{` and `}}`, or of an `if`; `ValueError` for what is not known here."""

    def __init__(self, text: str, contexts: Values, failed: bool = False) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._contexts = contexts
        self._failed = failed
        text = text.strip()
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise ValueError(f"not known here: {text[place:]!r} in {text!r}")
            kind = ("string", "name", "sign")[(match.lastindex or 0) - 1]
            self._tokens.append((kind, match[match.lastindex or 0]))
            place = match.end()
        self.asks_status = any(name in _STATUS for kind, name in self._tokens if kind == "name")

    def value(self) -> Any:
        value = self._either()
        if self._tokens:
            raise ValueError(f"not known here: {self._tokens[0]}")
        return value

    def _take(self, *signs: str) -> str | None:
        if self._tokens and self._tokens[0] in [("sign", sign) for sign in signs]:
            return self._tokens.pop(0)[1]
        return None

    def _either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._take("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Any:
        value = self._one()
        if sign := self._take("==", "!="):
            other = self._one()
            if not (isinstance(value, str) and isinstance(other, str)):
                raise ValueError("only texts are compared here")
            return (value.lower() == other.lower()) is (sign == "==")
        return value

    def _one(self) -> Any:
        if self._take("!"):
            return not self._one()
        if self._take("("):
            value = self._either()
        else:
            kind, text = self._tokens.pop(0) if self._tokens else ("end", "")
            if kind == "string":
                return text.replace("''", "'")
            if kind != "name":
                raise ValueError(f"not known here: {text!r}")
            if not self._take("("):
                return self._named(text)
            value = {"always": True, "success": not self._failed, "failure": self._failed}[text]
        if not self._take(")"):
            raise ValueError("an open parenthesis")
        return value

    def _named(self, path: str) -> Any:
        if path in ("true", "false"):
            return path == "true"
        value: Any = self._contexts
        parts = path.split(".")
        for number, part in enumerate(parts):
            known = part in value or (number > 0 and parts[number - 1] in _OPEN)
            if not known:
                raise ValueError(f"not known here: {path}")
            value = value.get(part, "")
        return value


_STATUS = ("always", "success", "failure")


def fill(text: object, contexts: Values) -> str:
    """`text` with its expressions replaced by their values."""
    spelled = str(text).lower() if isinstance(text, bool) else str(text)

    def one(match: re.Match[str]) -> str:
        value = Expression(match[1], contexts).value()
        return str(value).lower() if isinstance(value, bool) else str(value)

    return re.sub(r"\$\{\{(.*?)\}\}", one, spelled, flags=re.DOTALL)


# --- GitHub -----------------------------------------------------------------------------------

_SHELLS = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}
_JOB_KEYS = {"name", "runs-on", "timeout-minutes", "env", "steps"}
_STEP_KEYS = {"name", "id", "if", "uses", "with", "env", "run", "shell", "working-directory"}
_ANNOTATIONS = ("error", "warning", "notice")


@dataclass(frozen=True)
class Outcome:
    """What became of a step: whether it is green, and what it tells the next."""

    ok: bool
    outputs: Values = field(default_factory=dict)


@dataclass
class GitHub:
    """One job of a workflow, on a runner that nobody has used before.

    `repository` is what is checked out, as of its last commit, `actions` the repositories that
    others are taken from. With `temp`, a RUNNER_TEMP where the action has installed mirror before,
    the step that does that is left out. `outputs` are those of the last action that was run.
    """

    folder: Path
    repository: Path
    path: Path
    actions: Mapping[str, Path]
    secrets: Mapping[str, str] = field(default_factory=dict)
    temp: Path | None = None

    log: str = ""
    summary: str = ""
    annotations: list[Command] = field(default_factory=list)
    artifacts: dict[str, Path] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    ok: bool = False

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.workspace = self.folder / "work space"
        self.workspace.mkdir()
        self._skipped = ("Install mirror",) if self.temp else ()
        temp = self.temp or self.folder / "runner temp"
        temp.mkdir(exist_ok=True)
        self._environment = clean_environment() | {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_TEMP": str(temp),
            "PATH": f"{self.path}{os.pathsep}{os.environ['PATH']}",
        }
        self._files = 0

    def run(self, workflow: str) -> GitHub:
        """Run the only job of the workflow of this name in the repository."""
        text = (self.repository / ".github" / "workflows" / workflow).read_text()
        (job,) = yaml.safe_load(text)["jobs"].values()
        _known(job, _JOB_KEYS)
        contexts = {
            "secrets": self.secrets,
            "github": {
                "ref": "refs/heads/main",
                "base_ref": git(self.repository, "symbolic-ref", "--short", "HEAD"),
                "workspace": str(self.workspace),
            },
        }
        env = {name: fill(value, contexts) for name, value in job.get("env", {}).items()}
        self.ok = self._steps(job["steps"], contexts, env).ok
        return self

    def _steps(self, steps: list[Values], contexts: Values, env: Mapping[str, str]) -> Outcome:
        """Run the steps of a job or a composite action; `outputs` is the context `steps`."""
        done: dict[str, Any] = {step["id"]: {"outputs": {}} for step in steps if "id" in step}
        ok = True
        for step in steps:
            _known(step, _STEP_KEYS)
            now = {**contexts, "steps": done}
            if step.get("name") in self._skipped or not _wanted(step, now, ok):
                continue
            variables = {name: fill(value, now) for name, value in step.get("env", {}).items()}
            outcome = self._step(step, now, {**env, **variables})
            ok = ok and outcome.ok
            if "id" in step:
                done[step["id"]] = {"outputs": outcome.outputs}
        return Outcome(ok, done)

    def _step(self, step: Values, contexts: Values, env: Mapping[str, str]) -> Outcome:
        given = {name: fill(value, contexts) for name, value in step.get("with", {}).items()}
        if "run" in step:
            return self._script(step, contexts, env)
        name, _, commit = step["uses"].partition("@")
        if name in _PROMISED:
            _PROMISED[name](self, given)
            return Outcome(True)
        return self._composite(self._fetched(name, commit), given, contexts, env)

    def _fetched(self, name: str, commit: str) -> Path:
        """The action's repository at its commit, as GitHub's runner has it."""
        folder = self.folder / "actions" / name / commit
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            git(self.folder, "clone", "--quiet", "--no-checkout", self.actions[name], folder)
            git(folder, "checkout", "--quiet", "--detach", commit)
        return folder

    def _composite(
        self, action: Path, given: Mapping[str, str], contexts: Values, env: Mapping[str, str]
    ) -> Outcome:
        document = yaml.safe_load((action / "action.yml").read_text())
        assert document["runs"]["using"] == "composite"
        _known(given, set(document["inputs"]))
        inputs = {name: field["default"] for name, field in document["inputs"].items()} | dict(
            given
        )
        github = {**contexts["github"], "action_path": str(action)}
        inside = {"inputs": inputs, "github": github}
        done = self._steps(document["runs"]["steps"], inside, env)
        known = {**inside, "steps": done.outputs}
        self.outputs = {
            name: fill(field["value"], known) for name, field in document["outputs"].items()
        }
        return Outcome(done.ok, self.outputs)

    def _script(self, step: Values, contexts: Values, env: Mapping[str, str]) -> Outcome:
        names = ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY")
        self._files += 1
        files = {f"GITHUB_{name}": self.folder / f"{self._files} {name}" for name in names}
        for path in files.values():
            path.touch()
        path = self.folder / f"{self._files}.sh"
        path.write_text(fill(step["run"], contexts))
        folder = self.workspace / fill(step.get("working-directory", "."), contexts)
        done = subprocess.run(
            [*_SHELLS[step["shell"]], path],
            cwd=folder,
            env={**self._environment, **env, **{name: str(path) for name, path in files.items()}},
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # the real one obeys commands of both, too
        )
        text = done.stdout.decode()
        self.log += text
        for command in filter(None, map(obey, text.split("\n"))):
            assert command.name in _ANNOTATIONS, command
            self.annotations.append(command)
        self.summary += files["GITHUB_STEP_SUMMARY"].read_text()
        self._environment |= dict(_assignments(files["GITHUB_ENV"]))
        for line in files["GITHUB_PATH"].read_text().splitlines():
            self._environment["PATH"] = line + os.pathsep + self._environment["PATH"]
        return Outcome(done.returncode == 0, dict(_assignments(files["GITHUB_OUTPUT"])))

    # --- Actions of GitHub's own: what they promise -------------------------------------------

    def _check_out(self, given: Mapping[str, str]) -> None:
        """The workspace is the repository as of its last commit, and holds no credentials.

        With a `fetch-depth` of 0 it has all commits and branches.
        """
        _known(given, {"persist-credentials", "fetch-depth"})
        assert given["persist-credentials"] == "false"
        depth = () if given.get("fetch-depth") == "0" else ("--depth=1",)
        git(self.folder, "clone", "--quiet", *depth, self.repository.as_uri(), self.workspace)

    def _upload(self, given: Mapping[str, str]) -> None:
        """A file of the workspace is kept."""
        _known(given, {"name", "path", "if-no-files-found"})
        path = self.workspace / given["path"]
        if path.exists():
            self.artifacts[given["name"]] = path
        else:
            assert given["if-no-files-found"] == "ignore"


_PROMISED: dict[str, Callable[[GitHub, Mapping[str, str]], None]] = {
    "actions/checkout": GitHub._check_out,
    "actions/upload-artifact": GitHub._upload,
}


def _wanted(step: Values, contexts: Values, ok: bool) -> bool:
    """Whether a step is run: without a word about the status, only after green ones."""
    condition = Expression(str(step.get("if", "success()")), contexts, failed=not ok)
    asks = condition.asks_status
    return bool(condition.value()) and (ok or asks)


def _known(given: Values, known: set[str]) -> None:
    if more := given.keys() - known:
        raise ValueError(f"not known here: {sorted(more)}")


def _assignments(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text().splitlines():
        name, sign, text = line.partition("=")
        if not sign or "<<" in name:
            raise ValueError(f"not known here: {line!r}")
        yield name, text


# --- GitLab -----------------------------------------------------------------------------------

# How GitLab's runner begins every script.
_PREAMBLE = (
    "if set -o | grep pipefail > /dev/null; then set -o pipefail; fi; set -o errexit\n"
    "set +o noclobber\n"
)
_GITLAB_KEYS = {"extends", "image", "stage", "before_script", "script", "artifacts", "rules"}


@dataclass
class GitLab:
    """Jobs of a `.gitlab-ci.yml` that includes files of its own repository.

    The folder that builds are made in stays between jobs, as on a runner of one's own.
    """

    folder: Path
    repository: Path
    path: Path
    shell: str = "bash"
    temp: Path | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.builds = self.temp or self.folder / "builds"
        self.project = self.folder / "project"
        git(self.folder, "clone", "--quiet", self.repository.as_uri(), self.project)
        pipeline = yaml.safe_load((self.project / ".gitlab-ci.yml").read_text())
        merged: dict[str, Any] = {}
        for include in pipeline.pop("include"):
            _known(include, {"local"})
            included = yaml.safe_load((self.project / include["local"]).read_text())
            merged = _merged(merged, included)
        self.document = _merged(merged, pipeline)

    def run(
        self, name: str, variables: Mapping[str, str], leave_out: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a job as its runner would, without the commands that have one of these words."""
        job = self.document[name]
        job = _merged(self.document[job["extends"]], job)
        _known(job, _GITLAB_KEYS)
        environment = clean_environment() | self.document["variables"] | variables
        predefined = {"CI": "true", "GITLAB_CI": "true", "CI_BUILDS_DIR": str(self.builds)}
        predefined |= {"CI_PROJECT_DIR": str(self.project)}
        predefined["PATH"] = f"{self.path}{os.pathsep}{os.environ['PATH']}"
        lines = [*job["before_script"], *job["script"]]
        lines = [line for line in lines if not any(words in line for words in leave_out)]
        return subprocess.run(
            [self.shell],
            cwd=self.project,
            env=environment | predefined,
            input=_PREAMBLE + "\n".join(lines) + "\n",
            check=False,
            capture_output=True,
            text=True,
        )


def _merged(under: Values, over: Values) -> dict[str, Any]:
    """What GitLab makes of a mapping laid over another."""
    both = dict(under)
    for name, value in over.items():
        old = both.get(name)
        nested = isinstance(old, Mapping) and isinstance(value, Mapping)
        both[name] = _merged(old, value) if nested else value
    return both

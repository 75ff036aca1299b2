"""Request headers of a source, with the environment variables that they take."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mirror.config.values import ConfigError
from mirror.runner import is_ci
from mirror.urls.sources import Source

VARIABLE = re.compile(r"\$\{(\w+)\}")
ALLOW_ENV = "MIRROR_ALLOW_ENV"
"""The environment variable that names, with commas, what headers may take where `CI` is set."""

# Credentials of clouds, registries and CI services. A configuration may come from a stranger, who
# would have them sent to a host of his own.
_CREDENTIAL_VARIABLE = re.compile(
    r"AWS_.*|.*SECRET.*|.*ACCESS_?KEY.*|.*APPLICATION_KEY.*|ACTIONS_.*|PG.*|DATABASE_URL|"
    r"(?:ALIBABA|ALIBABA_CLOUD|ALICLOUD|ANTHROPIC|ARM|AZURE|B2|CF|CLOUDFLARE|CLOUDSDK|COS|"
    r"DIGITALOCEAN|GEMINI|GOOGLE|HEROKU|HUAWEICLOUD|KODO|MC_HOST|MINIO|NETLIFY|OBS|OPENAI|OSS|QCLOUD|"
    r"QINIU|RCLONE|RESTIC|SPACES|TENCENTCLOUD|TF_TOKEN|TOS|UPYUN|VERCEL)_.*|"
    r"(?:BITBUCKET|BUILDKITE|CARGO|CIRCLE|CODECOV|COPILOT|DOCKER|DOCKERHUB|FLY|FORGEJO|GEM_HOST|GH|"
    r"GITEA|GITHUB|GITLAB|HCLOUD|HF|NODE_AUTH|NPM|NUGET|PYPI|RUBYGEMS|SENTRY|SLACK|SNYK|SONAR|SURGE|"
    r"VAULT)_.*(?:TOKEN|JWT|PASSWORD|PAT|KEY)|CI_.*(?:TOKEN|JWT|PASSWORD).*|SYSTEM_ACCESSTOKEN|"
    r"TWINE_PASSWORD|MYSQL_PWD|SSH_.*",
    re.IGNORECASE,
)


def request_headers(source: Source, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that `source` is asked with; each `${NAME}` comes from `environ`.

    Raise `ConfigError` for a variable that is not set, or that no header may take: credentials of
    other programs, and where `CI` is set, whatever `MIRROR_ALLOW_ENV` does not name.
    """
    headers = {}
    for name, value in source.headers:
        for variable in VARIABLE.findall(value):
            if problem := _variable_problem(variable, environ):
                raise ConfigError(
                    f"source {source.name!r}: header {name} needs the environment variable "
                    f"{variable}, which {problem}"
                )
        headers[name] = VARIABLE.sub(lambda match: environ[match[1]], value)
    return headers


def header_variables(source: Source) -> list[str]:
    """Return the environment variables that the headers of `source` take, sorted."""
    return sorted({name for _, value in source.headers for name in VARIABLE.findall(value)})


def _variable_problem(variable: str, environ: Mapping[str, str]) -> str | None:
    if _CREDENTIAL_VARIABLE.fullmatch(variable):
        return (
            "holds credentials of another program and is never sent to a host; put the text that "
            "this host needs into a variable of its own, such as MIRROR_TOKEN"
        )
    allowed = [name.strip() for name in environ.get(ALLOW_ENV, "").split(",") if name.strip()]
    if is_ci(environ) and variable not in allowed:
        return (
            f"{ALLOW_ENV} does not name; in CI the configuration may come from a stranger. If this "
            f"job reads only what you trust, set {ALLOW_ENV}={','.join([*allowed, variable])} in it"
        )
    return None if variable in environ else "is not set"

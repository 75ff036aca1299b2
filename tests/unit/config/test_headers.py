"""Request headers take what a host needs from the environment, and no credentials of others."""

from pathlib import Path

import pytest

from mirror.config import ConfigError, parse_config, request_headers

SOURCE = {"name": "s", "match": ["https://h.example/"]}


def source(**keys):
    return {"source": [SOURCE | keys]}


def test_a_header_comes_from_the_environment_when_it_is_needed():
    config = parse_config(source(headers={"Cookie": "${C}"}), Path("/"))
    assert request_headers(config.sources[0], {"C": "v"}) == {"Cookie": "v"}
    with pytest.raises(ConfigError, match="environment variable C, which is not set"):
        request_headers(config.sources[0], {})


@pytest.mark.parametrize("name", ["X-Thing", "Authorization"])
def test_a_secret_may_stand_within_a_header(name):
    config = parse_config(source(headers={name: "Bearer ${T}, ${U}"}), Path("/"))
    values = {"T": "$1", "U": "${T}"}  # taken as they are
    assert request_headers(config.sources[0], values) == {name: "Bearer $1, ${T}"}
    with pytest.raises(ConfigError, match=f"header {name} needs the environment variable U"):
        request_headers(config.sources[0], {"T": "v"})


@pytest.mark.parametrize(
    "name",
    (
        "AWS_SECRET_ACCESS_KEY AWS_ACCESS_KEY_ID MY_SECRET_X GITHUB_TOKEN GH_TOKEN CI_JOB_TOKEN "
        "CI_JOB_JWT_V2 CI_REGISTRY_PASSWORD ACTIONS_RUNTIME_TOKEN GITLAB_TOKEN NPM_TOKEN "
        "github_token SYSTEM_ACCESSTOKEN AZURE_CLIENT_ID DOCKER_PASSWORD "
        "CLOUDSDK_AUTH_ACCESS_TOKEN RESTIC_PASSWORD CARGO_REGISTRY_TOKEN NUGET_API_KEY MYSQL_PWD"
    ).split(),
)
@pytest.mark.parametrize("ci", [{}, {"CI": "true", "MIRROR_ALLOW_ENV": "@"}])
def test_credentials_of_other_programs_are_sent_to_nobody(name, ci):
    config = parse_config(source(headers={"Cookie": f"${{{name}}}"}), Path("/"))
    environ = {name: "planted"} | {key: value.replace("@", name) for key, value in ci.items()}
    with pytest.raises(ConfigError, match=f"variable {name}, which .* MIRROR_TOKEN") as error:
        request_headers(config.sources[0], environ)
    assert "planted" not in str(error.value)


def test_in_ci_a_header_takes_only_variables_that_the_job_names():
    config = parse_config(source(headers={"Cookie": "${A} ${B}"}), Path("/"))
    environ = {"A": "planted", "B": "c", "CI": "1"}
    for allowed in ({}, {"MIRROR_ALLOW_ENV": ""}, {"MIRROR_ALLOW_ENV": "A,BB"}):
        with pytest.raises(ConfigError, match=r"MIRROR_ALLOW_ENV=(A|A,B|A,BB,B) ") as error:
            request_headers(config.sources[0], environ | allowed)
        assert "planted" not in str(error.value)
    environ |= {"MIRROR_ALLOW_ENV": "B, A"}
    assert request_headers(config.sources[0], environ) == {"Cookie": "planted c"}


@pytest.mark.parametrize("name", ["JENKINS_HOME", "bamboo_buildKey", "RENDER", "TF_BUILD"])
def test_a_runner_that_does_not_set_ci_is_one(name):
    config = parse_config(source(headers={"Cookie": "${A}"}), Path("/"))
    with pytest.raises(ConfigError, match="MIRROR_ALLOW_ENV=A "):
        request_headers(config.sources[0], {"A": "v", name: "x"})


def test_the_variable_that_a_message_proposes_can_be_used():
    with pytest.raises(ConfigError) as error:
        parse_config(source(headers={"X-Secret": "hush"}), Path("/"))
    name = str(error.value).rpartition("${")[2].partition("}")[0]
    config = parse_config(source(headers={"X-Secret": f"${{{name}}}"}), Path("/"))
    assert request_headers(config.sources[0], {name: "v"}) == {"X-Secret": "v"}

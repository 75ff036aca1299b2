"""The test for a CI runner, by the variables that runners set in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

# Most set `CI`. Azure Pipelines, TeamCity, Jenkins, AWS CodeBuild, Bamboo, GoCD, Taskcluster,
# Harness and Render have names of their own. Jenkins has its URL only where somebody set it.
_NAMES = (
    "CI GITHUB_ACTIONS TF_BUILD TEAMCITY_VERSION JENKINS_URL JENKINS_HOME CODEBUILD_BUILD_ID "
    "bamboo_buildKey GO_PIPELINE_NAME TASKCLUSTER_ROOT_URL HARNESS_BUILD_ID RENDER"
).split()


def is_ci(environ: Mapping[str, str] = os.environ) -> bool:
    """Return True on a CI runner, where nobody types and others read the log."""
    return any(environ.get(name) for name in _NAMES)

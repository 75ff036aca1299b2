"""The formats in which CI services read a check: one format, one file.

Read in this order:

- `check`: `CheckReport`, the outcome of a check with locations in the repository, and
  `SetupFailure`, the reason why nothing was compared
- `junit`: JUnit XML, read by GitLab, Jenkins and others
- `sarif`: SARIF 2.1.0, read by code scanning services
- `github`: annotations for the log of a GitHub workflow, and Markdown for its job summary
- `parquet`: the manifest for programs that read tables; an extra, so import it where it is used

Each format of a check has a function for a report and one for a failure. All are pure. Plain text
and JSON Lines are printed by the command line itself.
"""

from mirror.formats.check import CheckReport, FileLocation, SetupFailure
from mirror.formats.github import (
    ANNOTATIONS,
    github_annotation_of_failure,
    github_annotations,
    job_summary,
    job_summary_of_failure,
)
from mirror.formats.junit import junit_xml, junit_xml_of_failure
from mirror.formats.sarif import SARIF_SCHEMA, sarif_log, sarif_log_of_failure

__all__ = [
    "ANNOTATIONS",
    "SARIF_SCHEMA",
    "CheckReport",
    "FileLocation",
    "SetupFailure",
    "github_annotation_of_failure",
    "github_annotations",
    "job_summary",
    "job_summary_of_failure",
    "junit_xml",
    "junit_xml_of_failure",
    "sarif_log",
    "sarif_log_of_failure",
]

"""TODO page of formats."""

from mirror.formats.github import ANNOTATIONS, github, job_summary, stopped_github, stopped_summary
from mirror.formats.junit import junit, stopped_junit
from mirror.formats.report import Place, Report, Stopped
from mirror.formats.sarif import SARIF_SCHEMA, fingerprint, sarif, stopped_sarif

__all__ = [
    "ANNOTATIONS",
    "SARIF_SCHEMA",
    "Place",
    "Report",
    "Stopped",
    "fingerprint",
    "github",
    "job_summary",
    "junit",
    "sarif",
    "stopped_github",
    "stopped_junit",
    "stopped_sarif",
    "stopped_summary",
]

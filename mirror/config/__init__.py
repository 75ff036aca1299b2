"""Config: `mirror.toml` -> one frozen `Config`. Unknown keys and literal secrets are errors.

Read in this order:

- `values`: the parts of a `Config`, and its errors
- `parse`: the file is found, read and parsed, table by table
- `table`: one TOML table with typed access
- `places`: where a run writes, and that no place holds another one
- `headers`: what the request headers of a source take from the environment
"""

from __future__ import annotations

from mirror.config.headers import header_variables, request_headers
from mirror.config.parse import find_config, load_config, loads_config, parse_config
from mirror.config.places import check_no_escape, folder_of, written_folders
from mirror.config.values import (
    CONFIG_NAME,
    DEFAULT_KEY,
    ArchiveBucket,
    Config,
    ConfigError,
    DestinationSettings,
    FetchSettings,
    MissingConfigError,
    PostSettings,
)

__all__ = [
    "CONFIG_NAME",
    "DEFAULT_KEY",
    "ArchiveBucket",
    "Config",
    "ConfigError",
    "DestinationSettings",
    "FetchSettings",
    "MissingConfigError",
    "PostSettings",
    "check_no_escape",
    "find_config",
    "folder_of",
    "header_variables",
    "load_config",
    "loads_config",
    "parse_config",
    "request_headers",
    "written_folders",
]

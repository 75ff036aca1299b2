"""Site generators: the address, content and output of a site, and the folder that it publishes.

Read in this order: `table.py` (every generator, as data), `settings.py` (what a configuration in
TOML, JSON, YAML, JavaScript or Python sets), `recognise.py` (which generator a folder is for, and
what its configuration says), `public.py` (where pictures lie that it publishes).

A new generator is a new row of the table.
"""

from mirror.generators.public import PublicFolder, public_folder
from mirror.generators.recognise import (
    SiteGenerator,
    find_generator,
    find_generators,
    generators_above,
)
from mirror.generators.settings import read_settings

__all__ = [
    "PublicFolder",
    "SiteGenerator",
    "find_generator",
    "find_generators",
    "generators_above",
    "public_folder",
    "read_settings",
]

"""The rows where a copy differs most: a reproduction that fails there fails as a whole."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from mirror.repeats.statistics import Statistics, measure_rows, planes

UNIT = 16
"""Pixels a side of the largest unit that a JPEG codes by itself."""

_ROWS = 2 * UNIT
# Rows beside the measured ones: one unit whose colours depend on rows outside, and one on which the
# differences of the measured rows depend.
_BESIDE = 2 * UNIT
_MOST = 0.5  # of a picture; a larger band saves nothing


class Band:
    """The rows around the place where a copy differs most from its origin.

    `hopeless` returns True for statistics that are over every limit.
    """

    def __init__(self, copy: Image.Image, top: int, hopeless: Callable[[Statistics], bool]) -> None:
        self._copy = copy
        self._hopeless = hopeless
        self._top = top // UNIT * UNIT
        self._bottom = min(self._top + _ROWS, copy.height)
        self.start = max(self._top - _BESIDE, 0)
        self.stop = min(self._bottom + _BESIDE, copy.height)
        self.nearest: Statistics | None = None
        """The statistics of the first reproduction that failed here."""

    @classmethod
    def around(
        cls, copy: Image.Image, row: int, hopeless: Callable[[Statistics], bool]
    ) -> Band | None:
        """Return the band around a row, `None` where it would be most of the picture."""
        band = cls(copy, row, hopeless)
        return band if band.stop - band.start <= _MOST * copy.height else None

    @property
    def is_aligned_when_turned(self) -> bool:
        """True if the units of a JPEG that is stored turned begin where those of this band do."""
        return self._copy.height % UNIT == 0

    def cut(self, image: Image.Image) -> Image.Image:
        """Return the rows that are coded together with those of the band."""
        return image.crop((0, self.start, image.width, self.stop))

    def fails(self, made: Image.Image) -> bool:
        """Return True if these rows of a reproduction prove that it fails; `made` is a cut."""
        above = UNIT if self.start else 0
        below = UNIT if self.stop < self._copy.height else 0
        box = (0, above, made.width, made.height - below)
        expected = self.cut(self._copy).crop(box)
        top = self._top - self.start - above
        rows = (top, top + self._bottom - self._top)
        left_over = measure_rows(planes(made.crop(box)), planes(expected), *rows)
        if not self._hopeless(left_over):
            return False
        self.nearest = self.nearest or left_over
        return True

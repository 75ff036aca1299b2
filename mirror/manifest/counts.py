"""The numbers that every command gives of a manifest, under one name each."""

from __future__ import annotations

from dataclasses import dataclass

from mirror.amounts import count_text
from mirror.model import Asset


@dataclass(slots=True)
class ImageCounts:
    """The images of a manifest. `images` is the sum of `pictures` and `repeats`.

    An image is an address of a source. An original is a file that came from one or more addresses.
    An image is a repeat if another image has the same bytes, or if another original, which looks
    alike, stands for that of the image. `originals` also counts those that no address gives now.

    Each picture has one object in every destination, except for `in_archive_alone`. Beside them
    there are `former_objects`, which were stored before a better copy or another picture came.
    """

    images: int = 0
    originals: int = 0
    same_bytes: int = 0
    look_alike: int = 0
    in_archive_alone: int = 0
    former_objects: int = 0

    @property
    def repeats(self) -> int:
        return self.same_bytes + self.look_alike

    @property
    def pictures(self) -> int:
        return self.images - self.repeats

    @property
    def objects(self) -> int:
        """Number of objects that each destination has."""
        return self.pictures - self.in_archive_alone + self.former_objects

    def add_asset(self, asset: Asset, times: int = 1) -> None:
        """Count an asset; `times=-1` takes it out of the counts."""
        has_key, is_alias = asset.key is not None, asset.alias_of is not None
        self.add(len(asset.sources), has_key=has_key, is_alias=is_alias, times=times)

    def add(self, sources: int, *, has_key: bool, is_alias: bool, times: int = 1) -> None:
        """Count an original that has so many sources."""
        self.originals += times
        if sources:
            self.images += times * sources
            self.same_bytes += times * (sources - 1)
            self.look_alike += times * is_alias
        is_picture = sources > 0 and not is_alias
        self.in_archive_alone += times * (is_picture and not has_key)
        self.former_objects += times * (has_key and not is_picture)

    def text(self, unprocessed: int = 0) -> str:
        """Return `3 images in the manifest: 2 pictures; 1 is a repeat of another (…)`.

        `unprocessed` of the images are originals of renditions, which no post names.
        """
        images = f"{count_text(self.images, 'image')} in the manifest"
        if unprocessed:
            images += f" ({count_text(unprocessed, 'unprocessed original')} among them)"
        if not self.repeats:
            return f"{images}, none is a repeat of another"
        kinds = [f"{self.same_bytes:,} of the same bytes"] if self.same_bytes else []
        if self.look_alike:
            kinds.append(count_text(self.look_alike, "that looks alike", "that look alike"))
        pictures = count_text(self.pictures, "picture")
        repeats = count_text(self.repeats, "is a repeat", "are repeats")
        return f"{images}: {pictures}; {repeats} of another ({', '.join(kinds)})"

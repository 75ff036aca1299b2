"""Hold back what a person has to look at, instead of recording it. Pure.

A source that serves another picture than before changes nothing that stands: the new picture is
held back until a person accepts it. Two more kinds are held back: a picture of the manifest that
nothing proves to be that of its address, and a picture to which a host redirects several addresses.
If the first of these addresses was recorded before the second came, its line stays in the manifest,
and posts keep the URL of the source.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mirror.archive import original_key
from mirror.manifest import Manifest
from mirror.model import Advice, Asset, Finding, HeldImage, Rule
from mirror.pipeline.download import FetchedImage
from mirror.pipeline.plan import ImageRequest
from mirror.pipeline.post_images import PostImage
from mirror.redirects import Redirect, redirected_together
from mirror.repeats.reviews import Reviews
from mirror.urls.address import Address, identity

# A picture that a person does not want: nothing is to change, and nobody is to ask again.
_REFUSE = "to keep the old one and be asked no more, list the address under [[ignore]]"
_REFUSE_NOTICE = "if it is not, list the address under [[ignore]]"


@dataclass(frozen=True, slots=True)
class HoldResult:
    """The images that came in a run: those that are recorded, and those that are held back.

    `redirects` says where the addresses lead to, now that the images came.
    """

    recorded: Sequence[FetchedImage]
    held: Sequence[HeldImage]
    findings: Sequence[Finding]
    redirects: dict[Address, Redirect]


def hold_back(
    manifest: Manifest,
    fetched: Sequence[FetchedImage],
    reviews: Reviews,
    held_before: Iterable[HeldImage],
    redirects_before: Mapping[Address, Redirect],
    doubtful: Container[str],
) -> HoldResult:
    """Hold back what a person has to look at, unless `reviews` accept it.

    That is a picture that differs from the one that the manifest has for its address, and one
    picture that a host redirects several addresses to, in this run or an earlier one.
    `redirects_before` are those of earlier runs.
    `doubtful` are the identities of addresses for which nothing proves the picture of the manifest.
    """
    pending = (image for image in held_before if not _is_recorded(manifest, image))
    # The pictures that a person is asked about, or has accepted.
    asked_about = {image.blob.digest for image in pending} | set(reviews.accepted.values())
    recorded: list[FetchedImage] = []
    held: list[HeldImage] = []
    findings: list[Finding] = []
    redirects = _redirects_after(redirects_before, fetched)
    notices = redirected_together(redirects)
    for image in fetched:
        address, blob = image.request.addresses[0], image.blob
        before = manifest.find(address)
        if reviews.accepts(address, blob.digest) or (before and before.digest == blob.digest):
            recorded.append(image)
        elif before is not None:
            held += (HeldImage(url, blob) for url in image.request.addresses)
            if identity(address) in doubtful:
                answer = f"serves {blob.digest}"
                findings.append(_unproven(image.request, before, answer, "the host is right"))
            else:
                findings.append(_changed(image, before))
        elif image.final_url is not None and (
            image.final_url in notices or blob.digest in asked_about
        ):
            held += (HeldImage(url, blob) for url in image.request.addresses)
            findings.append(_notice(image, notices.get(image.final_url, ()), manifest))
        else:
            recorded.append(image)
    return HoldResult(recorded, held, findings, redirects)


def _redirects_after(
    before: Mapping[Address, Redirect], fetched: Iterable[FetchedImage]
) -> dict[Address, Redirect]:
    """Return where the addresses lead to, now that the images came."""
    redirects = dict(before)
    for image in fetched:
        for address in image.request.addresses:
            redirects.pop(address, None)
            if image.final_url is not None:
                redirect = Redirect(image.final_url, image.blob.digest)
                if redirect.leads_from(address):
                    redirects[address] = redirect
    return redirects


def _changed(image: FetchedImage, before: Asset) -> Finding:
    return image.request.finding(
        Rule.SOURCE_CHANGED,
        f"the host serves another picture now: {image.blob.digest} instead of {before.digest}. "
        "The new one is held back, and posts go on showing the old one; look at it "
        f"({original_key(image.blob.digest, image.blob.media_type)} in the archive), then "
        f"take it with `mirror accept {image.request.addresses[0]}`; {_REFUSE}",
        Advice.ACCEPT,
    )


def _notice(image: FetchedImage, together: Collection[Address], manifest: Manifest) -> Finding:
    addresses = f"{len(together)} addresses" if together else "this address and others"
    recorded = [address for address in together if manifest.find(address) is not None]
    also = (
        f". It is mirrored already for {recorded[0]}, so look at that one too" if recorded else ""
    )
    return image.request.finding(
        Rule.REDIRECTED_TOGETHER,
        f"the host redirects {addresses} to one picture, {image.final_url}: a notice that "
        f"a picture is gone looks like this. It is held back, and the post stays as it is{also}; "
        f"if it is right, take it with `mirror accept {image.request.addresses[0]}`; "
        f"{_REFUSE_NOTICE}",
        Advice.ACCEPT,
    )


def _unproven(request: ImageRequest, before: Asset, answer: str, if_right: str) -> Finding:
    message = (
        f"the manifest has picture {before.digest} for it, which never came from it here, and "
        f"the host {answer}. The post stays as it is. If the line is wrong, take the address out "
        f"of its `sources`; if {if_right}, `mirror accept {request.addresses[0]}`"
    )
    return request.finding(Rule.SOURCE_NOT_PROVEN, message, Advice.ACCEPT)


def hold_unconfirmed(
    manifest: Manifest,
    requests: Iterable[ImageRequest],
    fetched: Iterable[FetchedImage],
    doubtful: Container[str],
) -> tuple[list[HeldImage], list[Finding]]:
    """Return the pictures that the manifest has for `doubtful` addresses and no host confirmed.

    They wait for a person's decision, and each is a finding.
    """
    answered = {identity(url) for image in fetched for url in image.request.addresses}
    images: list[HeldImage] = []
    findings: list[Finding] = []
    for request in requests:
        address = request.addresses[0]
        before = manifest.find(address)
        if identity(address) in answered or identity(address) not in doubtful or before is None:
            continue
        images += (HeldImage(url, before.blob) for url in request.addresses)
        findings.append(_unproven(request, before, "does not send it now", "it is right"))
    return images, findings


@dataclass(frozen=True, slots=True)
class Suspect:
    """A recorded picture whose host redirects `count` addresses to it; nobody accepted it yet.

    Posts that show it from its source stay as they are.
    """

    image: HeldImage
    final_url: str
    count: int

    def __str__(self) -> str:
        return (
            f"the host redirects {self.count} addresses to one picture, {self.final_url}: a notice "
            "that a picture is gone looks like this. It was mirrored before the other came, and "
            "posts that name its source stay as they are; if it is right, take it with "
            f"`mirror accept {self.image.address}`; {_REFUSE_NOTICE}"
        )


def find_suspects(
    manifest: Manifest,
    redirects: Mapping[Address, Redirect],
    reviews: Reviews,
    ignored: Container[str] = frozenset(),
) -> dict[str, Suspect]:
    """Return the pictures recorded for addresses that are redirected together, by identity.

    A person is not asked about addresses that are `ignored`.
    """
    together = redirected_together(redirects)
    suspects = {}
    for address, redirect in redirects.items():
        asset = manifest.find(address)
        if (
            redirect.final_url in together
            and asset is not None
            and asset.digest == redirect.digest
            and address not in ignored
            and not reviews.accepts(address, asset.digest)
        ):
            image = HeldImage(address, asset.blob)
            count = len(together[redirect.final_url])
            suspects[identity(address)] = Suspect(image, redirect.final_url, count)
    return suspects


def suspect_findings(
    images: Iterable[PostImage], suspects: Mapping[str, Suspect]
) -> Iterator[Finding]:
    """Yield a finding for each image of the posts that is a suspect."""
    if not suspects:
        return
    for image in images:
        if (suspect := suspects.get(identity(image.located.address))) is not None:
            place, address = image.places[0], image.located.address
            yield place.finding(Rule.REDIRECTED_TOGETHER, address, str(suspect), Advice.ACCEPT)


def waiting_findings(
    images: Iterable[PostImage],
    held: Mapping[str, HeldImage],
    manifest: Manifest,
    reviews: Reviews,
    ignored: Container[str],
) -> Iterator[Finding]:
    """Yield a finding for each image of the posts whose new picture waits since an earlier run.

    For an address that is `ignored`, the old picture is to stay.
    """
    if not held:
        return
    for image in images:
        for address in image.addresses:
            if (new := held.get(identity(address))) is None:
                continue
            digest, before = new.blob.digest, manifest.find(address)
            if before is None or address in ignored or reviews.accepts(address, digest):
                continue
            if digest != before.digest:
                message = (
                    f"another picture than the mirrored one is held back since an earlier run, "
                    f"{digest} instead of {before.digest}; `mirror accept {address}` takes it; "
                    f"{_REFUSE}"
                )
                yield image.places[0].finding(Rule.SOURCE_CHANGED, address, message, Advice.ACCEPT)


def without_answered(
    held: Mapping[str, HeldImage], answered: Container[str]
) -> dict[str, HeldImage]:
    """Return the held images without those of addresses that are `answered`, by identity.

    What a host sends now takes the place of what it sent before: that is held back again, or
    recorded, or the picture that the manifest has.
    """
    return {name: image for name, image in held.items() if name not in answered}


def accepted_images(
    held: Mapping[str, HeldImage], manifest: Manifest, reviews: Reviews
) -> list[HeldImage]:
    """Return the held images that a person has accepted and that are not recorded yet."""
    return [
        image
        for image in held.values()
        if reviews.accepts(image.address, image.blob.digest) and not _is_recorded(manifest, image)
    ]


def still_held(images: Iterable[HeldImage], manifest: Manifest) -> list[HeldImage]:
    """Return the last held image of each address, without those that are recorded by now."""
    last: dict[str, HeldImage] = {identity(image.address): image for image in images}
    return [image for image in last.values() if not _is_recorded(manifest, image)]


def still_shown(
    held: Iterable[HeldImage], images: Iterable[PostImage], manifest: Manifest
) -> Iterator[HeldImage | Finding]:
    """Yield the held images of the addresses that posts show, and a finding for each of the rest.

    `images` are those that the posts show, and the `held_behind` of mirrored addresses.
    """
    held = list(held)
    if not held:
        return
    names = {identity(image.address) for image in held}
    # Only these are kept: there may be a million images.
    shown = names.intersection(identity(url) for image in images for url in image.addresses)
    for image in held:
        if identity(image.address) in shown:
            yield image
            continue
        again = "`mirror sync --refresh`" if manifest.find(image.address) else "`mirror sync`"
        message = (
            f"no post shows it any more, so picture {image.blob.digest}, which was held back for "
            f"it, waits for no decision; if a post shows it again, {again} asks its host"
        )
        yield Finding(Rule.HELD_NOT_SHOWN, image.address, message)


def _is_recorded(manifest: Manifest, image: HeldImage) -> bool:
    asset = manifest.find(image.address)
    return asset is not None and asset.digest == image.blob.digest

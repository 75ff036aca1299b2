"""The posts and images of the demonstration: a small blog with the habits of real ones."""

from __future__ import annotations

from mirror.demo.pictures import encode, slide

BUCKET = "https://demo-blog.oss-cn-hangzhou.aliyuncs.com/"
_LOST = "note/20180401120000.png"

_TALK = [
    ("Why backups fail", ["Nobody restores", "Nobody checks", "Everybody hopes"]),
    ("Object storage", ["Buckets and keys", "An ETag is no promise", "LIST is cheap"]),
    ("Latency", ["p50  12 ms", "p99  86 ms", "1,000 requests/s"]),
    ("Latency", ["p50  12 ms", "p99  88 ms", "1,000 requests/s"]),  # one digit: another slide
    ("The manifest", ["One line an image", "Equal contents, equal bytes"]),
    ("The manifest", ["One line an image", "Equal contents, equal bytes", "A diff reads well"]),
]


def lost_url() -> str:
    """Return the address of an image that the host no longer has."""
    return BUCKET + _LOST


def objects() -> dict[str, bytes]:
    """Return the images of the host, by path."""
    slides = [slide(title, lines, page) for page, (title, lines) in enumerate(_TALK, 1)]
    png = [encode(image, "PNG") for image in slides]
    images = {f"note/2021121323413{page}.png": data for page, data in enumerate(png, 1)}
    images["note/20211214000158.jpg"] = encode(slides[0], "JPEG", quality=80)  # saved again
    images["note/20211214002054.png"] = png[1]  # pasted twice
    images["note/20211214002311.png"] = png[1]
    images["note/封面.png"] = png[4]
    smaller = slides[2].resize((640, 360))
    images["note/20211216143076.png"] = encode(smaller, "PNG")  # a thumbnail beside its slide
    return images


def posts() -> dict[str, bytes]:
    """Return the Markdown files, by name. One has Windows line ends, one is in GB18030."""
    image = f"![]({BUCKET}note/%s)\n\n"
    first = (
        "---\ntitle: 备份之道（上）\ndate: 2021-12-17\n"
        f'cover: "{BUCKET}note/封面.png"\ntags:\n  - 云原生\n---\n\n'
        "图片来自会议 PPT。\n\n"
        + "".join(image % f"2021121323413{page}.png" for page in (1, 2, 3, 4))
        + "同一张图，另存为 JPEG：\n\n"
        + image % "20211214000158.jpg"
        + f"再贴一次：![同一张]({BUCKET}note/20211214002054.png)"
        f"![还是它]({BUCKET}note/20211214002311.png)\n\n"
        "代码里的不动：\n\n"
        f"```md\n![]({BUCKET}note/20211213234131.png)\n```\n"
    )
    second = (
        "# Notes on storage\r\n\r\n"
        f"[![thumbnail]({BUCKET}note/20211216143076.png)]({BUCKET}note/20211213234133.png)\r\n\r\n"
        f"<img src='{BUCKET}note/20211213234135.png' width=\"600\">\r\n\r\n"
        "| before | after |\r\n| --- | --- |\r\n"
        f"| ![]({BUCKET}note/20211213234135.png) | ![][6] |\r\n\r\n"
        f"Lost: ![]({lost_url()})\r\n\r\n"
        f"[6]: {BUCKET}note/20211213234136.png\r\n"
    )
    third = f"# 旧文\n\n用国标编码写的一篇：\n\n![插图]({BUCKET}note/20211213234131.png)\n"
    return {
        "backup-1.md": first.encode("utf-8"),
        "notes-on-storage.md": second.encode("utf-8"),
        "2009-old-post.md": third.encode("gb18030"),
    }

"""Coders that are not Pillow's, as far as their programs are installed; for benchmarks only.

`cjpeg` (libjpeg-turbo-progs), ImageMagick, GraphicsMagick, `vips`, `go` and `pngquant` are looked
for on the PATH; `node` finds jpeg-js, sharp and upng-js through NODE_PATH.
"""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache, partial
from io import BytesIO
from pathlib import Path

from PIL import Image

Encoder = Callable[[Image.Image], bytes]

_GO = """package main
import ("image"; "image/draw"; "image/jpeg"; "image/png"; "os"; "strconv")
func main() {
	in, err := png.Decode(os.Stdin)
	if err != nil { panic(err) }
	rgba := image.NewRGBA(in.Bounds())
	draw.Draw(rgba, in.Bounds(), in, image.Point{}, draw.Src)
	quality, _ := strconv.Atoi(os.Args[1])
	jpeg.Encode(os.Stdout, rgba, &jpeg.Options{Quality: quality})
}
"""
# A coder reads a line of JSON and so many bytes of RGBA, and answers with a length and the bytes.
_NODE = """
const name = process.argv[1], code = {
  "jpeg-js": m => (o, data) => m.encode({data, width: o.width, height: o.height}, o.quality).data,
  "upng-js": m => (o, data) => Buffer.from(
    m.encode([data.buffer.slice(data.byteOffset, data.byteOffset + data.length)],
             o.width, o.height, o.colours)),
  "sharp": m => (o, data) => {
    const raw = {width: o.width, height: o.height, channels: 4};
    return m(data, {raw}).removeAlpha()[o.format](o.options).toBuffer();
  },
}[name](require(name));
let held = Buffer.alloc(0), order = null, work = Promise.resolve();
process.stdin.on("data", part => {
  held = Buffer.concat([held, part]);
  const at = order ? -1 : held.indexOf(10);
  if (at >= 0) { order = JSON.parse(held.subarray(0, at)); held = held.subarray(at + 1); }
  const size = order && order.width * order.height * 4;
  if (order && held.length >= size) {
    const now = order, data = Buffer.from(held.subarray(0, size));
    order = null; held = held.subarray(size);
    work = work.then(() => code(now, data)).then(out => {
      const head = Buffer.alloc(4); head.writeUInt32LE(out.length);
      process.stdout.write(head); process.stdout.write(out);
    });
  }
});
process.stdin.on("end", () => work.then(() => process.exit(0)));
"""


def jpegs() -> dict[str, Encoder]:
    """By name, each with a quality as blogs use it."""
    encoders: dict[str, Encoder] = {}
    if go := _go():
        encoders |= {f"Go {q}": partial(piped, [go, str(q)], "PNG") for q in (75, 90)}
    if magick := shutil.which("convert-im6.q16") or shutil.which("magick"):
        for quality in (60, 82, 92):
            command = [magick, "ppm:-", "-quality", str(quality), "jpg:-"]
            encoders[f"ImageMagick {quality}"] = partial(piped, command, "PPM")
    if gm := shutil.which("gm"):
        command = [gm, "convert", "ppm:-", "-quality", "75", "jpg:-"]
        encoders["GraphicsMagick 75"] = partial(piped, command, "PPM")
    if cjpeg := shutil.which("cjpeg"):
        for name, options in (
            ("float 75", ["-dct", "float", "-quality", "75"]),
            ("float 95", ["-dct", "float", "-quality", "95"]),
            ("fast 75", ["-dct", "fast", "-quality", "75"]),
            ("fast 90", ["-dct", "fast", "-quality", "90"]),
            ("4:2:2 80", ["-sample", "2x1", "-quality", "80"]),
            ("4:4:0 80", ["-sample", "1x2", "-quality", "80"]),
            ("4:4:4 float 85", ["-sample", "1x1", "-dct", "float", "-quality", "85"]),
            ("progressive 80", ["-progressive", "-quality", "80"]),
        ):
            encoders[f"cjpeg {name}"] = partial(piped, [cjpeg, *options], "PPM")
    if vips := shutil.which("vips"):
        encoders["vips 75"] = partial(_vips, vips)
    if _has_node("jpeg-js"):
        encoders |= {f"jpeg-js {q}": partial(_node, "jpeg-js", quality=q) for q in (50, 80)}
    if _has_node("sharp"):
        for name, options in (
            ("sharp 80", {"quality": 80}),
            ("mozjpeg 75", {"quality": 75, "mozjpeg": True}),
            ("mozjpeg 90", {"quality": 90, "mozjpeg": True}),
            ("mozjpeg 80, no trellis", {"quality": 80, "optimiseScans": True, "quantTable": 3}),
        ):
            encoders[name] = partial(_node, "sharp", format="jpeg", options=options)
    return encoders


def palettes() -> dict[str, Encoder]:
    """PNGs of 256 colours and fewer."""
    encoders: dict[str, Encoder] = {
        f"Pillow {name}": partial(_quantized, colours, method)
        for name, colours, method in (
            ("median cut 256", 256, Image.Quantize.MEDIANCUT),
            ("median cut 64", 64, Image.Quantize.MEDIANCUT),
            ("median cut 16", 16, Image.Quantize.MEDIANCUT),
            ("octree 256", 256, Image.Quantize.FASTOCTREE),
            ("coverage 256", 256, Image.Quantize.MAXCOVERAGE),
        )
    }
    if pngquant := shutil.which("pngquant"):
        for name, options in (
            ("pngquant", []),
            ("pngquant, no dither", ["--nofs"]),
            ("pngquant 64, no dither", ["--nofs", "64"]),
            ("pngquant 32, no dither", ["--nofs", "32"]),
        ):
            encoders[name] = partial(piped, [pngquant, *options, "-"], "PNG")
    if magick := shutil.which("convert-im6.q16") or shutil.which("magick"):
        for name, options in (("dithered", []), ("no dither", ["+dither"])):
            command = [magick, "ppm:-", *options, "-colors", "256", "png8:-"]
            encoders[f"ImageMagick 256, {name}"] = partial(piped, command, "PPM")
    if _has_node("upng-js"):
        encoders["UPNG 256"] = partial(_node, "upng-js", colours=256)
    if _has_node("sharp"):
        for name, options in (
            ("sharp palette", {"palette": True}),
            ("sharp palette, no dither", {"palette": True, "dither": 0}),
        ):
            encoders[name] = partial(_node, "sharp", format="png", options=options)
    return encoders


def _quantized(colours: int, method: Image.Quantize, image: Image.Image) -> bytes:
    return _saved(image.quantize(colours, method), "PNG")


def _saved(image: Image.Image, coding: str) -> bytes:
    stream = BytesIO()
    image.save(stream, coding)
    return stream.getvalue()


def piped(command: list[str], coding: str, image: Image.Image) -> bytes:
    return subprocess.run(
        command, input=_saved(image, coding), capture_output=True, check=True
    ).stdout


def _vips(program: str, image: Image.Image) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        origin, copy = Path(folder) / "a.ppm", Path(folder) / "a.jpg"
        image.save(origin)
        subprocess.run([program, "jpegsave", origin, copy, "--Q", "75"], check=True)
        return copy.read_bytes()


@cache
def _go() -> str | None:
    """A program that codes with Go's image/jpeg, built once."""
    if not (go := shutil.which("go")):
        return None
    folder = Path(tempfile.mkdtemp(prefix="coder-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "main.go").write_text(_GO)
    build = [go, "build", "-o", folder / "coder", folder / "main.go"]
    return None if subprocess.run(build, check=False).returncode else str(folder / "coder")


@cache
def _has_node(module: str) -> bool:
    if not (node := shutil.which("node")):
        return False
    asked = [node, "-e", f"require({module!r})"]
    return not subprocess.run(asked, capture_output=True, check=False).returncode


@cache
def _worker(module: str) -> subprocess.Popen[bytes]:
    command = ["node", "-e", _NODE, module]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _node(module: str, image: Image.Image, **order: object) -> bytes:
    worker = _worker(module)
    if worker.stdin is None or worker.stdout is None:
        raise RuntimeError(f"{module} has no pipes")
    head = {"width": image.width, "height": image.height, **order}
    worker.stdin.write(json.dumps(head).encode() + b"\n" + image.convert("RGBA").tobytes())
    worker.stdin.flush()
    size = int.from_bytes(worker.stdout.read(4), "little")
    return worker.stdout.read(size)


FOUND = {"jpeg": jpegs, "palette": palettes}
"""By the kind of file: the coders that are installed."""

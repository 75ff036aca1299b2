"""A first backup over the line of a home: how near is it to what the line can carry?

    python -m benchmarks link [--folder PICTURES] [--count N] [--runs N]

The image host and the S3 server are 50 ms away, behind one line that all connections share. The
limit is the direction that takes longer, as if download and upload overlapped all the time.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.common import Run, helper, median, s3_server, seconds, several, slides_folder, table
from benchmarks.line import Direction, Line, shaped
from benchmarks.sync import Bench, slides, write_pictures

LINES = ((50, 20), (50, 50))  # megabits a second, down and up
ROUND_TRIP_S = 0.05


def over_line(bench: Bench, down: float, up: float) -> Run:
    """Back up over such a line; `facts` has the seconds that each direction was needed."""
    line = Line(Direction(down), Direction(up), ROUND_TRIP_S / 2)
    with shaped(line, [bench.host.url, bench.s3_url]) as (host_url, s3_url):
        far_bench = replace(bench, host_url=host_url + "/", s3_url=s3_url)
        done = far_bench.cold_to_s3(f"line-{up}")
    return replace(done, facts=done.facts | {"down_s": line.down.busy_s, "up_s": line.up.busy_s})


def main() -> None:
    parser = ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=slides_folder(), help="real slides")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with TemporaryDirectory(prefix="bench-link-") as text, ExitStack() as stack:
        scratch = Path(text)
        write_pictures(slides(options.folder, options.count), scratch / "plain")
        s3_url = stack.enter_context(s3_server(scratch / "s3"))
        host = stack.enter_context(helper("host", scratch / "plain"))
        bench = Bench(scratch / "plain", scratch, host, s3_url)
        bench.say_corpus(options.folder)
        works: dict[str, Callable[[], Run]] = {
            f"{down}/{up} Mbit/s": partial(over_line, bench, down, up) for down, up in LINES
        }
        done = several(options.runs, works)
        head = ("line", "sync s", "down s", "up s", "times the limit", "times one after the other")
        table(head, (_row(name, runs) for name, runs in done.items()))


def _row(name: str, runs: Sequence[Run]) -> tuple[object, ...]:
    down_s, up_s = (median(run.facts[way] for run in runs) for way in ("down_s", "up_s"))
    taken_s = seconds(runs)
    return name, taken_s, down_s, up_s, taken_s / max(down_s, up_s), taken_s / (down_s + up_s)


if __name__ == "__main__":
    main()

"""Writes docs/reference/dashboard-states.md: what a person on call sees in each state, with the picture.

usage: python -m tests.dashboards.pictures.reference [PICTURES]

PICTURES is a folder in which the tests kept theirs; their first screens are taken over.
"""

import struct
import sys
import zlib
from pathlib import Path

from tests.dashboards.pictures.states import PHONE, PLAN, STATES, State

PAGE = Path(__file__).parents[3] / "docs/reference/dashboard-states.md"
FOLDER = PAGE.with_suffix("")
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = """\
# What you see in each state

Written by `python -m tests.dashboards.pictures.reference` from the states in which the tests draw and read
the [dashboards](dashboards.md); a test compares the two. The pictures are the first screens, drawn with
Grafana's own published components from the dashboards as they are shipped and the metrics of a simulated
installation. Fonts differ a little from Grafana's, and alerts fire since a few seconds ago, because the
simulation has just begun to evaluate the rules. How soon each alert comes is in
[faults and alerts](faults-and-alerts.md).
"""


def text() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_section(state) for state in STATES)])


def _section(state: State) -> str:
    title = state.name.replace("-", " ").capitalize().replace("Postgresql", "PostgreSQL")
    return f"## {title}\n\n{state.sees}\n\n![{title}]({FOLDER.name}/{state.name}.png)\n"


def _take_over(state: State, pictures: Path) -> None:
    picture = (pictures / f"{state.name}.{state.pages[0]}.png").read_bytes()
    (FOLDER / f"{state.name}.png").write_bytes(cropped(picture, _first_screen(state)))


def cropped(picture: bytes, height: int) -> bytes:
    """The upper lines of a PNG in 24 bits of colour: each line is packed by what is above it alone."""
    chunks: list[tuple[bytes, bytes]] = []
    position = len(_SIGNATURE)
    while position < len(picture):
        (length,) = struct.unpack_from(">I", picture, position)
        kind = picture[position + 4 : position + 8]
        chunks.append((kind, picture[position + 8 : position + 8 + length]))
        position += length + 12
    header = chunks[0][1]
    width, whole, bits, colours = struct.unpack_from(">IIBB", header)
    assert (bits, colours, header[12]) == (8, 2, 0), "of true colour without a mask, and not interlaced"
    height = min(whole, height)
    lines = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    kept = zlib.compress(lines[: height * (1 + 3 * width)], 9)
    parts = ((b"IHDR", struct.pack(">II", width, height) + header[8:]), (b"IDAT", kept), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def _first_screen(state: State) -> int:
    """Pixels: down to the last table of it."""
    if state.width == PHONE:
        return 900
    return 1010 if state.pages[0] == PLAN else 692


def main() -> None:
    """Write the page, and take over what pictures there are."""
    PAGE.write_text(text())
    FOLDER.mkdir(exist_ok=True)
    for folder in map(Path, sys.argv[1:]):
        for state in STATES:
            _take_over(state, folder)


if __name__ == "__main__":
    main()

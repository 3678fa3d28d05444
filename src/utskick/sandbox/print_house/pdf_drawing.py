"""Script that renders the first pages of a PDF from stdin in a separate process.

Limits memory and time, so that a malicious PDF ends only this process. Writes the number of pages
as a line, then for each rendered page its size in bytes as a line and the PNG.
"""

from __future__ import annotations

import io
import resource
import sys

import pypdfium2

#: Longer side of a page image in pixels.
MAX_SIDE = 1200
MEMORY, SECONDS = 2 << 30, 10


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    max_pages, out = int(sys.argv[1]), sys.stdout.buffer
    document = pypdfium2.PdfDocument(sys.stdin.buffer.read())
    out.write(b"%d\n" % len(document))
    for number in range(min(len(document), max_pages)):
        page = document[number]
        image = page.render(scale=min(MAX_SIDE / max(*page.get_size(), 1), 2)).to_pil()
        png = io.BytesIO()
        image.save(png, "PNG", optimize=False)
        out.write(b"%d\n" % png.tell() + png.getvalue())


if __name__ == "__main__":
    main()

"""Run as a process of its own: draws the first pages of the PDF on stdin. A PDF that is too much
ends this process and no other.

stdout: the number of pages as a line, then for each drawn page the number of its bytes as a line,
and the PNG.
"""

from __future__ import annotations

import io
import resource
import sys

import pypdfium2

#: Points of the picture's longer side.
LONGEST = 1200
MEMORY, SECONDS = 2 << 30, 10


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    most, out = int(sys.argv[1]), sys.stdout.buffer
    document = pypdfium2.PdfDocument(sys.stdin.buffer.read())
    out.write(b"%d\n" % len(document))
    for number in range(min(len(document), most)):
        page = document[number]
        image = page.render(scale=min(LONGEST / max(*page.get_size(), 1), 2)).to_pil()
        written = io.BytesIO()
        image.save(written, "PNG", optimize=False)
        out.write(b"%d\n" % written.tell() + written.getvalue())


if __name__ == "__main__":
    main()

"""Header fields of an attachment's part: media type, character encoding and file name."""

from __future__ import annotations

import codecs
import re
from typing import Final
from unicodedata import combining, normalize
from urllib.parse import quote

from utskick.channels.email.header_encoding import pieces
from utskick.domain.attachment import Attachment
from utskick.domain.characters import composed

_TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,80}"  # noqa: S105 (token of RFC 2045, not a password)
_PARAMETER: Final = rf"; ?{_TOKEN}=(?:{_TOKEN}|\"[ !#-\[\]-~]{{1,80}}\")"
_MEDIA_TYPE: Final = re.compile(rf"({_TOKEN})/({_TOKEN})((?:{_PARAMETER}){{0,4}})\Z")
_MAGIC: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
)
#: Text formats that say their encoding themselves, in ASCII.
_SELF_DESCRIBED: Final = frozenset({"rtf", "richtext", "enriched"})
_CHARSET: Final = re.compile(r"; ?charset=", re.IGNORECASE)
_NAME: Final = re.compile(r"; ?name=", re.IGNORECASE)
#: Byte order marks of UTF-32 and UTF-16, the longest first.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

#: A name that every reader understands as it is: no quoted pair, no escape, no path.
_SIMPLE_NAME: Final = re.compile(r"(?=.{1,60}\Z)[A-Za-z0-9_-](?:[A-Za-z0-9._(),+&@-]| (?! |\Z))*\Z")
#: Characters in one section of a parameter (RFC 2231 section 3).
_SECTION: Final = 50
#: Characters of a fallback: a stem and an extension.
_STEM, _EXTENSION = 48, 10
#: Letters that do not decompose into an ASCII letter and a mark.
_LETTERS: Final = str.maketrans(
    {
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "Œ": "OE",
        "ß": "ss",
        "þ": "th",
        "Þ": "Th",
        **dict(zip("øØłŁđĐðÐıħŧ–—‐‑−", "oOlLdDdDiht-----", strict=True)),
    }
)
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._(),+&@-]+")


def media_type(attachment: Attachment) -> str:
    """Return the attachment's media type: as given if valid, else detected from its first bytes.

    ``message`` and ``multipart`` types become ``application/octet-stream``, as they must not be
    base64-encoded (RFC 2046 sections 5.1.1 and 5.2.1). A text without ``charset`` is given the one
    that it is in, if that is UTF-8 or begins with a byte order mark; any other is unknown.
    """
    given = attachment.content_type or ""
    match = _MEDIA_TYPE.match(given)
    if match is None:
        return next(
            (kind for magic, kind in _MAGIC if attachment.data.startswith(magic)),
            "application/octet-stream",
        )
    kind, subtype, parameters = match[1].lower(), match[2].lower(), match[3]
    if kind in ("message", "multipart"):
        return "application/octet-stream"
    if kind != "text" or subtype in _SELF_DESCRIBED or _CHARSET.search(parameters):
        return given
    charset = _charset(attachment.data)
    return given if charset is None else f"{given}; charset={charset}"


def _charset(data: bytes) -> str | None:
    for mark, charset in _MARKS:
        if data.startswith(mark):
            return charset
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    # Escape sequences change the character set (ISO 2022), and zero bytes are UTF-16 or no text.
    return None if "\x1b" in text or "\x00" in text else "utf-8"


def named(kind: str, file_name: str) -> str:
    """Add the file name in ASCII to a media type, on a line of its own.

    It is the fallback for readers that do not know RFC 2231. It is not repeated as ``filename``:
    Python's ``email`` and ripMIME would take it instead of the name itself.
    """
    return kind if _NAME.search(kind) else f'{kind};\r\n name="{ascii_name(file_name)}"'


def disposition(file_name: str) -> str:
    """Format ``attachment`` with a file name, in RFC 2231 sections unless it is a simple name.

    The name is composed (Unicode NFC): macOS decomposes names, which others show as two characters.
    """
    name = composed(file_name)
    if _SIMPLE_NAME.match(name):
        return f'attachment;\r\n filename="{name}"'
    sections = pieces(name, _SECTION, lambda ch: len(_percent(ch)))
    if len(sections) == 1:
        return f"attachment;\r\n filename*=utf-8''{_percent(name)}"
    lines = [f"filename*{number}*={_percent(section)}" for number, section in enumerate(sections)]
    lines[0] = lines[0].replace("=", "=utf-8''", 1)
    return "attachment;\r\n " + ";\r\n ".join(lines)


def ascii_name(file_name: str) -> str:
    """Return a name in ASCII that is safe as a file name, with the same extension.

    Letters lose their marks, what ASCII lacks becomes ``_``.
    """
    if _SIMPLE_NAME.match(file_name):
        return file_name
    letters = normalize("NFKD", file_name.translate(_LETTERS))
    plain = "".join(ch for ch in letters if not combining(ch))
    stem, dot, extension = plain.rpartition(".")
    if not dot or not extension.isascii() or not extension.isalnum():
        stem, extension = plain, ""
    stem = _UNSAFE.sub("_", stem[: 4 * _STEM]).strip("._")[:_STEM].rstrip("._")
    extension = extension[:_EXTENSION]
    return f"{stem or 'attachment'}.{extension}" if extension else stem or "attachment"


def _percent(text: str) -> str:
    return quote(text, safe="").replace("~", "%7E")

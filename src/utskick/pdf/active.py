"""Interactive parts of a PDF: scripts, actions, embedded files and media, XFA, signatures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pikepdf

from utskick.pdf.objects import dictionary, elements, entry, flag, is_container, members, name

#: Maximum number of objects that are searched.
MOST_OBJECTS: Final = 100_000
_SUSPECT: Final = re.compile(
    rb"/(JavaScript|JS|Launch|ImportData|SubmitForm|XFA|RichMedia|EF|EmbeddedFile|FileAttachment"
    rb"|Movie|Sound|Rendition|Screen|3D|ByteRange)\b"
)
_SCRIPT_ACTIONS: Final = {
    "/JavaScript",
    "/Launch",
    "/ImportData",
    "/SubmitForm",
    "/Rendition",
    "/Movie",
    "/Sound",
}
_FILES: Final = {
    "/EmbeddedFile",
    "/FileAttachment",
    "/RichMedia",
    "/Movie",
    "/Sound",
    "/Screen",
    "/3D",
}
_SIGNATURES: Final = {"", "/Sig", "/DocTimeStamp"}


@dataclass(frozen=True, slots=True)
class ActiveParts:
    """What a PDF has that does something, or is not part of its pages.

    ``scripts``: scripts and actions, also those that nothing refers to. ``files``: embedded files
    and media. ``runs``: a script that runs by itself when the document is opened. ``launches``: an
    action that starts a program. ``signed``: it carries a signature. ``dynamic_form``: an XFA form
    whose pages exist only in a viewer that supports it.
    """

    scripts: bool
    files: bool
    runs: bool
    launches: bool
    signed: bool
    dynamic_form: bool


def active_parts(pdf: pikepdf.Pdf) -> ActiveParts:
    """Search every object of the file, reachable or not."""
    containers = (obj for obj in pdf.objects if isinstance(obj, pikepdf.Object))
    suspects = [pdf.trailer, *(obj for obj in containers if _SUSPECT.search(_serialised(obj)))]
    kinds = {kind for suspect in suspects for kind in _kinds_in(suspect)}
    return ActiveParts(
        scripts="script" in kinds,
        files="file" in kinds,
        runs="script" in kinds and _runs_by_itself(pdf),
        launches="launch" in kinds and _is_reachable(pdf, "launch"),
        signed="signature" in kinds and _is_signed(pdf, suspects),
        dynamic_form=_is_dynamic(pdf),
    )


def _serialised(obj: pikepdf.Object) -> bytes:
    return (obj.stream_dict if isinstance(obj, pikepdf.Stream) else obj).unparse(resolved=True)


def _dictionaries(top: Any) -> Iterator[pikepdf.Dictionary]:
    """Iterate over the dictionaries of one object; indirect objects are searched on their own."""
    waiting: list[Any] = [top]
    while waiting:
        obj = waiting.pop()
        found = dictionary(obj)
        if found is not None:
            yield found
        inner = members(obj).values() if found is not None else elements(obj)
        waiting.extend(each for each in inner if is_container(each) and not each.is_indirect)


def _kinds_in(top: Any) -> Iterator[str]:
    for found in _dictionaries(top):
        keys = members(found)
        names = {name(keys.get(key)) for key in ("/S", "/Type", "/Subtype")}
        if keys.keys() & {"/JS", "/XFA"} or (names & _SCRIPT_ACTIONS and "/S" in keys):
            yield "script"
        if name(keys.get("/S")) == "/Launch":
            yield "launch"
        if "/EF" in keys or names & _FILES:
            yield "file"
        if _is_signature(keys):
            yield "signature"


def _is_signature(keys: dict[str, Any]) -> bool:
    return "/ByteRange" in keys and name(keys.get("/Type")) in _SIGNATURES


def _is_signed(pdf: pikepdf.Pdf, suspects: list[Any]) -> bool:
    """Return whether there is a signature other than those that grant rights to Adobe Reader.

    Those (ISO 32000-1 section 12.8.2.3) say nothing about the contents.
    """
    rights = {
        found.unparse(resolved=True)
        for key in ("/UR", "/UR3")
        if (found := dictionary(entry(pdf.Root, "/Perms", key))) is not None
    }
    signatures = (
        found
        for suspect in suspects
        for found in _dictionaries(suspect)
        if _is_signature(members(found))
    )
    return any(found.unparse(resolved=True) not in rights for found in signatures)


def _runs_by_itself(pdf: pikepdf.Pdf) -> bool:
    """Return whether the catalog or a page has a script that no person sets off."""
    names = entry(pdf.Root, "/Names", "/JavaScript")
    if any(True for key in ("/Names", "/Kids") for _ in elements(entry(names, key))):
        return True
    actions = [entry(pdf.Root, "/OpenAction"), *members(entry(pdf.Root, "/AA")).values()]
    actions += [each for page in pdf.pages for each in members(entry(page.obj, "/AA")).values()]
    return any(_has_script(action) for action in actions)


def _has_script(action: Any) -> bool:
    """Return whether an action, or one that follows it (``Next``), is a script."""
    waiting, seen = [action], set[tuple[int, int]]()
    while waiting:
        found = dictionary(waiting.pop())
        if found is None or (found.is_indirect and found.objgen in seen):
            continue
        seen.add(found.objgen)
        if name(entry(found, "/S")) == "/JavaScript" or entry(found, "/JS") is not None:
            return True
        following = entry(found, "/Next")
        waiting.extend([following, *elements(following)])
    return False


def _is_reachable(pdf: pikepdf.Pdf, kind: str) -> bool:
    """Return whether an object of the kind can be reached from the trailer."""
    waiting: list[Any] = [pdf.trailer]
    seen: set[tuple[int, int]] = set()
    while waiting:
        obj = waiting.pop()
        if obj.is_indirect:
            if obj.objgen in seen:
                continue
            seen.add(obj.objgen)
        if kind in _kinds_in(obj):
            return True
        inner = members(obj).values() if dictionary(obj) is not None else elements(obj)
        waiting.extend(each for each in inner if is_container(each))
    return False


def _is_dynamic(pdf: pikepdf.Pdf) -> bool:
    """Return whether there is an XFA form without pages of its own (ISO 32000-2 annex K).

    Its pages say that another viewer is needed. A static one has the same fields as widgets.
    """
    if flag(entry(pdf.Root, "/NeedsRendering")):
        return True
    if entry(pdf.Root, "/AcroForm", "/XFA") is None:
        return False
    return not any(
        name(entry(annotation, "/Subtype")) == "/Widget"
        for page in pdf.pages
        for annotation in elements(entry(page.obj, "/Annots"))
    )

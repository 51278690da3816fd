"""Canonical spelling of names of folders and files.

macOS decomposes letters, spreadsheets lengthen dashes, browsers append " (1)", downloaders keep percent-encoding. Such
differences must not create another region, election or constituency.
"""

import csv
import re
from functools import cache
from importlib import resources
from unicodedata import category, normalize
from urllib.parse import unquote

# Suffixes of copies by Windows, macOS and browsers, in English and Russian; there may be several.
_COPY = re.compile(
    r"(?: \(\d{1,3}\)| - (?:copy|копия)(?: ?\(\d{1,3}\))?| (?:copy|копия)(?: \d{1,3})?)+$", re.IGNORECASE
)
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_DASHES = "Pd"
_MINUS = "\u2212"
_INVISIBLE = {"\u00ad"}  # the soft hyphen, in addition to the category Cf of Unicode


def canonical(name: str) -> str:
    """The canonical spelling of a name.

    It has composed letters (NFC), single plain spaces, and plain hyphens. It has no invisible characters,
    percent-encoding, trailing dots or suffixes of copies. Names that differ only in these are the same name.
    """
    plain = normalize("NFC", _ENCODED.sub(_decoded, name))
    plain = "".join(_plain(letter) for letter in plain if category(letter) != "Cf" and letter not in _INVISIBLE)
    plain = " ".join(plain.split()).rstrip(". ")
    return _COPY.sub("", plain).rstrip(". ") or plain or name


def same(name: str) -> str:
    """The key for comparing names: canonical, without case, with "е" for "ё"."""
    return canonical(name).casefold().replace("ё", "е")


def _plain(letter: str) -> str:
    if category(letter) == _DASHES or letter == _MINUS:
        return "-"
    return " " if letter.isspace() or category(letter) == "Zs" else letter


def _decoded(found: re.Match[str]) -> str:
    try:
        return unquote(found[0], errors="strict")
    except UnicodeDecodeError:
        return found[0]  # a literal percent sign


@cache
def _regions() -> dict[str, tuple[str, str]]:
    """Name and IANA time zone of each known region, by comparison key."""
    text = resources.files("election_metrics").joinpath("data", "region_time_zones.csv").read_text("utf-8")
    return {
        same(row["region"]): (canonical(row["region"]), row["time_zone"]) for row in csv.DictReader(text.splitlines())
    }


def known_region(name: str) -> str | None:
    """The canonical name of a region; None if it is unknown."""
    found = _regions().get(same(name))
    return None if found is None else found[0]


def region_time_zone(name: str) -> str | None:
    """IANA time zone of a region; None if it is unknown."""
    found = _regions().get(same(name))
    return None if found is None else found[1]

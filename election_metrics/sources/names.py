"""Names of folders and files as people's machines spell them, and the one spelling that is meant.

A Mac decomposes letters, a spreadsheet makes dashes long, a browser adds " (1)", a downloader keeps percent-encoding.
None of that makes another region, election or constituency.
"""

import csv
import re
from functools import cache
from importlib import resources
from unicodedata import category, normalize
from urllib.parse import unquote

# After the name of a file or folder: Windows, macOS and browsers, in English and Russian; once or several times.
_COPY = re.compile(
    r"(?: \(\d{1,3}\)| - (?:copy|копия)(?: ?\(\d{1,3}\))?| (?:copy|копия)(?: \d{1,3})?)+$", re.IGNORECASE
)
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_DASHES = "Pd"
_MINUS = "\u2212"
_INVISIBLE = {"\u00ad"}  # soft hyphen; all of Unicode's class Cf otherwise


def canonical(name: str) -> str:
    """The name without what the eye cannot see or a machine added.

    Composed letters (NFC), plain spaces, one at a time, and hyphens; no invisible characters, percent-encoding, dots at
    the end, or marks of a copy. Two names that differ in these alone are one.
    """
    plain = normalize("NFC", _ENCODED.sub(_decoded, name))
    plain = "".join(_plain(letter) for letter in plain if category(letter) != "Cf" and letter not in _INVISIBLE)
    plain = " ".join(plain.split()).rstrip(". ")
    return _COPY.sub("", plain).rstrip(". ") or plain or name


def same(name: str) -> str:
    """What names are compared by: also without case, and with "е" for "ё"."""
    return canonical(name).casefold().replace("ё", "е")


def _plain(letter: str) -> str:
    if category(letter) == _DASHES or letter == _MINUS:
        return "-"
    return " " if letter.isspace() or category(letter) == "Zs" else letter


def _decoded(found: re.Match[str]) -> str:
    try:
        return unquote(found[0], errors="strict")
    except UnicodeDecodeError:
        return found[0]  # it was a percent sign


@cache
def _regions() -> dict[str, tuple[str, str]]:
    """Name and IANA time zone of each known region, by what names are compared by."""
    text = resources.files("election_metrics").joinpath("data", "region_time_zones.csv").read_text("utf-8")
    return {
        same(row["region"]): (canonical(row["region"]), row["time_zone"]) for row in csv.DictReader(text.splitlines())
    }


def known_region(name: str) -> str | None:
    """The region of this name, as we spell it; None: it is none that we know."""
    found = _regions().get(same(name))
    return None if found is None else found[0]


def region_time_zone(name: str) -> str | None:
    """IANA time zone of a region; None: it is none that we know."""
    found = _regions().get(same(name))
    return None if found is None else found[1]

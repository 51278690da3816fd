"""Canonical spelling of names of folders and files.

macOS decomposes letters, spreadsheets lengthen dashes, browsers append " (1)", downloaders keep percent-encoding. Such
differences must not create another region, election or constituency.
"""

import csv
import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib import resources
from unicodedata import category, normalize
from urllib.parse import unquote

# Suffixes of copies by Windows, macOS and browsers, in English and Russian; there may be several.
_COPY = re.compile(
    r"(?: \(\d{1,3}\)|(?<=[^\W\d])\(\d{1,3}\)| -? ?(?:copy|копия)(?: ?\(?\d{1,3}\)?)?"
    r"| \((?:another |другая |\d{1,2}(?:st|nd|rd|th) )?(?:copy|копия)(?: \d{1,3})?\))+$",
    re.IGNORECASE,
)
_COPY_OF = re.compile(r"^(?:copy of|копия)(?: ?\(\d{1,3}\))? (?=\S)", re.IGNORECASE)
_ENCODED = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_DASHES = "Pd"
_MINUS = "\u2212"
# In addition to the category Cf of Unicode: the soft hyphen, the combining joiner, variation selectors.
_INVISIBLE = {"\u00ad", "\u034f", *map(chr, range(0xFE00, 0xFE10))}
_BLANK = {"\u2800", "\u3164", "\u115f", "\u1160", "\uffa0"}  # an empty pattern of Braille, fillers of Hangul
_LATIN = str.maketrans("aceopxyABCEHKMOPTXY", "асеорхуАВСЕНКМОРТХУ")
_CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_LONGEST_ALIKE = 3
"""Letters of a word that is taken for Russian because each of its Latin letters looks like a Russian one."""
_MOST_ENCODINGS = 3
_MOST_FOLDERS = 1 << 14
"""Names that are remembered: there are many files below few folders."""
_KINDS = re.compile(r"^республика | (?:область|край|республика|автономный округ)$")
_NEARLY = 0.8


def canonical(name: str) -> str:
    """The canonical spelling of a name.

    It has composed letters (NFC), single plain spaces, and plain hyphens. It has no invisible characters,
    percent-encoding, trailing dots or suffixes of copies. Names that differ only in these are the same name.
    """
    decoded = name
    for _ in range(_MOST_ENCODINGS):
        decoded = _ENCODED.sub(_decoded, decoded)
    plain = decoded
    if not plain.isascii():
        letters = normalize("NFC", decoded)
        plain = "".join(_plain(letter) for letter in letters if category(letter) != "Cf" and letter not in _INVISIBLE)
    plain = " ".join(plain.split()).rstrip(". ")
    return _COPY_OF.sub("", _COPY.sub("", plain)).rstrip(". ") or plain or name


@lru_cache(_MOST_FOLDERS)
def canonical_folder(name: str) -> str:
    """The canonical spelling of a folder's name; Latin letters in Russian words are the Russian ones they look like."""
    plain = canonical(name)
    return _WORD.sub(_in_one_script, plain) if _CYRILLIC.search(plain) else plain


def same(name: str) -> str:
    """The key for comparing names: canonical, without case, with "е" for "ё"."""
    return canonical_folder(name).casefold().replace("ё", "е")


def _in_one_script(found: re.Match[str]) -> str:
    """A word of a Russian name, in Russian letters if it has any, or if it could be: "c", "EAO"."""
    word = found[0]
    is_alike = len(word) <= _LONGEST_ALIKE and all(ord(letter) in _LATIN for letter in word)
    return word.translate(_LATIN) if is_alike or _CYRILLIC.search(word) else word


def _plain(letter: str) -> str:
    if category(letter) == _DASHES or letter == _MINUS:
        return "-"
    return " " if letter.isspace() or category(letter) == "Zs" or letter in _BLANK else letter


def _decoded(found: re.Match[str]) -> str:
    try:
        return unquote(found[0], errors="strict")
    except UnicodeDecodeError:
        return found[0]  # a literal percent sign


@dataclass(frozen=True)
class Region:
    """A region of the list in `data/regions.csv`.

    Attributes:
        name: its canonical name.
        code: its number at the Central Election Commission, as in the commission's addresses and the portal's folders;
            "" where it is not known.
        time_zone: IANA time zone.
    """

    name: str
    code: str
    time_zone: str


@cache
def _regions() -> dict[str, Region]:
    """Each known region by comparison key."""
    text = resources.files("election_metrics").joinpath("data", "regions.csv").read_text("utf-8")
    return {
        _region_key(row["region"]): Region(canonical(row["region"]), row["code"], row["time_zone"])
        for row in csv.DictReader(text.splitlines())
    }


@cache
def _regions_by_code() -> dict[str, Region]:
    """Each known region by number; of several names of a region, the first."""
    return {region.code: region for region in reversed(_regions().values()) if region.code}


def _region_key(name: str) -> str:
    """The key of a region's name: spaces around dashes and before brackets mean nothing, nor do usual short forms."""
    key = re.sub(r" ?([-()]) ?", r"\1", same(name))
    return re.sub(r" обл$", " область", re.sub(r"^г[. ] ?", "город ", key))


def find_region(name: str) -> Region | None:
    """The region of this name, whose spaces may be underscores or pluses; None if it is unknown."""
    return _regions().get(_region_key(name)) or _regions().get(_region_key(name.replace("_", " ").replace("+", " ")))


@lru_cache(_MOST_FOLDERS)
def looks_like_region(name: str) -> bool:
    """Whether a name that is no known region's may be meant as one: a kind of region is in it, or it is nearly one."""
    key = same(name)
    return _KINDS.search(key) is not None or bool(get_close_matches(key, _regions(), n=1, cutoff=_NEARLY))


def region_of_code(code: str) -> Region | None:
    """The region of this number, in two digits; None if it is unknown."""
    return _regions_by_code().get(code)


def known_region(name: str) -> str | None:
    """The canonical name of a region; None if it is unknown."""
    found = find_region(name)
    return None if found is None else found.name


def region_time_zone(name: str) -> str | None:
    """IANA time zone of a region; None if it is unknown."""
    found = find_region(name)
    return None if found is None else found.time_zone

"""Paths that differ only in what the eye cannot see, or in what a machine added, say the same place."""

import io
import re
import struct
import zipfile
import zlib
from pathlib import Path, PurePath
from unicodedata import normalize
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from election_metrics.sources.export_file import ExportFile
from election_metrics.sources.export_path import ExportPath, parse_export_path
from election_metrics.sources.listing import list_exports
from election_metrics.sources.names import canonical, known_region, region_time_zone
from election_metrics.sources.portal_exports import read_exports
from election_metrics_tests.exports import CONTRACT, Folder, ms, vote

REGION, ELECTION, DISTRICT = "90 - Пермский край", "Выборы депутатов Думы Пермского края", "Округ - Южный (й) 1"
STEM = f"{CONTRACT}_2026-09-18_1300-1400"


def place(*folders: str, stem: str = STEM) -> ExportPath:
    found = parse_export_path(PurePath("/home/77 - above", *folders, f"{stem}.csv"), folders_below=len(folders))
    assert found is not None
    return found


RIGHT = place(REGION, ELECTION, DISTRICT)
spaces = st.sampled_from([" ", "\u00a0", "\u202f", "\u2009", "  ", "\u3000", "\u2800", "\u3164"])
dashes = st.sampled_from("-\u2010\u2011\u2012\u2013\u2014\u2212")
copies = st.sampled_from(
    ["", " (1)", " (12)", " — копия", " - копия (2)", " — копия 2", " копия 3", " (копия)", " (другая копия)", " (3rd copy)",
     " - Copy", " - Copy (3)", " copy 2", " copy", "."]
)  # fmt: skip
of_copies = st.sampled_from(["", "", "Копия ", "Копия (2) ", "Copy of "])
invisible = st.sampled_from(["", "\u200b", "\ufeff", "\u00ad", "\u200e", "\u034f", "\ufe0f"])
alike = st.sampled_from([("о", "o"), ("а", "a"), ("В", "B"), ("е", "e"), ("р", "p"), ("", "")])


@st.composite
def spelled(draw: st.DrawFn, name: str) -> str:
    """The name as some machine or person writes it."""
    text = re.sub(" ", lambda _: draw(spaces), name)
    text = re.sub("-", lambda _: draw(dashes), text)
    cut = draw(st.integers(0, len(text)))
    text = text[:cut] + draw(invisible) + text[cut:]
    text = normalize(draw(st.sampled_from(["NFC", "NFD"])), text.replace(*draw(alike)) if len(text) > 20 else text)
    text = draw(of_copies) + text + draw(copies)
    for _ in range(draw(st.integers(0, 2))):
        text = quote(text, safe="()")
    return text


@given(st.data())
def test_a_path_that_differs_in_what_no_eye_sees_says_the_same(data: st.DataObject) -> None:
    folders = [data.draw(spelled(name)) for name in (REGION, ELECTION, DISTRICT)]
    after = data.draw(st.sampled_from(["", " (1)", "(1)", " 2", " — копия", " — копия 2", " (копия)", ".csv"]))
    assert place(*folders, stem=STEM + after) == RIGHT


@pytest.mark.parametrize(
    "folder",
    ["90 Пермский край", "90_Пермский край", "90. Пермский край", "Пермский край - 90", "９０ - Пермский край",
     "٩٠ - Пермский край", "90 - Пермcкий край"],
)  # fmt: skip
def test_a_region_and_its_number_are_known_in_any_form(folder: str) -> None:
    assert place(folder, ELECTION, DISTRICT) == RIGHT


@given(st.text(max_size=40))
def test_a_canonical_name_is_its_own(name: str) -> None:
    assert canonical(canonical(name)) == canonical(name)


@pytest.mark.parametrize(
    "name",
    [
        "100 % явка",
        "Округ 5%",
        "Выборы-2026",
        "Ёлки",
        "(1)",
        "...",
        "Округ (бывший 3)",
        "копия",
        "Округ 2",
        "Округ №1(2)",
        "Копия",
    ],
)
def test_what_a_person_means_stays(name: str) -> None:
    assert canonical(name) == name


@pytest.mark.parametrize(
    ("folder", "code", "region", "zone"),
    [
        ("90 - Пермский край", "90", "Пермский край", "Asia/Yekaterinburg"),
        ("90-Пермский край", "90", "Пермский край", "Asia/Yekaterinburg"),
        ("пермский край", None, "Пермский край", "Asia/Yekaterinburg"),
        ("Кемеровская область — Кузбасс", None, "Кемеровская область - Кузбасс", "Asia/Novokuznetsk"),
        ("5 - Страна Оз", "5", "Страна Оз", None),
    ],
)
def test_a_region_is_known_by_its_name_with_or_without_its_number(
    folder: str, code: str | None, region: str, zone: str | None
) -> None:
    found = place(folder, ELECTION, DISTRICT)
    assert (found.region_code, found.region, found.election) == (code, region, ELECTION)
    assert region_time_zone(region) == zone
    assert (known_region(region) is None) == (zone is None)


@pytest.mark.parametrize(
    ("folder", "region"),
    [("90", "Пермский край"), ("９０", "Пермский край"), ("49", "Магаданская область"), ("77", "город Москва")],
)
def test_a_known_region_is_known_by_its_number_alone(folder: str, region: str) -> None:
    found = place(folder, ELECTION, DISTRICT)
    assert (found.region, found.election, found.constituency) == (region, ELECTION, DISTRICT)


@pytest.mark.parametrize(
    "folders",
    [
        ("Пермский край.zip", REGION), (f"{REGION}.zip", "Пермский край"), ("Пермский край", REGION), (REGION, REGION),
        ("1 - первый день.zip", REGION), ("1 - первый день", REGION), (f"{REGION}-20260918T120000Z-1-001.zip",),
        (f"{REGION}.zip (1).zip",), ("90_-_Пермский_край",), ("90+Пермский+край",), ("90: Пермский край",),
        ("90 \u2500 Пермский край",), ("02.zip", REGION), (REGION, "все.zip"),
    ],
)  # fmt: skip
def test_archives_and_folders_around_a_region_change_nothing(folders: tuple[str, ...]) -> None:
    assert place(*folders, ELECTION, DISTRICT) == RIGHT


@pytest.mark.parametrize(
    "folder", ["Самаркская область", "Пермская область", "Перьмский край", "Республика Марий-Эл 2"]
)
def test_a_misspelt_region_without_its_number_is_a_region_that_is_not_known(folder: str) -> None:
    found = place(folder, ELECTION, DISTRICT)
    assert (found.region, found.election, found.constituency) == (folder, ELECTION, DISTRICT)
    assert known_region(folder) is None


def test_an_election_may_stand_above_the_regions() -> None:
    assert place(ELECTION, REGION, DISTRICT) == RIGHT
    assert place("1 октября", REGION, ELECTION).election == ELECTION, "a day is none"


def test_a_region_within_another_is_told_as_not_known() -> None:
    found = place(REGION, "54 - Новосибирская область", ELECTION, DISTRICT)
    assert (found.election, found.constituency) == (ELECTION, DISTRICT)
    assert known_region(found.region or "") is None


@pytest.mark.parametrize("latin", ["Выборы c 18 по 20", "Выборы EAO", "Выборы CAO и BAO"])
def test_short_words_in_latin_letters_that_look_russian_are_russian(latin: str) -> None:
    russian = latin.translate(str.maketrans("cEAOCB", "сЕАОСВ"))
    assert place(REGION, latin, DISTRICT) == place(REGION, russian, DISTRICT)


@pytest.mark.parametrize("name", ["Выборы_Moscow_2026", "Выборы final", "Election of the Duma"])
def test_words_of_another_script_stay_as_they_are(name: str) -> None:
    assert place(REGION, name, DISTRICT).election == name


@pytest.mark.parametrize(
    "name",
    ["Чувашская Республика-Чувашия", "Республика Саха(Якутия)", "г. Москва", "Московская обл.", "Республика Саха"],
)
def test_usual_forms_of_a_regions_name_are_known(name: str) -> None:
    assert known_region(place(name, ELECTION, DISTRICT).region or "") is not None


def test_an_election_in_a_folder_of_its_own_name_is_one() -> None:
    assert place(REGION, ELECTION, ELECTION, DISTRICT) == RIGHT


@pytest.mark.parametrize(
    "folders", [("99", ELECTION, DISTRICT), ("1", ELECTION, DISTRICT), ("90", DISTRICT), (ELECTION, "90"), (ELECTION, DISTRICT, "90")]
)  # fmt: skip
def test_another_number_is_no_region(folders: tuple[str, ...]) -> None:
    assert place(*folders).region is None


def archive(members: dict[bytes, bytes], flag: int) -> bytes:
    """A zip whose members have these names, byte for byte; with the flag of UTF-8, or without."""
    out, directory = io.BytesIO(), io.BytesIO()
    for name, content in members.items():
        facts = (zlib.crc32(content), len(content), len(content), len(name))
        directory.write(
            struct.pack(
                "<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, flag, 0, 0, 0x5B32, *facts, 0, 0, 0, 0, 0x20, out.tell()
            )
        )
        directory.write(name)
        out.write(struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, flag, 0, 0, 0x5B32, *facts, 0) + name + content)
    start = out.tell()
    out.write(directory.getvalue())
    out.write(
        struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, len(members), len(members), len(directory.getvalue()), start, 0)
    )
    return out.getvalue()


def read(source: Path, tmp_path: Path) -> list[ExportFile]:
    """The exports of a source; none of its files is unreadable."""
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    listing = list_exports(source)
    found = [export for file in listing.files for export in read_exports(file, source, work)]
    assert listing.unreadable == []
    assert all(isinstance(export, ExportFile) for export in found), found
    return [export for export in found if isinstance(export, ExportFile)]


BODY = (vote("a", ms(1)) + "\n").encode()


@pytest.mark.parametrize("separator", ["/", "\\"])
@pytest.mark.parametrize(("code_page", "flag"), [("cp866", 0), ("utf-8", 0), ("utf-8", 0x800)])
@pytest.mark.parametrize("ending", ["zip", "ZIP"])
def test_the_names_in_an_archive_are_what_its_maker_meant(
    tmp_path: Path, code_page: str, flag: int, separator: str, ending: str
) -> None:
    district = DISTRICT if code_page == "utf-8" else DISTRICT.replace("№", "N")
    name = separator.join([REGION, ELECTION, district, STEM, f"{STEM}.csv"]).encode(code_page)
    source = tmp_path / "in"
    source.mkdir()
    (source / f"anything.{ending}").write_bytes(archive({name: BODY}, flag))
    (export,) = read(source, tmp_path)
    assert export.place == RIGHT


@pytest.mark.parametrize(
    ("where", "inside"),
    [
        (f"{REGION}.zip", f"{ELECTION}/{DISTRICT}"),
        (f"{REGION}/export.zip", f"{ELECTION}/{DISTRICT}"),
        (f"{REGION}/{ELECTION}/part (1).ZIP", DISTRICT),
        (f"{REGION}/{ELECTION}/{DISTRICT}/{STEM}.zip", "."),
    ],
)
def test_an_archive_is_no_folder_unless_it_is_called_as_a_region_is(tmp_path: Path, where: str, inside: str) -> None:
    path = tmp_path / "in" / where
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(f"{inside}/{STEM}.csv".removeprefix("./"), BODY)
    (export,) = read(tmp_path / "in", tmp_path)
    assert export.place == RIGHT


def test_what_a_mac_or_an_editor_leaves_is_no_export(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in" / REGION / ELECTION / DISTRICT)
    folder.put(vote("a", ms(1)), name="2026-09-18_1300-1400")
    for name in (f"._{STEM}.csv", ".DS_Store", f"~${STEM}.csv", "Thumbs.db"):
        (folder.root / name).write_bytes(b"\0\5\x16\7")
    with zipfile.ZipFile(tmp_path / "in" / "mac.zip", "w") as made:
        made.writestr(f"{REGION}/{ELECTION}/{DISTRICT}/{STEM}.csv", BODY)
        for junk in (
            f"__MACOSX/{REGION}/._{STEM}.csv",
            f"{REGION}/._{STEM}.csv",
            ".DS_Store",
            f"{REGION}/~${STEM}.csv",
        ):
            made.writestr(junk, b"\0\5\x16\7")
    assert [export.place for export in read(tmp_path / "in", tmp_path)] == [RIGHT, RIGHT]

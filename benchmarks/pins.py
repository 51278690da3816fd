"""`make constraints`: exact versions of all installed packages, with the hashes of all their files in the index.

`requirements/` has a file for the dependencies of the project, one for the additional packages of each extra, and one
for its build dependencies. They are parts of one resolution, for Linux and macOS on any processor.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.utils import canonicalize_name

FOLDER = Path("requirements")
RUN, BUILD = "run", "build"
_HEAD = "# {what}, exact and with hashes. Made by: make constraints. Installed by: pip install --require-hashes --no-deps -r\n"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)
_OTHERS = "sys_platform == 'win32'"


def resolved(source: Path | str, *options: str) -> dict[str, str]:
    """Resolves a pyproject.toml, or requirements as text, with uv; returns the lines of each package by name."""
    command = [
        str(Path(sys.executable).parent / "uv"), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
        "--no-header", "--no-annotate", "--no-emit-index-url", "--allow-unsafe", "--generate-hashes", *options, "-",
    ]  # fmt: skip
    given = None
    if isinstance(source, Path):
        command[-1] = str(source)
    else:
        given = source
    output = subprocess.run(command, input=given, capture_output=True, text=True, check=True).stdout
    found: dict[str, str] = {}
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", output):
        pin = _PIN.match(block)
        if pin and _OTHERS not in block.partition("\n")[0]:
            name = canonicalize_name(pin[1])
            found[name] = found.get(name, "") + block  # some versions of Python may need another version
    return found


def pins(project: Path, kept: str) -> dict[str, dict[str, str]]:
    """The lines of each package by file and name; files of extras omit the packages of `run`.

    Args:
        project: the pyproject.toml.
        kept: versions to keep, one for each line.
    """
    declared = tomllib.loads(project.read_text("utf-8"))
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as agreed:
        agreed.write(kept)
        agreed.flush()
        whole = resolved(project, "--all-extras", "--constraint", agreed.name)
        agreed.seek(0)
        agreed.truncate()
        agreed.write(versions_in("".join(whole.values())))
        agreed.flush()
        run = {name: whole[name] for name in resolved(project, "--constraint", agreed.name)}
        files = {RUN: run, BUILD: resolved("\n".join(declared["build-system"]["requires"]))}
        for extra in declared["project"]["optional-dependencies"]:
            names = resolved(project, "--constraint", agreed.name, "--extra", extra)
            files[extra] = {name: whole[name] for name in names if name not in run}
    for extra, found in files.items():  # one version of packages that several extras need
        files[extra] = {name: whole.get(name, block) for name, block in found.items()}
    return files


def versions_in(text: str) -> str:
    """The pins without their hashes, one for each line."""
    return "".join(line.rstrip(" \\") + "\n" for line in text.splitlines() if _PIN.match(line))


def names_in(folder: Path = FOLDER) -> set[str]:
    """Names of all pinned packages."""
    return {canonicalize_name(name) for file in folder.glob("*.txt") for name in _PIN.findall(file.read_text("utf-8"))}


def main() -> None:
    """Writes the files with the newest versions; `--keep` keeps existing pins and adds only what is missing."""
    FOLDER.mkdir(exist_ok=True)
    there = "".join(file.read_text("utf-8") for file in FOLDER.glob("*.txt"))
    kept = versions_in(there) if "--keep" in sys.argv[1:] else ""
    for extra, found in pins(Path("pyproject.toml"), kept).items():
        what = {RUN: "What the project needs", BUILD: "What builds the project"}.get(
            extra, f"What the extra `{extra}` adds to run.txt"
        )
        text = _HEAD.format(what=what) + "".join(found[name] for name in sorted(found))
        (FOLDER / f"{extra}.txt").write_text(text, "utf-8")
        print(f"{extra}: {len(found)} packages")


if __name__ == "__main__":
    main()

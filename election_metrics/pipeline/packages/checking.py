"""Checks a data package: its files, keys and sums, and every figure that follows from the hours."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from election_metrics.errors import ElectionMetricsError, SettingsError, SourceError
from election_metrics.pipeline.packages import integrity
from election_metrics.pipeline.packages.files import CHECKSUMS, DESCRIPTOR, SIGNATURE, SIGNER
from election_metrics.pipeline.packages.page_figures import page_differences
from election_metrics.pipeline.packages.recomputing import derived_differences, sum_differences
from election_metrics.pipeline.packages.signing import is_signed_by

_MOST = 5
"""Differences that are told of each check."""


@dataclass(frozen=True)
class Check:
    """The result of a check.

    Attributes:
        name: what was checked, in a word.
        said: what holds, or why it was not checked, in a sentence.
        differences: the first places where it does not hold, with file and figure.
        is_done: whether it was checked at all.
    """

    name: str
    said: str
    differences: Sequence[str] = ()
    is_done: bool = True

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def check_package(folder: Path, key: Path | None = None) -> Iterator[Check]:
    """Every check that needs nothing but the package.

    Args:
        folder: the folder of the package.
        key: the public key (PEM) that must have signed it; None: the one in the package, if it is signed.

    Raises:
        SourceError: the folder holds no package.
        SettingsError: the key cannot be read.
    """
    if not (folder / CHECKSUMS).is_file() or not (folder / DESCRIPTOR).is_file():
        raise SourceError(f"{folder} holds no package: {DESCRIPTOR} and {CHECKSUMS} are not both there")
    yield checked("files", f"every file has the bytes that {CHECKSUMS} says", integrity.file_differences(folder))
    yield _signature(folder, key)
    yield checked("descriptor", f"{DESCRIPTOR} describes every table", integrity.descriptor_differences(folder))
    yield checked("formats", "CSV and Parquet hold the same rows", integrity.format_differences(folder))
    yield checked("keys", "keys are unique, and what rows refer to is there", integrity.key_differences(folder))
    yield checked("sums", "in Parquet, hours = days = weeks = months = regions = election", sum_differences(folder))
    yield checked("figures", "what follows from the hours was computed again", derived_differences(folder))
    yield checked("page", "the page shows the figures of the tables", page_differences(folder))


def checked(name: str, said: str, differences: Iterator[str]) -> Check:
    """The result of a check; what cannot be read differs."""
    told: list[str] = []
    try:
        told += itertools.islice(differences, _MOST)
        if more := sum(1 for _ in differences):
            told.append(f"and {more:,} more")
    except ElectionMetricsError:
        raise
    except Exception as error:  # a package is untrusted: what stops a reader differs
        told.append(f"it cannot be checked: {' '.join(str(error).split())[:300]}")
    return Check(name, said, told)


def _signature(folder: Path, key: Path | None) -> Check:
    signature = folder / SIGNATURE
    if not signature.is_file():
        if key is None and (folder / SIGNER).exists():
            return Check("signature", "", [f"{SIGNATURE} is missing, though {SIGNER} is there"])
        if key is None:
            said = "the package is not signed: whoever changes it can write new hashes"
            return Check("signature", said, is_done=False)
        return Check("signature", "", [f"{SIGNATURE} is missing: the package is not signed"])
    by = folder / SIGNER if key is None else key
    if key is None and not by.is_file():
        return Check("signature", f"{SIGNER} is missing; give the public key by --key", is_done=False)
    try:
        is_signed = is_signed_by(by, (folder / CHECKSUMS).read_bytes(), signature.read_bytes())
    except SettingsError as error:
        if key is not None:
            raise
        return Check("signature", "", [str(error)])
    if not is_signed:
        return Check("signature", "", [f"{SIGNATURE} is no signature of {CHECKSUMS} by the key in {by}"])
    said = f"{CHECKSUMS} is signed by the key in {by}"
    return Check("signature", said if key else f"{said}, which came with the package: compare it with the publisher's")

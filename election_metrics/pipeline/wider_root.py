"""Reads paths again from a wider root: a file that landed from within its folders says more when seen from above."""

import pandas as pd

from election_metrics.locations import Location, name_of
from election_metrics.settings import Settings
from election_metrics.sources.portal_exports import place_of
from election_metrics.warehouse import ledger, registry
from election_metrics.warehouse.database import lock, transaction

_FIELDS = ("region_code", "region", "election", "constituency")


def read_paths_again(settings: Settings, root: Location) -> int:
    """Adds region, election and constituency to landed files below `root` without a region; returns how many.

    The registry, and what depends on it, are computed by the next run.
    """
    name = name_of(root).rstrip("/")
    with transaction(settings) as connection:
        lock(connection, "land")
        files = ledger.files_without_place(connection, name)
        places = [place_of(path, member, root) for path, member in zip(files["path"], files["member"], strict=True)]
        found = [
            place is not None and (place.region is not None or (place.election is not None and pd.isna(election)))
            for place, election in zip(places, files["election"], strict=True)
        ]
        changed = files.loc[found, ["file_id"]].reset_index(drop=True)
        if changed.empty:
            return 0
        said = [place for place, is_found in zip(places, found, strict=True) if is_found]
        ledger.set_places(connection, pd.concat([changed, pd.DataFrame(said)[list(_FIELDS)]], axis=1))
        registry.mark_names_changed(connection)
    return len(changed)

"""Builds a Superset dashboard of three charts on the tables, and compares what Superset counts with plain SQL.

Run twice, it updates what is there. Exits with 1 and a sentence where a total differs, or something is refused:

    python superset_charts.py http://127.0.0.1:8099 admin:PASSWORD "postgresql+psycopg2://bi:PASSWORD@HOST/DATABASE"
"""

import argparse
import json
import math
import sys
from typing import Any, NamedTuple

import requests
import sqlalchemy

TITLE = "Election metrics"


class Chart(NamedTuple):
    """A chart of one table: how it looks, what it asks for, and the SQL that the sums of its rows must agree with."""

    name: str
    table: str
    height: int  # in units of 8 pixels
    params: dict[str, Any]
    query: dict[str, Any]
    sql: str


def _metric(sql: str, label: str) -> dict[str, str]:
    return {"expressionType": "SQL", "sqlExpression": sql, "label": label}


SUMS = [_metric("SUM(votes_cast)", "votes"), _metric("SUM(bulletins_issued)", "bulletins")]
HOUR = _metric("hour", "hour") | {"columnType": "BASE_AXIS", "timeGrain": "PT1H"}
# Of an election's part in a region; as docs/metrics.md has it, NULL while a reporting constituency has no register.
KNOWN = "BOOL_AND(registered_voters IS NOT NULL OR votes_cast + bulletins_issued = 0)"
RATE = _metric(f"CASE WHEN {KNOWN} THEN 100.0 * SUM(votes_cast) / NULLIF(SUM(registered_voters), 0) END", "rate")
RATES = ["participation_rate", "gap_rate", "coverage"]
COLUMNS = ["name", "status", "registered_voters", "bulletins_issued", "votes_cast", *RATES, "last_transaction_at"]
CHARTS = [
    Chart(
        "Votes and bulletins by hour (UTC)", "turnout_by_hour", 40,
        {"viz_type": "echarts_timeseries_line", "x_axis": "hour", "time_grain_sqla": "PT1H", "metrics": SUMS,
         "y_axis_format": ",d", "x_axis_time_format": "%d %b %H:%M", "tooltipTimeFormat": "%d %b %H:%M"},
        {"columns": [HOUR], "metrics": SUMS},
        """SELECT count(DISTINCT hour) AS rows, sum(votes_cast) AS votes, sum(bulletins_issued) AS bulletins
           FROM metrics.turnout_by_hour""",
    ),
    Chart(
        "Participation by region, %", "constituency_current", 36,
        {"viz_type": "echarts_timeseries_bar", "x_axis": "region", "metrics": [RATE], "groupby": ["election_id"],
         "y_axis_format": ".1f", "orientation": "horizontal", "show_value": True},
        {"columns": ["region", "election_id"], "metrics": [RATE]},
        """SELECT count(*) AS rows, sum(CASE WHEN unknown = 0 THEN 100.0 * votes / nullif(voters, 0) END) AS rate
           FROM (SELECT sum(votes_cast) AS votes, sum(registered_voters) AS voters, count(*) FILTER (
                     WHERE registered_voters IS NULL AND votes_cast + bulletins_issued > 0) AS unknown
                 FROM metrics.constituency_current GROUP BY election_id, region) AS regions""",
    ),
    Chart(
        "Elections now", "election_current", 24,
        {"viz_type": "table", "query_mode": "raw", "all_columns": COLUMNS, "show_cell_bars": False,
         "column_config": {rate: {"d3NumberFormat": ".2f"} for rate in RATES},
         "table_timestamp_format": "%Y-%m-%d %H:%M"},
        {"columns": COLUMNS},
        """SELECT count(*) AS rows, sum(votes_cast) AS votes_cast, sum(bulletins_issued) AS bulletins_issued,
                  sum(registered_voters) AS registered_voters FROM metrics.election_current""",
    ),
]  # fmt: skip


class Superset:
    """Superset's REST API, logged in."""

    def __init__(self, address: str, login: str) -> None:
        self._base, self._session = f"{address}/api/v1/", requests.Session()
        username, _, password = login.partition(":")
        token = self.call("POST", "security/login", {"username": username, "password": password, "provider": "db"})
        self._session.headers.update({"Authorization": f"Bearer {token['access_token']}", "Referer": address})
        self._session.headers["X-CSRFToken"] = self.call("GET", "security/csrf_token/")["result"]

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **query: str) -> Any:
        """The answer to one request; ends the program where Superset refuses it."""
        answer = self._session.request(method, self._base + path, json=body, params=query, timeout=60)
        if not answer.ok:
            sys.exit(f"Superset refuses {method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json()

    def make(self, kind: str, key: str, body: dict[str, Any], also: str = "") -> int:
        """The number of the object of this kind with this key: updated (a dataset: left as it is), or created."""
        found = self.call("GET", f"{kind}/", q=f"(filters:!((col:{key},opr:eq,value:'{body[key]}'){also}))")["ids"]
        if found and kind != "dataset":
            self.call("PUT", f"{kind}/{found[0]}", body)
        return int(found[0] if found else self.call("POST", f"{kind}/", body)["id"])


def layout(numbers: list[int]) -> str:
    """The dashboard's position_json: each chart in a row of its own, as wide as the page."""
    boxes: dict[str, Any] = {"DASHBOARD_VERSION_KEY": "v2"}

    def box(kind: str, name: str, children: list[str], **meta: Any) -> str:
        boxes[f"{kind}{name}"] = {"type": kind, "id": f"{kind}{name}", "children": children, "meta": meta}
        return f"{kind}{name}"

    box("HEADER", "_ID", [], text=TITLE)
    rows = []
    for number, chart in zip(numbers, CHARTS, strict=True):
        inner = box("CHART", f"-{number}", [], chartId=number, sliceName=chart.name, width=12, height=chart.height)
        rows.append(box("ROW", f"-{number}", [inner], background="BACKGROUND_TRANSPARENT"))
    box("ROOT", "_ID", [box("GRID", "_ID", rows)])
    return json.dumps(boxes)


def build(superset: Superset, url: str) -> list[str]:
    """Builds the dashboard and prints each chart's sums beside those of the SQL; returns a text for each difference."""
    database = superset.make("database", "database_name", {"database_name": TITLE, "sqlalchemy_uri": url})
    dashboard = superset.make("dashboard", "slug", {"slug": "elections", "dashboard_title": TITLE, "published": True})
    numbers, wrong = [], []
    with sqlalchemy.create_engine(url).connect() as connection:
        for chart in CHARTS:
            table = {"database": database, "schema": "metrics", "table_name": chart.table}
            dataset = superset.make("dataset", "table_name", table, f",(col:database,opr:rel_o_m,value:{database})")
            query = {"datasource": {"id": dataset, "type": "table"}, "queries": [{**chart.query, "row_limit": 10000}]}
            body = {"slice_name": chart.name, "viz_type": chart.params["viz_type"], "dashboards": [dashboard]}
            body |= {"datasource_id": dataset, "datasource_type": "table", "query_context": json.dumps(query)}
            body["params"] = json.dumps({**chart.params, "datasource": f"{dataset}__table", "row_limit": 10000})
            numbers.append(superset.make("chart", "slice_name", body))
            rows = superset.call("POST", "chart/data", query)["result"][0]["data"]
            for column, sql in connection.execute(sqlalchemy.text(chart.sql)).mappings().one().items():
                shown = len(rows) if column == "rows" else math.fsum(row[column] or 0 for row in rows)
                print(f"{chart.table:<20} {column:<17} Superset {shown:>12,.10g}   SQL {sql or 0:>12,.10g}")
                if not math.isclose(shown, sql or 0, rel_tol=1e-9):
                    wrong.append(f"{column} of {chart.table} is {shown} in Superset and {sql} in SQL")
    superset.call("PUT", f"dashboard/{dashboard}", {"position_json": layout(numbers)})
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="of Superset", type=lambda address: address.rstrip("/"))
    parser.add_argument("login", help="its administrator, as user:password")
    parser.add_argument("url", help="of the warehouse for SQLAlchemy, as a member of election_metrics_reader")
    given = parser.parse_args()
    try:
        differences = build(Superset(given.address, given.login), given.url)
    except (requests.RequestException, sqlalchemy.exc.SQLAlchemyError) as error:
        sys.exit(f"Superset or the warehouse does not answer: {error}")
    if differences:
        sys.exit(f"Totals differ: {'; '.join(differences)}.")
    print(f"All totals agree: {given.address}/superset/dashboard/elections/")

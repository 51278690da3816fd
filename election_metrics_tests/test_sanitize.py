"""Names of others do nothing where they are shown: terminal, spreadsheet, Markdown, chat, listeners."""

import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path, PurePath

import psycopg
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from election_metrics.automation.delivery import deliver
from election_metrics.cli import main
from election_metrics.errors import SettingsError
from election_metrics.sanitize import escape_markdown, visible
from election_metrics.settings import Settings, read_settings
from election_metrics.sources.export_path import parse_export_path
from election_metrics.warehouse.export import export_table
from election_metrics.warehouse.replace import CHANNEL
from election_metrics_tests.computing import update
from election_metrics_tests.exports import CONTRACT, OTHER, Folder, ms, vote

NASTY = "\x1b[2J\x1b]52;c;aGk=\x07\nFAKE LINE\r\u202e"


def test_controls_are_written_out_and_letters_are_not() -> None:
    assert visible("Округ №1; [red]") == "Округ №1; [red]"
    assert visible(NASTY) == r"\x1b[2J\x1b]52;c;aGk=\x07\x0aFAKE LINE\x0d\x202e"
    assert escape_markdown("[a](javascript:x)|`b`\n- c <img>") == r"\[a\](javascript:x)\|\`b\`\\x0a- c \<img\>"


def test_a_place_holds_no_controls() -> None:
    place = parse_export_path(PurePath(f"/in/77 - {NASTY}/{NASTY}/{NASTY}/{CONTRACT}_x.csv"))
    assert place is not None
    assert not {*"\x1b\x07\n\r\u202e"} & {*f"{place.region}{place.election}{place.constituency}"}


def test_a_terminal_obeys_no_name_and_no_line(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    Folder(source / f"77 - {NASTY}" / f"{NASTY} выборы" / f"{NASTY} округ").put(vote("a", ms(1)), f"{NASTY};rubbish")
    (source / f"{CONTRACT}_\x1b[31m\n.zip").write_bytes(b"no archive")
    update(chosen, source)
    monkeypatch.setenv("ELECTION_METRICS_SOURCE", str(source))
    for command in (["status"], ["summary"], ["anomalies", "list", "--all"], ["compare", CONTRACT, CONTRACT]):
        said = CliRunner().invoke(main, command).output
        assert not {*"\x1b\x07\u202e"} & {*said}, command
        assert "\nFAKE LINE" not in said, command


def test_a_spreadsheet_finds_no_formula(chosen: Settings, tmp_path: Path) -> None:
    for contract, name in ((CONTRACT, '=HYPERLINK("http://evil")'), (OTHER, "@SUM(1+1)")):
        Folder(tmp_path / "in" / f"77 - {name}" / name / name).put(vote(contract, ms(1)), contract=contract)
    update(chosen, tmp_path / "in")
    for table in ("elections", "constituencies", "region_summaries"):
        out = io.BytesIO()
        export_table(chosen, table, "csv", out)
        cells = out.getvalue().decode().replace('"', "").replace("\n", ",").split(",")
        assert [cell for cell in cells if cell.startswith(("=", "@", "+"))] == []
        assert [cell for cell in cells if cell.startswith(("'=", "'@"))]
        out = io.BytesIO()
        export_table(chosen, table, "json", out)
        assert "'=" not in out.getvalue().decode(), "other forms hold what there is"
    assert json.loads(out.getvalue())


def test_a_chat_is_called_by_nobodys_name(chosen: Settings) -> None:
    heard = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Chat) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = SecretStr(f"http://127.0.0.1:{server.server_port}/")
        assert deliver(
            chosen.model_copy(update={"alert_webhook": url}), "No transaction of <!channel> & <http://evil|all well>"
        )
        server.shutdown()
    assert heard == ["No transaction of &lt;!channel&gt; &amp; &lt;http://evil|all well&gt;"]


@pytest.mark.parametrize("name", ["home[1]", "lake*", "what?", "{a}"])
def test_a_home_that_would_be_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="its path must hold none of"):
        read_settings(home=tmp_path / name)


def test_a_notice_of_anybody_ends_no_listening(chosen: Settings) -> None:
    import asyncio

    from election_metrics.api.changes import Changes

    heard: list[object] = []

    async def listen() -> bool:
        changes = Changes(chosen, heard.append)
        async with changes.listening():
            deadline = time.monotonic() + 20
            while not changes.is_listening and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            with psycopg.connect(chosen.database_url.get_secret_value(), autocommit=True) as connection:
                for payload in ("x", "{}", "[1]", '{"table": 1}', '{"table": "elections", "version": "9"}'):
                    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))
            while len(heard) < 6 and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            return changes.is_listening

    assert asyncio.run(listen())
    assert [getattr(change, "table", None) for change in heard] == [None] * 5 + ["elections"]

// Age and completeness of the figures: unobtrusive while all is well, prominent when they would mislead.

import { html } from "../libraries/lit-html/lit-html.js";
import { ago, clock, clockSeconds, count, dayAndClock, fullMoment, percent, zoneName } from "./format.js";
import { t } from "./words.js";

/** Problems of the figures, worst first: [severity, title, text]. */
export function warnings(page) {
  const { election, status, connection, now } = page;
  const found = [];
  const zone = election?.time_zone ?? "UTC";
  if (!connection.stands && now - connection.since > 4000) {
    const words = { time: clockSeconds(connection.since, zone), as_of: clockSeconds(page.dashboard?.meta.as_of, zone) };
    found.push(["critical", t("stale_title"), t("stale_connection", words)]);
  }
  if (!election) return found;
  if (election.hours_overdue && !status?.published) {
    const words = { missing: count(election.hours_overdue), since: dayAndClock(election.overdue_since, zone) };
    found.push([election.status === "active" ? "critical" : "warning", t("overdue_title"), t("overdue", words, election.hours_overdue)]);
  }
  if (election.participation_rate > 100) found.push(["critical", "", t("above_100")]);
  if (election.participation_rate == null && election.constituencies_without_register)
    found.push(["warning", "", t("no_register", { count: count(election.constituencies_without_register) }, election.constituencies_without_register)]);
  if (status?.figures.hours_behind) found.push(["info", "", t("stale_behind", { count: count(status.figures.hours_behind) }, status.figures.hours_behind)]);
  return found;
}

export const loudWarnings = (page) => warnings(page).map(([severity, title, words]) => html`
  <p class="alarm ${severity}" role=${severity === "critical" ? "alert" : "note"}>${title ? html`<strong>${title}</strong> ` : ""}${words}</p>`);

/** One line: connection, time of the figures, age of the newest ballot, next due input. An old ballot is no alarm. */
export function freshnessLine(page) {
  const { election, connection, now } = page;
  if (!election) return "";
  const zone = election.time_zone;
  const published = page.status?.published;
  const words = { active: published ? "voting_was_open" : "voting", completed: "completed", scheduled: "scheduled" }[election.status] ?? "status_unknown";
  const since = election.last_transaction_at ? now - new Date(election.last_transaction_at) : null;
  return html`
    <span class="pill ${published ? "" : connection.stands ? "live" : "broken"}">${t(published ? "published" : connection.stands ? "live" : "not_live")}</span>
    <span class="pill ${election.status ?? ""}">${t(words)}</span>
    <span>${t("as_of", { time: now - new Date(election.computed_at) < 86400e3 ? clockSeconds(election.computed_at, zone) : fullMoment(election.computed_at, zone) })}</span>
    ${since == null ? "" : html`<span>${t("newest", { time: Math.abs(since) < 86400e3 ? clock(election.last_transaction_at, zone) : fullMoment(election.last_transaction_at, zone) })}
      ${published ? "" : `(${ago(election.last_transaction_at, now)})`}</span>`}
    ${published || election.next_due_at == null ? "" : html`<span class="due">${t("next_due", { time: new Date(election.next_due_at) - now < 86400e3 ? clock(election.next_due_at, zone) : fullMoment(election.next_due_at, zone) })}</span>`}
    <span>${t("local_zone", { zone: zoneName(zone) })}</span>
    ${election.coverage == null ? "" : html`<span>${t("coverage")}: ${percent(election.coverage)}</span>`}`;
}

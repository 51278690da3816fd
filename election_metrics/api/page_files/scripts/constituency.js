// One constituency in depth: figures, hours, days, findings, missing hours, and source files.

import { html } from "../libraries/lit-html/lit-html.js";
import { agreementOfPlace, tallyOfPlace } from "./agreement.js";
import { address } from "./api.js";
import { hoursChart, runningChart, shareBar } from "./charts.js";
import { findingsList } from "./findings.js";
import { count, dayAndClock, dayLong, percent, zoneName } from "./format.js";
import { daysOf, isByDay } from "./hours.js";
import { hoursTable, isRateKnown, rateOrOpening, votingTimes } from "./overview.js";
import { precinctsOfPlace } from "./precincts.js";
import { runLink, sourceButton } from "./source.js";
import { countersTable, keyOf, knowsBulletins, spreadHours } from "./counters.js";
import { verdictLines } from "./verdicts.js";
import { t } from "./words.js";

export function constituency(page) {
  const { one, width } = page;
  const back = html`<p><a class="back" href=${page.link({ constituency: "" })} @click=${page.go({ constituency: "" })}>${t("back")}</a></p>`;
  if (one === null) return html`${back}<p>${t("not_there")}</p>`;
  if (!one) return html`${back}<p>${t("loading")}</p>`;
  const { place, hours, days, files } = one;
  const isRate = isRateKnown(place, page.now);
  const opens = place.starts_at;
  const zone = place.time_zone;
  const isDays = isByDay(page.spread);
  const isKnown = knowsBulletins(place, place.findings);
  const whole = isDays ? daysOf(page.whole(hours, place.missing), zone) : page.whole(hours, place.missing);
  const id = encodeURIComponent(place.constituency_id);
  const path = `/constituency/${id}`;
  const from = (title, table, way, asked, versions) => sourceButton(page, { title, definition: t("definition_constituency"), table, path: way, asked, versions, run_id: place.run_id, computed_at: place.computed_at, zone, isPart: true });
  const isIn = page.view.compare.includes(place.constituency_id);
  const openHour = (row) => page.openSource({
    title: dayAndClock(row.hour, zone), definition: `${t("bulletins")}: ${count(row.bulletins_issued)}. ${t("votes")}: ${count(row.votes_cast)}.`,
    table: "metrics.hourly_stats", path: `/sources`, asked: { constituency: place.constituency_id, from: row.hour, to: row.hour }, run_id: row.run_id, computed_at: row.computed_at, zone, isPart: true,
  });
  const counters = one.counters ?? [];
  const spread = isDays ? [] : spreadHours(whole, counters);
  const figure = (name, value, note) => html`<div class="figure"><dt>${t(name)}</dt><dd>${value}</dd>${note ? html`<dd class="note">${note}</dd>` : ""}</div>`;
  return html`
    ${back}
    <section class="headline" aria-labelledby="place-name">
      <h1 id="place-name" tabindex="-1">${place.name ?? place.constituency_id}</h1>
      <p class="quiet">${place.region ?? t("no_region")} · ${t("local_zone", { zone: zoneName(zone) })}${place.time_zone_note ? html` <strong class="assumed">${t("zone_assumed")}</strong>` : ""} · <code>${place.constituency_id}</code></p>
      <p class="quiet times">${votingTimes(place, zone, "times_one")}</p>
      <div class="turnout"><p class="rate"><span class="label">${t("turnout")}</span> <strong>${rateOrOpening(place, page.now)}</strong> ${place.missing.length ? html`<a class="chip" href="#place-missing">${t("incomplete")}</a> ` : ""}${from(t("turnout"), "metrics.constituency_metrics", path, undefined, { constituency: place.constituency_id })}</p>
        ${shareBar(isRate ? place.participation_rate : null)}
        <p>${t(isRate ? "turnout_of" : "turnout_without", { votes: count(place.votes_cast), voters: count(place.registered_voters) }, place.votes_cast)}</p></div>
      <dl class="figures">${figure("votes", count(place.votes_cast), place.peak_hour && !spread.length && !isDays ? t("peak_note", { time: dayAndClock(place.peak_hour, zone), votes: count(place.peak_votes) }) : "")}
        ${!isKnown ? figure("bulletins", "–", t("bulletins_unknown")) : html`${figure("bulletins", count(place.bulletins_issued), place.issue_rate == null ? "" : t("issue_note", { rate: percent(place.issue_rate) }))}
        ${figure("gap", count(place.gap), place.gap_rate == null ? "" : t("gap_note", { rate: percent(place.gap_rate) }))}`}
        ${figure("anomalies", percent(place.anomaly_score, 1))}${figure("last", dayAndClock(place.last_transaction_at, zone))}</dl>
      ${verdictLines(one.verdicts ?? [], `${path}/verdicts`)}
      <p><button type="button" class="button" aria-pressed=${isIn} @click=${() => page.tick(place.constituency_id)}>${isIn ? t("remove", { name: place.name ?? "" }) : t("select", { name: place.name ?? "" })}</button></p>
    </section>
    <section aria-labelledby="place-hours"><header><h2 id="place-hours">${t(isDays ? "votes_by_day" : "by_hour")}</h2><p>${isDays ? t("votes_by_day_note") : t("by_hour_note", { zone: zoneName(zone) })} ${spread.length ? html`<strong>${t("spread_note")}</strong>` : ""}</p>
      <p class="key">${keyOf(isKnown)}</p>${from(t("by_hour"), "metrics.hourly_stats", `/hourly-stats/constituency/${id}`)}</header>
      <div class="chart" id="place-hours-chart">${page.chart("place-hours", [whole, width, zone, opens, place.findings, page.current, spread], () => hoursChart({ hours: whole, spread, opens: isDays ? null : opens, missing: place.missing, current: page.current, zone, width, findings: place.findings.filter((each) => each.severity !== "info"), onHour: openHour, label: t("by_hour") }))}</div>
      ${hoursTable(page, isDays ? whole : hours, zone, page.current, spread)}</section>
    ${countersTable(counters, zone, `${path}/published-counters`)}
    <section aria-labelledby="place-running"><header><h2 id="place-running">${t("running")}</h2><p>${t(isRate ? "running_note" : "running_counts")}</p>
      <p class="key">${keyOf(isKnown)}</p>${from(t("running"), "metrics.constituency_metrics", `${path}/time-period`, { period: "hour" })}</header>
      <div class="chart" id="place-running-chart">${page.chart("place-running", [whole, width, zone, isRate, opens], () => runningChart({ hours: whole, zone, width, isRate, opens: isDays ? null : opens, label: t("running") }))}</div></section>
    <section aria-labelledby="place-days"><header><h2 id="place-days">${t("by_day")}</h2>${from(t("by_day"), "metrics.constituency_metrics", `${path}/time-period`, { period: "day" })}</header>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="place-days"><table><thead><tr><th scope="col">${t("day")}</th><th scope="col" class="number">${t("period_bulletins")}</th><th scope="col" class="number">${t("period_votes")}</th><th scope="col" class="number">${t("rate")}</th><th scope="col" class="number">${t("running")}</th></tr></thead>
      <tbody>${days.map((row) => html`<tr><th scope="row">${dayLong(row.period_start, zone)}</th><td class="number">${isKnown ? count(row.bulletins_issued) : "–"}</td><td class="number">${count(row.votes_cast)}</td><td class="number">${percent(row.participation_rate)}</td><td class="number">${percent(row.running_participation_rate)}</td></tr>`)}</tbody></table></div></section>
    <section aria-labelledby="place-findings"><header><h2 id="place-findings">${t("findings")}</h2></header>${place.findings.length || !place.missing.length ? findingsList(page, place.findings, zone) : html`<p class="quiet">${t("see_missing")}</p>`}</section>
    ${precinctsOfPlace(page, one.precincts ?? [], place)}
    ${tallyOfPlace(page, one.tally ?? [], place)}
    ${agreementOfPlace(page, one.agreement ?? [], place)}
    <section aria-labelledby="place-missing"><header><h2 id="place-missing">${t("missing_hours")}</h2></header>
      ${place.missing.length ? html`<ul>${place.missing.map((gap) => html`<li>${t("missing_from", { from: dayAndClock(gap.missing_from, zone), to: dayAndClock(gap.missing_to, zone), hours: count(gap.hours), reason: t(gap.reason === "region" ? "missing_region" : "missing_voting") })}</li>`)}</ul>` : html`<p class="quiet">${t("missing_none")}</p>`}</section>
    <section aria-labelledby="place-files"><header><h2 id="place-files">${t("files")}</h2><p>${t("files_note")}</p><a class="csv" href=${address("/sources", { constituency: place.constituency_id }, ".csv")} download>${t("csv")}</a></header>
      <details class="as-table"><summary>${t("files")}: ${count(files.length)}</summary><div class="scroll" tabindex="0" role="region" aria-labelledby="place-files"><table><thead><tr><th scope="col">${t("file")}</th><th scope="col" class="number">${t("lines")}</th><th scope="col" class="number">${t("rejected")}</th><th scope="col">${t("landed")}</th><th scope="col">${t("run")}</th></tr></thead>
      <tbody>${files.map((file) => html`<tr><th scope="row" class="path">${file.path.split("/").pop()}${file.member ? ` / ${file.member.split("/").pop()}` : ""}</th><td class="number">${count(file.lines)}</td><td class="number">${count(file.rejected)}</td><td class="when">${dayAndClock(file.seen_at, zone)}</td><td>${runLink(page, file.run_id)}</td></tr>`)}</tbody></table></div></details></section>`;
}

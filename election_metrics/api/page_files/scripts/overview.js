// The whole election: headline, figures, charts, regions, findings.

import { html } from "../libraries/lit-html/lit-html.js";
import { keyed } from "../libraries/lit-html/directives/keyed.js";
import { agreementLine, ballotsByKind } from "./agreement.js";
import { address, SYSTEM_LINKS } from "./api.js";
import { hoursChart, quantityChart, runningChart, shareBar } from "./charts.js";
import { findingsList } from "./findings.js";
import { clock, count, dayAndClock, dayShort, decimal, duration, fullMoment, percent, points, zoneName } from "./format.js";
import { HOUR, daysOf, hourOf, isByDay, pointsAgainst } from "./hours.js";
import { runLink, sourceButton } from "./source.js";
import { bulletinsOf, keyOf, knowsBulletins } from "./counters.js";
import { verdictLines } from "./verdicts.js";
import { t } from "./words.js";

const fresh = (page, name, value) => keyed(value, html`<span class="fresh ${page.isNew(name, value) ? "new" : ""}">${value}</span>`);

/** The turnout; before the opening there is none, and 0 % would be misleading. */
export const rateOrOpening = (place, now) => {
  const opens = new Date(place.starts_at) - now;
  if (place.starts_at && opens > 0) return t("opens_in", { time: duration(opens) });
  return place.participation_rate == null ? t("turnout_unknown") : percent(place.participation_rate);
};

/** Whether the headline's turnout is known; it is drawn only then. */
export const isRateKnown = (place, now) => place.participation_rate != null && !(place.starts_at && new Date(place.starts_at) > now);

/** Start and end of voting, as far as they are known. */
export function votingTimes({ starts_at: from, ends_at: to }, zone, words) {
  if (!from && !to) return "";
  return t(to ? words : `${words}_open`, { from: dayAndClock(from, zone), to: dayAndClock(to, zone) });
}

/** The turnout compared with the last comparable election, at the same time since the opening. */
function against(page) {
  const { before, election, now } = page;
  const found = before && isRateKnown(election, now) ? pointsAgainst(before.curve, page.dashboard.data.hours, election.starts_at, now) : null;
  return found == null ? "" : html`<p class="against">${t("against", { points: points(found), name: before.name })}</p>`;
}

/** Turnout and the figures that it is computed from. */
export function headline(page) {
  const { election } = page;
  const isKnown = isRateKnown(election, page.now);
  const rate = isKnown ? election.participation_rate : null;
  const path = `/election/${encodeURIComponent(election.election_id)}`;
  const from = (title, definition) => sourceButton(page, { title, definition, table: "metrics.election_summaries", path, run_id: election.run_id, computed_at: election.computed_at, versions: { election: election.election_id } });
  const words = { votes: count(election.votes_cast), voters: count(election.registered_voters) };
  const zone = election.time_zone;
  const figure = (name, value, note, definition) => html`
    <div class="figure"><dt>${t(name)} ${from(t(name), t(definition))}</dt><dd>${name === "findings" ? html`<a href="#findings">${fresh(page, name, value)}</a>` : fresh(page, name, value)}</dd>${note ? html`<dd class="note">${note}</dd>` : ""}</div>`;
  return html`
    <section class="headline" aria-labelledby="election-name">
      <h1 id="election-name">${election.name}</h1>
      <p class="quiet times">${votingTimes(election, zone, "times_all")}</p>
      <div class="turnout">
        <p class="rate"><span class="label">${t("turnout")}</span> <strong>${fresh(page, "rate", rateOrOpening(election, page.now))}</strong> ${election.hours_overdue && election.coverage != null ? html`<span class="chip">${t("chip", { coverage: percent(Math.floor(election.coverage), 0) })}</span>` : ""} ${from(t("turnout"), t("definition_turnout"))}</p>
        ${shareBar(rate)}
        <p>${t(rate == null ? "turnout_without" : "turnout_of", words, election.votes_cast)}</p>
        ${ballotsByKind(page)}
        ${against(page)}
      </div>
      <dl class="figures">
        ${figure("votes", count(election.votes_cast), election.peak_hour && !page.spread.length ? t("peak_note", { time: dayAndClock(election.peak_hour, zone), votes: count(election.peak_votes) }) : "", "definition_votes")}
        ${!knowsBulletins(election, page.dashboard.data.findings) ? figure("bulletins", "–", t("bulletins_unknown"), "definition_bulletins") : html`${figure("bulletins", count(election.bulletins_issued), election.issue_rate == null ? "" : t("issue_note", { rate: percent(election.issue_rate) }), "definition_bulletins")}
        ${figure("gap", count(election.gap), election.gap_rate == null ? "" : t("gap_note", { rate: percent(election.gap_rate) }), "definition_gap")}`}
        ${figure("reporting", `${count(election.constituencies_reporting)} / ${count(election.constituencies_total)}`, t("reporting_note", { silent: count(election.constituencies_silent) }), "definition_reporting")}
        ${figure("coverage", percent(election.coverage), election.hours_expected == null ? "" : t("coverage_note", { delivered: count(election.hours_delivered), expected: count(election.hours_expected) }, election.hours_expected), "definition_coverage")}
        ${figure("findings", count(election.anomalies_critical + election.anomalies_warning + election.anomalies_info), t("findings_note", { critical: count(election.anomalies_critical), warning: count(election.anomalies_warning) }), "definition_findings")}
      </dl>
      ${election.rejected_lines ? html`<p class="quiet"><a href=${address("/quarantine", { limit: 1000 }, ".csv")}>${t("unreadable", { count: count(election.rejected_lines) }, election.rejected_lines)}</a></p>` : ""}
      ${agreementLine(page)}
      ${verdictLines(page.verdicts, `/election/${encodeURIComponent(election.election_id)}/verdicts`)}
      ${page.dashboard.data.election.reconciliation ? html`<p class="quiet">${reconciled(page.dashboard.data.election.reconciliation, zone)}</p>` : ""}
    </section>`;
}

const reconciled = (counted, zone) =>
  t("reconciled", { time: fullMoment(counted.computed_at, zone), differing: count(counted.rows_differing), rows: count(counted.rows_compared) }, counted.rows_compared);

/** The four charts, each with its figures as a table. */
export function charts(page) {
  const { election, width, before } = page;
  const { findings } = page.dashboard.data;
  const zone = election.time_zone;
  const isDays = isByDay(page.spread);
  const isKnown = knowsBulletins(election, findings);
  const whole = page.whole(page.dashboard.data.hours, page.dashboard.data.election.missing);
  const hours = isDays ? daysOf(whole, zone) : whole;
  const spread = isDays ? [] : page.spread.map((row) => row.hour);
  const path = `/hourly-stats/election/${encodeURIComponent(election.election_id)}`;
  const half = width > 900 ? (width - 32) / 2 : width;
  const { current } = page;
  const isRate = isRateKnown(election, page.now);
  const opens = election.starts_at;
  const openHour = (row) => page.openSource({
    title: row.isDay ? dayShort(row.hour, zone) : dayAndClock(row.hour, zone), definition: `${t("bulletins")}: ${count(row.bulletins_issued)}. ${t("votes")}: ${count(row.votes_cast)}. ${t("definition_hours")}`,
    table: "metrics.election_hours", path, asked: { from: row.hour, to: row.isDay ? hourOf(+new Date(row.hour) + 23 * HOUR) : row.hour }, run_id: row.run_id, computed_at: row.computed_at,
  });
  const from = (title) => sourceButton(page, { title, definition: t("definition_hours"), table: "metrics.election_hours", path });
  const drawn = (name, options, make) => page.chart(name, [hours, isRate, opens, zone, current, ...options], make);
  const critical = findings.filter((one) => one.severity === "critical");
  return html`
    <section aria-labelledby="by-hour">
      <header><h2 id="by-hour">${t(isDays ? "votes_by_day" : "by_hour")}</h2><p>${isDays ? t("votes_by_day_note") : html`${t("by_hour_note", { zone: zoneName(zone) })} ${isKnown ? t("by_hour_why") : ""}`} ${spread.length ? html`<strong>${t("spread_note")}</strong>` : ""}</p>
        <p class="key">${keyOf(isKnown)}</p>${from(t("by_hour"))}</header>
      <div class="chart" id="hours-chart">${drawn("hours", [width, findings, page.spread], () => hoursChart({ hours, spread, zone, width, opens: isDays ? null : opens, current, findings: critical, onHour: openHour, label: t(isDays ? "votes_by_day" : "by_hour") }))}</div>
      ${hoursTable(page, isDays ? hours : page.dashboard.data.hours, zone, current, spread)}
    </section>
    <section aria-labelledby="so-far">
      <header><h2 id="so-far">${t("running")}</h2><p>${t(isRate ? "running_note" : "running_counts")}</p>
        <p class="key">${keyOf(isKnown)}
          ${before && isRate ? html`<span class="before">${t("before", { name: before.name })}</span>` : ""}</p>${from(t("running"))}
        ${before && isRate ? html`<p class="before-why">${t("before_why", { days: count(election.voting_days) }, election.voting_days)}</p>` : ""}</header>
      <div class="chart" id="running-chart">${drawn("running", [width, before], () => runningChart({ hours, zone, width, isRate, opens: isDays ? null : opens, before: before?.curve, label: t("running") }))}</div>
    </section>
    ${isDays ? "" : html`<div class="pair">
      <section aria-labelledby="velocity">
        <header><h2 id="velocity">${t("velocity")}</h2><p>${t("velocity_note")}</p>${from(t("velocity"))}</header>
        <div class="chart">${drawn("velocity", [half], () => quantityChart({ hours, zone, width: half, colour: "var(--votes)", label: t("velocity"), value: (row) => row.vote_velocity, shown: (value) => count(Math.round(value)) }))}</div>
      </section>
      ${!isKnown ? "" : html`<section aria-labelledby="gap">
        <header><h2 id="gap">${t("gap_chart")}</h2><p>${t("gap_chart_note")}</p>${from(t("gap_chart"))}</header>
        <div class="chart">${drawn("gap", [half], () => quantityChart({ hours, zone, width: half, colour: "var(--bulletins)", label: t("gap_chart"), shown: (value, isTick) => (isTick ? `${decimal(value)} %` : percent(value)),
          value: (row) => (row.running_bulletins >= 100 ? row.running_gap_rate : null) }))}</div>
      </section>`}
    </div>`}`;
}

/** The hours as a table, for screen readers and for copying. */
export function hoursTable(page, hours, zone, current, spread) {
  const isSpread = new Set(spread.map((hour) => +new Date(hour)));
  const note = (row) => (row.hour === current ? ` (${t("to_come")})` : isSpread.has(+new Date(row.hour)) ? ` (${t("spread")})` : "");
  const cell = (value) => html`<td class="number">${value}</td>`;
  return html`<details class="as-table"><summary>${t("as_table")}</summary><div class="scroll" tabindex="0" role="region" aria-label=${t("as_table")}><table>
    <thead><tr><th scope="col">${t(hours[0]?.isDay ? "day" : "hour")}</th><th scope="col" class="number">${t("bulletins")}</th><th scope="col" class="number">${t("votes")}</th><th scope="col" class="number">${t("running")}</th><th scope="col">${t("run")}</th></tr></thead>
    <tbody>${hours.toReversed().map((row) => html`<tr><th scope="row">${row.isDay ? dayShort(row.hour, zone) : `${dayAndClock(row.hour, zone)}–${clock(+new Date(row.hour) + HOUR, zone)}`}${note(row)}</th>
      ${cell(bulletinsOf(page)(row.bulletins_issued))}${cell(count(row.votes_cast))}${cell(percent(row.running_participation_rate))}
      <td>${row.run_id ? runLink(page, row.run_id) : ""}</td></tr>`)}</tbody></table></div></details>`;
}

/** Regions, highest turnout first; a click shows the constituencies of one. */
export function regions(page) {
  const { election, view } = page;
  const rows = page.dashboard.data.election.regions.toSorted((a, b) => (b.participation_rate ?? -1) - (a.participation_rate ?? -1));
  if (rows.length < 2) return "";
  return html`
    <section aria-labelledby="regions">
      <header><h2 id="regions">${t("regions")}</h2>${sourceButton(page, { title: t("regions"), definition: t("definition_region"), table: "metrics.region_summaries", path: `/election/${encodeURIComponent(election.election_id)}`, published: { of: "regions" }, run_id: rows[0]?.run_id, computed_at: rows[0]?.computed_at })}</header>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="regions"><table class="regions">
        <thead><tr><th scope="col">${t("region")}</th><th scope="col" class="number">${t("rate")}</th><th scope="col" class="number">${t("votes")}</th><th scope="col" class="number">${t("bulletins")}</th>
          <th scope="col" class="number">${t("registered")}</th><th scope="col" class="number">${t("reporting")}</th><th scope="col" class="number">${t("coverage")}</th></tr></thead>
        <tbody>${rows.map((row) => html`<tr class=${row.region === view.region && view.region ? "chosen" : ""}>
          <th scope="row"><a href=${page.link({ region: row.region })} @click=${page.go({ region: view.region === row.region ? "" : row.region }, "constituencies")}>${row.region || t("no_region")}</a></th>
          <td class="number share">${percent(row.participation_rate)}${shareBar(row.participation_rate)}</td><td class="number">${count(row.votes_cast)}</td>
          <td class="number">${bulletinsOf(page)(row.bulletins_issued)}</td><td class="number">${count(row.registered_voters)}</td>
          <td class="number">${count(row.constituencies_reporting)} / ${count(row.constituencies_total)}</td><td class="number">${percent(row.coverage)}</td></tr>`)}</tbody>
      </table></div>
    </section>`;
}

/** A link to an Atom feed of the election. */
const feed = (name, election) => (SYSTEM_LINKS ? html` <a class="csv" href=${address(`/feeds/${name}.atom`, { election: election.election_id })} type="application/atom+xml">${t("feed")}</a>` : "");

/** Findings, worst first. */
export function findings(page) {
  const found = page.dashboard.data.findings;
  const { election } = page;
  return html`
    <section aria-labelledby="findings">
      <header><h2 id="findings">${t("findings")}</h2>${sourceButton(page, { title: t("findings"), definition: t("definition_findings"), table: "metrics.anomalies", path: "/anomalies", asked: { election: election.election_id, state: "unresolved" } })}${feed("findings", election)}</header>
      ${findingsList(page, found, election.time_zone)}
      ${SYSTEM_LINKS ? html`<details class="over" @toggle=${({ target }) => target.open && page.readOver()}><summary>${t("findings_over")}</summary>
        ${page.over?.election_id === election.election_id ? findingsList(page, page.over.rows, election.time_zone) : ""}</details>` : ""}
    </section>`;
}

// The second count: what the portal publishes beside what is counted here.

import { html } from "../libraries/lit-html/lit-html.js";
import { count, dayAndClock, percent } from "./format.js";
import { sourceButton } from "./source.js";
import { t } from "./words.js";

const known = (value) => (value == null ? "–" : count(value));
const both = (here, there) => html`${known(here)} / ${known(there)}`;
/** As in portal_agreement_summary: an hour that the portal took back is a difference too. */
const isDifferent = (row) => row.status === "differs" || row.status === "taken_back";
const status = (row) => html`<span class="state ${isDifferent(row) ? "warning" : ""}">${t(`portal_${row.status}`)}${row.status === "differs" && row.counted_votes === row.published_votes && row.counted_bulletins === row.published_bulletins ? ` (${t("by_totals")})` : ""}</span>`;

/** One sentence on the whole election, for the headline. */
export function agreementLine(page) {
  const [whole] = page.agreement;
  if (!whole) return "";
  const words = {
    agreeing: count(whole.hours_agreeing), differing: count(whole.hours_differing), places: count(whole.constituencies_differing),
    until: whole.compared_until ? dayAndClock(whole.compared_until, page.election.time_zone) : "–", open: count(whole.hours_not_compared),
  };
  const name = whole.status === "differs" ? "second_differs" : whole.status === "agrees" ? "second_agrees" : "second_none";
  return html`<p class="quiet second-count"><a href="#second-count">${t("second_count")}</a>: ${whole.status === "differs" ? html`<strong>${t(name, words, whole.hours_differing)}</strong>` : t(name, words, whole.hours_agreeing)}</p>`;
}

/** Where voters have two ballots each, the headline is of ballots: it says so, and gives the voters by kind. */
export function ballotsByKind(page) {
  const known = page.kinds.filter((one) => one.kind !== "unknown");
  if (known.length < 2) return "";
  const one = (row) => t("of_kind", { kind: t(`kind_${row.kind}`), voters: count(row.registered_voters), rate: percent(row.participation_rate) });
  return html`<p class="quiet by-kind">${t("by_kind", { kinds: page.kinds.map((row) => one(row)).join("; ") })}</p>`;
}

/** Both counts of the election, its regions, and the constituencies that differ most. */
export function agreement(page) {
  const { election } = page;
  const rows = page.agreement;
  if (!rows.length) return "";
  const name = (row) => {
    if (row.level === "election") return t("whole_election");
    if (row.level === "region") return row.region ?? t("no_region");
    return html`<a href=${page.link({ constituency: row.constituency_id })} @click=${page.go({ constituency: row.constituency_id })}>${row.name ?? row.constituency_id.slice(0, 12)}</a>`;
  };
  return html`<section aria-labelledby="second-count">
    <header><h2 id="second-count">${t("second_count")}</h2><p>${t("second_count_note")}</p>${sourceButton(page, { title: t("second_count"), definition: t("second_count_note"), table: "metrics.portal_agreement_summary", path: `/election/${encodeURIComponent(election.election_id)}/portal-agreement`, isOfNow: true })}</header>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="second-count"><table>
      <thead><tr><th scope="col"></th><th scope="col">${t("second_status")}</th><th scope="col" class="number">${t("votes")}</th><th scope="col" class="number">${t("bulletins")}</th>
        <th scope="col" class="number">${t("hours_agreeing")}</th><th scope="col" class="number">${t("hours_differing")}</th><th scope="col" class="number">${t("hours_not_compared")}</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr class=${row.level}><th scope="row">${name(row)}</th><td>${status(row)}</td>
        <td class="number">${both(row.counted_votes, row.published_votes)}</td><td class="number">${both(row.counted_bulletins, row.published_bulletins)}</td>
        <td class="number">${count(row.hours_agreeing)}</td><td class="number">${count(row.hours_differing)}</td><td class="number">${count(row.hours_not_compared)}</td></tr>`)}</tbody>
    </table></div>
  </section>`;
}

/** Both counts of a constituency by hour. */
export function agreementOfPlace(page, rows, place) {
  if (!rows.length) return "";
  const zone = place.time_zone;
  const differing = rows.filter(isDifferent);
  const words = { agreeing: count(rows.filter((row) => row.status === "agrees").length), differing: count(differing.length), open: count(rows.filter((row) => row.counted_votes != null && row.status !== "agrees" && !isDifferent(row)).length) };
  const table = (shown) => html`<div class="scroll" tabindex="0" role="region" aria-labelledby="place-second"><table>
    <thead><tr><th scope="col">${t("hour")}</th><th scope="col">${t("second_status")}</th><th scope="col" class="number">${t("votes")}</th><th scope="col" class="number">${t("bulletins")}</th></tr></thead>
    <tbody>${shown.map((row) => html`<tr><th scope="row">${row.hour ? dayAndClock(row.hour, zone) : row.label}</th><td>${status(row)}${row.input === "missing" ? html` · ${t("input_not_here")}` : ""}</td>
      <td class="number">${both(row.counted_votes, row.published_votes)}</td><td class="number">${both(row.counted_bulletins, row.published_bulletins)}</td></tr>`)}</tbody></table></div>`;
  return html`<section aria-labelledby="place-second"><header><h2 id="place-second">${t("second_count")}</h2><p>${t("second_of_place", words, differing.length)}</p>
      ${sourceButton(page, { title: t("second_count"), definition: t("second_count_note"), table: "metrics.portal_agreement", path: `/constituency/${encodeURIComponent(place.constituency_id)}/portal-agreement`, zone, isPart: true, isOfNow: true })}</header>
    ${differing.length ? table(differing) : ""}
    <details class="as-table"><summary>${t("as_table")}</summary>${table(rows.toReversed())}</details></section>`;
}

/** The published tally of a constituency, and whether it fits the accepted votes. */
export function tallyOfPlace(page, rows, place) {
  if (!rows.length) return "";
  const first = rows.filter((row) => row.option === 1);
  const said = (row) => html`<p>${t(`tally_${row.status}`, { question: count(row.question), sum: count(row.tally_sum), votes: count(row.votes_cast) })}</p>`;
  return html`<section aria-labelledby="place-tally"><header><h2 id="place-tally">${t("tally")}</h2><p>${t("tally_note")}</p>
      ${sourceButton(page, { title: t("tally"), definition: t("tally_note"), table: "metrics.published_tallies", path: `/constituency/${encodeURIComponent(place.constituency_id)}/tally`, zone: place.time_zone, isPart: true, isOfNow: true })}</header>
    ${first.map(said)}
    <div class="scroll" tabindex="0" role="region" aria-labelledby="place-tally"><table>
      <thead><tr><th scope="col">${t("question")}</th><th scope="col">${t("option")}</th><th scope="col" class="number">${t("votes")}</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr><th scope="row">${count(row.question)}</th><td>${count(row.option)}${row.name ? html`. ${row.name}` : ""}</td><td class="number">${count(row.votes)}</td></tr>`)}</tbody></table></div></section>`;
}

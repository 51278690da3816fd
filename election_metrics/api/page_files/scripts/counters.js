// Counters as authorities published them, and the hours that are spread from them.

import { html } from "../libraries/lit-html/lit-html.js";
import { address } from "./api.js";
import { count, dayAndClock } from "./format.js";
import { HOUR } from "./hours.js";
import { t } from "./words.js";

/** Whether bulletins are counted at all: a source of votes alone has none, which is not 0; otherwise it is a finding. */
export const knowsBulletins = (row, findings) =>
  row.bulletins_issued > 0 || !row.votes_cast || findings.some((one) => one.rule === "votes_exceed_bulletins");

/** Bulletins as the page shows them: a dash where the source of the election has none. */
export const bulletinsOf = ({ election, dashboard }) => (value) => count(knowsBulletins(election, dashboard.data.findings) ? value : null);

/** The key of a chart: votes, and bulletins where there are any. */
export const keyOf = (isKnown) => html`<span class="votes">${t("votes")}</span> ${isKnown ? html`<span class="bulletins">${t("bulletins")}</span>` : ""}`;

/** The hours within counters that were published for a longer time than an hour. */
export function spreadHours(hours, counters) {
  const long = counters.map((one) => [+new Date(one.begins_at), +new Date(one.observed_at)]).filter(([begin, end]) => end - begin > HOUR);
  return hours.map((row) => row.hour).filter((hour) => long.some(([begin, end]) => +new Date(hour) + HOUR > begin && +new Date(hour) < end));
}

/** A table of the counters, the newest first; nothing where there is none. */
export function countersTable(counters, zone, path) {
  if (!counters.length) return "";
  return html`
    <section aria-labelledby="place-counters"><header><h2 id="place-counters">${t("counters")}</h2><p>${t("counters_note")} <a href=${address(path, {}, ".csv")} download>${t("csv")}</a></p></header>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="place-counters"><table><thead><tr><th scope="col">${t("counters_at")}</th><th scope="col">${t("counters_what")}</th><th scope="col" class="number">${t("counters_so_far")}</th><th scope="col" class="number">${t("counters_correction")}</th></tr></thead>
      <tbody>${counters.toReversed().map((row) => html`<tr><th scope="row">${dayAndClock(row.observed_at, zone)}</th><td>${t(row.counter)}</td><td class="number">${count(row.published)}</td><td class="number">${row.correction ? html`<strong>${count(row.correction)}</strong>` : "–"}</td></tr>`)}</tbody></table></div></section>`;
}

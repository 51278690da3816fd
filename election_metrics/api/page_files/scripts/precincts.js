// The precincts of a constituency: bulletins and register by commission, to be looked up by number.

import { html } from "../libraries/lit-html/lit-html.js";
import { count, dayAndClock, percent } from "./format.js";
import { sourceButton } from "./source.js";
import { t } from "./words.js";

const known = (value) => (value == null ? "–" : count(value));
const numberOf = (row) => (row.region_code ? `${row.region_code}-${row.precinct}` : `${row.precinct}`);

/** Hides the rows whose number does not hold what was typed; an empty field shows all. */
function look(event) {
  const typed = event.target.value.trim();
  for (const row of event.target.closest("section").querySelectorAll("tbody tr")) row.hidden = !row.dataset.number.includes(typed);
}

/** What the calls that name no precinct issued: told, so that nobody takes the list for the whole. */
function elsewhere(rows, place) {
  const others = place.bulletins_issued - rows.reduce((sum, row) => sum + row.bulletins_issued, 0);
  return others > 0 ? html`<p class="quiet">${t("precincts_elsewhere", { bulletins: count(others) }, others)}</p>` : "";
}

export function precinctsOfPlace(page, rows, place) {
  if (!rows.length) return "";
  const id = encodeURIComponent(place.constituency_id);
  const isPublished = rows.some((row) => row.published_bulletins != null);
  return html`<section aria-labelledby="place-precincts"><header><h2 id="place-precincts">${t("precincts")}</h2><p>${t("precincts_note", { precincts: count(rows.length) }, rows.length)}</p>
      ${sourceButton(page, { title: t("precincts"), definition: t("precincts_note", { precincts: count(rows.length) }, rows.length), table: "metrics.precinct_current", path: `/constituency/${id}/precincts`, zone: place.time_zone, isPart: true, isOfNow: true })}</header>
    ${elsewhere(rows, place)}
    ${rows.length > 5 ? html`<form class="filters" role="search" @submit=${(event) => event.preventDefault()}><input type="search" inputmode="numeric" placeholder=${t("precinct_search")} aria-label=${t("precinct_search")} @input=${look}></form>` : ""}
    <div class="scroll tall" tabindex="0" role="region" aria-labelledby="place-precincts"><table>
      <thead><tr><th scope="col">${t("precinct")}</th><th scope="col" class="number">${t("bulletins")}</th>${isPublished ? html`<th scope="col" class="number">${t("precinct_published")}</th>` : ""}<th scope="col" class="number">${t("precinct_voters")}</th><th scope="col" class="number">${t("precinct_rate")}</th>
        <th scope="col" class="number">${t("precinct_initial")}</th><th scope="col" class="number">${t("precinct_added")}</th><th scope="col" class="number">${t("precinct_restored")}</th><th scope="col" class="number">${t("precinct_removed")}</th><th scope="col">${t("precinct_last")}</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr data-number=${numberOf(row)}><th scope="row">${numberOf(row)}</th><td class="number">${count(row.bulletins_issued)}</td>${isPublished ? html`<td class="number">${known(row.published_bulletins)}</td>` : ""}<td class="number">${known(row.registered_voters)}</td><td class="number">${percent(row.issue_rate)}</td>
        <td class="number">${known(row.initial_voters)}</td><td class="number">${known(row.added_voters)}</td><td class="number">${count(row.restored_voters)}</td><td class="number">${count(row.removed_voters)}</td><td class="when">${row.last_hour ? dayAndClock(row.last_hour, place.time_zone) : "–"}</td></tr>`)}</tbody>
    </table></div></section>`;
}

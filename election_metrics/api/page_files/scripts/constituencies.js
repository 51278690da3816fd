// The table of constituencies: search, filter, sort, sparklines, and checkboxes for the comparison.

import { html } from "../libraries/lit-html/lit-html.js";
import { repeat } from "../libraries/lit-html/directives/repeat.js";
import { address } from "./api.js";
import { shareBar, sparkline } from "./charts.js";
import { bulletinsOf } from "./counters.js";
import { count, dayAndClock, percent } from "./format.js";
import { sourceButton } from "./source.js";
import { t } from "./words.js";

const COLUMNS = [
  ["name", "constituency", ""], ["region", "region", ""], ["participation_rate", "rate", "number"],
  ["votes_cast", "votes", "number"], ["bulletins_issued", "bulletins", "number"], ["gap_rate", "gap_share", "number"],
  ["registered_voters", "registered", "number"], ["anomaly_score", "anomalies", "number"],
];
const MOST_COMPARED = 6;

/** The query for the API. */
export function listQuestion(view) {
  const isSorted = COLUMNS.some(([name]) => name === view.sort);
  return {
    region: view.region, q: view.q, reporting: ["true", "false"].includes(view.reporting) ? view.reporting : "",
    sort: isSorted ? view.sort : "votes_cast", descending: isSorted ? view.desc === "1" : true, sparkline: true, limit: 50,
  };
}

export function constituencies(page) {
  const { view, list, election } = page;
  const asked = listQuestion(view);
  const path = `/election/${encodeURIComponent(election.election_id)}/constituencies`;
  const regions = page.dashboard.data.election.regions.map((row) => row.region).filter(Boolean);
  const all = { ...asked, sparkline: "", limit: 1000 };
  return html`
    <section aria-labelledby="constituencies">
      <header><h2 id="constituencies">${t("constituencies")}</h2>
        ${sourceButton(page, { title: t("constituencies"), definition: t("definition_constituency"), table: "metrics.constituency_metrics", path, asked: all })}
        <a class="csv" href=${address(path, all, ".csv")} download>${t("csv")}</a></header>
      <form class="filters" role="search" @submit=${(event) => event.preventDefault()}>
        <input type="search" id="search" .value=${view.q} placeholder=${t("search")} aria-label=${t("search")} @input=${page.typed}>
        <select aria-label=${t("region")} data-value=${view.region} @change=${(event) => page.show({ region: event.target.value })}>
          <option value="">${t("all_regions")}</option>
          ${regions.map((name) => html`<option value=${name} ?selected=${name === view.region}>${name}</option>`)}
        </select>
        <select aria-label=${t("reporting")} data-value=${view.reporting} @change=${(event) => page.show({ reporting: event.target.value })}>
          ${[["", "all_reporting"], ["true", "only_reporting"], ["false", "only_silent"]].map(([value, name]) => html`<option value=${value} ?selected=${value === view.reporting}>${t(name)}</option>`)}
        </select>
        <span class="quiet" role="status">${list ? t("found", { count: count(list.rows.length) + (list.next ? "+" : "") }) : ""}</span>
        ${view.compare.length > 1 ? html`<a class="button" href="#comparison">${t("compare", { count: view.compare.length })}</a>` : ""}
      </form>
      <p class="quiet screen-only">${t("compare_hint")}</p>
      ${lackingHours(page).size ? html`<p class="quiet"><span class="lacking">†</span> ${t("incomplete")}</p>` : ""}
      ${list?.rows.length ? table(page, asked) : list ? html`<p>${t("nothing_found")} <button type="button" @click=${() => page.show({ q: "", region: "", reporting: "" })}>${t("clear")}</button></p>` : html`<p>${t("loading")}</p>`}
      ${list?.next ? html`<p><button type="button" class="more" @click=${page.more}>${t("more", { count: 50 })}</button></p>` : ""}
    </section>`;
}

/** The constituencies of which hours are missing: their figures are too low. */
export const lackingHours = (page) => new Set(page.dashboard.data.election.missing.map((one) => one.constituency_id));

function table(page, asked) {
  const { view, list, span, election } = page;
  const lacking = lackingHours(page);
  const heading = ([name, label, kind]) => {
    const isSorted = asked.sort === name;
    const wanted = isSorted ? !asked.descending : name !== "name" && name !== "region";
    return html`<th scope="col" class=${kind} aria-sort=${isSorted ? (asked.descending ? "descending" : "ascending") : "none"}>
      <button type="button" aria-label=${t("sorted_by", { name: t(label) })} @click=${() => page.show({ sort: name, desc: wanted ? "1" : "" })}>${t(label)}<span class="arrow" aria-hidden="true">${isSorted ? (asked.descending ? " ↓" : " ↑") : ""}</span></button></th>`;
  };
  return html`<div class="scroll" tabindex="0" role="region" aria-labelledby="constituencies"><table class="constituencies">
    <thead><tr><th scope="col" class="tick"><span class="unseen">${t("compare", { count: "" })}</span></th>${COLUMNS.map(heading)}<th scope="col">${t("shape")}</th><th scope="col">${t("last")}</th></tr></thead>
    <tbody>${repeat(list.rows, (row) => row.constituency_id, (row) => {
      const isTicked = view.compare.includes(row.constituency_id);
      return html`<tr class=${isTicked ? "chosen" : ""}>
        <td class="tick"><input type="checkbox" .checked=${isTicked} ?disabled=${!isTicked && view.compare.length >= MOST_COMPARED} aria-label=${t("select", { name: row.name ?? row.constituency_id })} @change=${() => page.tick(row.constituency_id)}></td>
        <th scope="row"><a href=${page.link({ constituency: row.constituency_id })} @click=${page.go({ constituency: row.constituency_id })}>${row.name ?? row.constituency_id}</a></th>
        <td>${row.region ?? "–"}${row.time_zone_note ? html` <span class="assumed">${t("zone_assumed")}</span>` : ""}</td>
        <td class="number share">${percent(row.participation_rate)}${lacking.has(row.constituency_id) ? html` <span class="lacking" title=${t("incomplete")}>†</span>` : ""}${shareBar(row.participation_rate)}</td>
        <td class="number">${count(row.votes_cast)}</td><td class="number">${bulletinsOf(page)(row.bulletins_issued)}</td><td class="number">${percent(row.gap_rate, 1)}</td>
        <td class="number">${count(row.registered_voters)}</td><td class="number">${percent(row.anomaly_score, 1)}</td>
        <td>${sparkline(row.hours, span)}</td><td class="when">${dayAndClock(row.last_transaction_at, election.time_zone)}</td></tr>`;
    })}</tbody></table></div>`;
}

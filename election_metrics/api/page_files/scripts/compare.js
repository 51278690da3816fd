// Constituencies side by side: turnout so far on one scale, and their figures in one table.

import { html } from "../libraries/lit-html/lit-html.js";
import { address } from "./api.js";
import { compareChart, SERIES } from "./charts.js";
import { lackingHours } from "./constituencies.js";
import { count, dayAndClock, percent } from "./format.js";
import { t } from "./words.js";

export function comparison(page) {
  const { compared, width, view } = page;
  if (view.compare.length < 2) return "";
  if (!compared) return html`<section id="comparison"><p>${t("loading")}</p></section>`;
  if (!compared.length) return html`<section id="comparison"><p>${t("not_there")}</p></section>`;
  const lacking = lackingHours(page);
  const rows = [
    ["rate", (place) => `${percent(place.participation_rate)}${lacking.has(place.constituency_id) ? " †" : ""}`], ["votes", (place) => count(place.votes_cast)],
    ["bulletins", (place) => count(place.bulletins_issued)], ["gap_share", (place) => percent(place.gap_rate, 1)],
    ["registered", (place) => count(place.registered_voters)], ["anomalies", (place) => percent(place.anomaly_score, 1)],
    ["last", (place) => dayAndClock(place.last_transaction_at, page.election.time_zone)],
  ];
  return html`
    <section id="comparison" aria-labelledby="compare-title" tabindex="-1">
      <header><h2 id="compare-title">${t("compare_title")}</h2><p>${t("compare_note")}${compared.some(({ constituency }) => lacking.has(constituency.constituency_id)) ? ` † ${t("incomplete")}.` : ""}</p><a class="csv" href=${address("/compare-constituencies", { ids: view.compare }, ".csv")} download>${t("csv")}</a></header>
      <div class="chart">${page.chart("compare", [compared, width], () => compareChart({ compared, width, label: t("compare_title") }))}</div>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="compare-title"><table class="compared">
        <thead><tr><td></td>${compared.map(({ constituency }, i) => html`<th scope="col">
          <svg class="stroke" viewBox="0 0 28 6" aria-hidden="true"><line x1="0" x2="28" y1="3" y2="3" stroke=${SERIES[i][0]} stroke-dasharray=${SERIES[i][1]} stroke-width="3"/></svg>
          <a href=${page.link({ constituency: constituency.constituency_id })} @click=${page.go({ constituency: constituency.constituency_id })}>${constituency.name ?? constituency.constituency_id}</a>
          <button type="button" class="remove" aria-label=${t("remove", { name: constituency.name ?? constituency.constituency_id })} @click=${() => page.tick(constituency.constituency_id)}>×</button></th>`)}</tr></thead>
        <tbody>${rows.map(([name, value]) => html`<tr><th scope="row">${t(name)}</th>${compared.map(({ constituency }) => html`<td class="number">${value(constituency)}</td>`)}</tr>`)}</tbody>
      </table></div>
    </section>`;
}

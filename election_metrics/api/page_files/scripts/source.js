// The source of a figure: the run that computed it, its table, its data, its definition.

import { html } from "../libraries/lit-html/lit-html.js";
import { address, SYSTEM_LINKS } from "./api.js";
import { count, fullMoment, percent, zoneName } from "./format.js";
import { sharing } from "./share.js";
import { t } from "./words.js";

/** Where a figure is on the page: the id to link to, and its chart, if it is one. */
function placeOf(button) {
  const section = button.closest("section");
  return { part: section?.getAttribute("aria-labelledby"), chart: section?.querySelector(".chart > svg, .chart > figure > svg") };
}

/** A button that opens the source of a figure. */
export const sourceButton = (page, what) => html`<button class="source" type="button" @click=${(event) => page.openSource({ ...what, ...placeOf(event.target) })}
  aria-label=${t("source_of", { what: what.title })}>${t("source")}</button>`;

/** A link to a run in Dagster; where that cannot be reached, the run's name. */
export const runLink = (page, run, words = run.slice(0, 8)) => (SYSTEM_LINKS
  ? html`<a href="${page.status?.ui_url ?? ""}/runs/${run}" target="_blank" rel="noopener">${words}</a>`
  : html`<code title=${run}>${run.slice(0, 8)}</code>`);

/** The figures as CSV; of a published page, the whole file that has them. */
function csvLink(what) {
  if (SYSTEM_LINKS) return html`<a href=${address(what.path, what.asked, ".csv")}>${t("source_csv")}</a>`;
  const file = address(what.path, what.published);
  return html`<a href=${file}>${t("source_file", { file })}</a>`;
}

/** A total as it was shown, the newest first: since when, and why it changed. */
function shownBefore(page, rows, zone) {
  const { as_of } = page.view;
  const known = as_of ? rows.filter((row) => new Date(row.known_from) <= new Date(as_of)) : rows;
  if (known.length < 2) return "";
  return html`<h3 id="shown-before">${t("shown_before")}</h3>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="shown-before"><table>
      <thead><tr><th scope="col">${t("shown_since")}</th><th scope="col" class="number">${t("votes")}</th><th scope="col" class="number">${t("bulletins")}</th><th scope="col" class="number">${t("turnout")}</th><th scope="col">${t("why_corrected")}</th></tr></thead>
      <tbody>${known.map((row) => html`<tr><th scope="row"><a href=${page.link({ as_of: row.known_from })}>${fullMoment(row.known_from, zone)}</a></th>
        <td class="number">${count(row.votes_cast)}</td><td class="number">${count(row.bulletins_issued)}</td><td class="number">${percent(row.participation_rate)}</td>
        <td>${row.causes.map((cause) => t(`cause_${cause.replaceAll(" ", "_")}`)).join(", ")}</td></tr>`)}</tbody>
    </table></div>`;
}

/** The dialog; `what` has title, definition, table, path, query parameters (asked), run_id and computed_at; isOfNow: it has no history; versions: whose totals it shows. */
export function sourceDialog(page) {
  const what = page.source;
  if (!what) return "";
  const meta = page.dashboard?.meta ?? {};
  const run = what.run_id ?? meta.run_id;
  const zone = what.zone ?? page.election?.time_zone ?? "UTC";
  return html`
    <h2>${t("source_of", { what: what.title })}</h2>
    ${what.definition ? html`<h3>${t("definition")}</h3><p>${what.definition}</p>` : ""}
    <dl class="facts">
      ${what.isOfNow ? "" : html`<dt>${t("source_at")}</dt><dd>${fullMoment(what.computed_at ?? meta.as_of, zone)}, ${zoneName(zone)}</dd>
      <dt>${t("source_run")}</dt>
      <dd>${run ? runLink(page, run, t("source_open")) : "–"}${run && SYSTEM_LINKS ? html` <code>${run.slice(0, 8)}</code>` : ""}</dd>`}
      <dt>${t("source_table", { name: "" })}</dt><dd><code>${what.table}</code></dd>
    </dl>
    ${meta.coverage == null || what.isPart ? "" : html`<p>${t("source_rests", { coverage: percent(meta.coverage), time: fullMoment(meta.last_transaction_at, zone) })}</p>`}
    <p class="links">${SYSTEM_LINKS ? html`<a href=${address(what.path, what.asked)}>${t("source_json")}</a> ` : ""}${csvLink(what)}</p>
    ${shownBefore(page, what.shown ?? [], zone)}
    ${what.isOfNow ? "" : sharing(page, what)}
    <button type="button" class="close" autofocus @click=${() => page.closeSource()}>${t("close")}</button>`;
}

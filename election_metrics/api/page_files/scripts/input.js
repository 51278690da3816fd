// What of the input does not count, and why: an observer must know it before publishing a figure.

import { html } from "../libraries/lit-html/lit-html.js";
import { address } from "./api.js";
import { count, fullMoment } from "./format.js";
import { t } from "./words.js";

const sentence = (one, zone) =>
  t(`input_${one.kind}`, { files: count(one.files), lines: count(one.lines ?? 0), example: one.example, reason: one.reason ?? "?", time: fullMoment(one.since, zone) }, one.files);

/** Notes on the election that is shown, and those that belong to no known one. */
const own = (page) => page.notes.filter((one) => one.election_id == null || one.election_id === page.election?.election_id);

/** What people withdrew, as warnings: figures that were shown before are no longer. */
export const withdrawn = (page) => own(page).filter((one) => one.kind === "withdrawn").map((one) => html`
  <p class="alarm warning" role="note">${sentence(one, page.election?.time_zone ?? "UTC")}</p>`);

/** The data note: input that is not read, or cannot be. */
export function dataNote(page) {
  const notes = own(page).filter((one) => one.kind !== "withdrawn");
  if (!notes.length) return "";
  const zone = page.election?.time_zone ?? "UTC";
  return html`
    <section class="data-note" aria-labelledby="data-note"><header><h2 id="data-note">${t("input_title")}</h2><p>${t("input_note")}</p>
      <a class="csv" href=${address("/input-notes", {}, ".csv")} download>${t("csv")}</a></header>
      <ul>${notes.map((one) => html`<li>${sentence(one, zone)}</li>`)}</ul></section>`;
}

// Ballots that a verifier found invalid: told beside the figures, in which they stay counted.

import { html } from "../libraries/lit-html/lit-html.js";
import { address } from "./api.js";
import { count } from "./format.js";
import { t } from "./words.js";

const MOST = 3;
const sum = (rows, name) => rows.reduce((total, row) => total + row[name], 0);

/** A sentence for each verifier: how many votes, why, and how many ids are not known here. */
export function verdictLines(rows, path) {
  const verifiers = [...new Set(rows.map((row) => row.verifier))];
  return verifiers.map((verifier) => {
    const own = rows.filter((row) => row.verifier === verifier);
    const [found, unknown] = [sum(own, "votes_found_invalid"), sum(own, "unknown_here")];
    const reasons = own.filter((row) => row.votes_found_invalid > 0);
    const shown = reasons.slice(0, MOST).map((row) => `${row.reason} (${count(row.votes_found_invalid)})`).join("; ");
    return html`<p class="quiet verdicts">${found ? html`<strong>${t("verdicts_found", { votes: count(found), verifier }, found)}</strong>: ${shown}${reasons.length > MOST ? "; …" : ""}. ${t("verdicts_stay")}` : t("verdicts_none", { verifier })}
      ${unknown ? t("verdicts_unknown", { ids: count(unknown) }, unknown) : ""} <a href=${address(path, {}, ".csv")} download>${t("csv")}</a></p>`;
  });
}

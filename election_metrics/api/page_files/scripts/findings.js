// Findings, each with its explanation: what, where, when, observed and expected.

import { html } from "../libraries/lit-html/lit-html.js";
import { address, ask } from "./api.js";
import { findingChart, isOfVotes } from "./charts.js";
import { inWords, referenceOf, whatNext } from "./explanations.js";
import { count, dayAndClock, decimal, inOrderOfNames, zoneName } from "./format.js";
import { runLink } from "./source.js";
import { ruleName, t } from "./words.js";

const SIGNS = { critical: "◆", warning: "▲", info: "●" };

const FEW = 8;

/** Findings of one rule, window and wording on several constituencies, as one. */
function grouped(found) {
  const groups = new Map();
  for (const one of found) {
    const same = [one.rule, one.severity, one.state, one.state_note, one.window_start, one.window_end, one.explanation];
    const key = one.constituency_id ? JSON.stringify(same) : one.anomaly_id;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  const name = (one) => one.constituency ?? one.constituency_id ?? "";
  return [...groups.values()].map((group) => group.toSorted((a, b) => inOrderOfNames(name(a), name(b))));
}

const NAMED = 3;

/** Critical findings, at the top of the page. `all`: their number, if not all are loaded. */
export function criticalBanner(page, found, zone, target, all = 0) {
  const groups = grouped(found.filter((one) => one.severity === "critical"));
  if (!groups.length) return "";
  const number = Math.max(all, groups.flat().length);
  return html`<div class="alarm critical banner" role="alert">
    <p><strong>${SIGNS.critical} ${t("critical_found", { count: count(number) }, number)}</strong> <a href="#${target}">${t("see_findings")}</a></p>
    <ul>${groups.slice(0, NAMED).map((group) => html`<li>${ruleName(group[0].rule)}: ${places(page, group, NAMED)}, ${dayAndClock(group[0].window_start, zone)} – ${dayAndClock(group[0].window_end, zone)}</li>`)}</ul>
    ${groups.length > NAMED ? html`<p>${t("others", { count: groups.length - NAMED })}</p>` : ""}</div>`;
}

export function findingsList(page, found, zone) {
  if (!found.length) return html`<p class="quiet">${t("no_findings")}</p>`;
  return html`<ul class="findings">${grouped(found).map((group) => {
    const [one] = group;
    const [said, next, reference] = [inWords(one), whatNext(one), referenceOf(one)];
    return html`<li class=${one.severity}>
      <h3><span class="sign" aria-hidden="true">${SIGNS[one.severity]}</span> <span class="severity">${t(one.severity)}</span> ${ruleName(one.rule)}</h3>
      ${group.map((each) => html`<span id=${each.anomaly_id}></span>`)}
      <p class="where">${group.length > 1 ? html`<strong>${t("many_places", { count: count(group.length) }, group.length)}</strong>: ` : ""}${places(page, group)}
        · ${dayAndClock(one.window_start, zone)} – ${dayAndClock(one.window_end, zone)} (${zoneName(zone)}) · ${t(`state_${one.state}`)}${one.state_note ? html`: ${one.state_note}` : ""}</p>
      ${said ? html`<p>${said}.</p>` : ""}
      <p lang="en" class=${said ? "quiet" : ""}>${one.explanation[0].toUpperCase()}${one.explanation.slice(1)}.</p>
      ${next ? html`<p class="next">${t("next", { what: next })}</p>` : ""}
      <p class="quiet">${one.observed == null || one.expected == null ? "" : html`${t("expected", { observed: decimal(one.observed, 2), expected: decimal(one.expected, 2) })}${one.expected_low == null ? "" : ` (${t("usual", { low: count(one.expected_low), high: count(one.expected_high) })})`} · `}
        ${reference ? html`${t("reference", { what: reference })} · ` : ""}
        ${runLink(page, one.run_id, `${t("run")} ${one.run_id.slice(0, 8)}`)} · <a href="${page.link({})}#${one.anomaly_id}">${t("link")}</a></p>
      <details class="picture" @toggle=${openPicture(page, one, zone)}><summary>${t("picture")}</summary>
        <p class="quiet">${t("picture_note")} ${isOfVotes(one) ? t("picture_expected") : ""} <a href=${address(`/anomalies/${encodeURIComponent(one.anomaly_id)}/series`, {}, ".csv")} download>${t("csv")}</a></p><div class="chart"></div></details>
    </li>`;
  })}</ul>`;
}

/** Draws the picture of a finding when it is opened for the first time. */
const openPicture = (page, one, zone) => async ({ target }) => {
  const space = target.querySelector(".chart");
  if (!target.open || space.childElementCount) return;
  try {
    const { data } = await ask(`/anomalies/${encodeURIComponent(one.anomaly_id)}/series`, { as_of: page.view.as_of });
    const drawn = findingChart({ spans: data, finding: one, zone, width: space.clientWidth || 600, label: t("picture_of", { rule: ruleName(one.rule) }) });
    space.replaceChildren(drawn ?? t("no_ballots_around"));
  } catch (refused) {
    space.replaceChildren(refused.message);
  }
};

const places = (page, group, few = FEW) => html`${group.slice(0, few).map((one, i) => html`${i ? ", " : ""}${place(page, one)}`)}${group.length > few ? ` ${t("others", { count: group.length - few })}` : ""}`;

const place = (page, one) => one.constituency_id
  ? html`<a href=${page.link({ constituency: one.constituency_id })} @click=${page.go({ constituency: one.constituency_id })}>${one.constituency ?? one.constituency_id}</a>`
  : one.region ?? t("whole_election");

// What was known when: the page as it was known at a moment, and what was corrected since it was first shown.

import { html } from "../libraries/lit-html/lit-html.js";
import { count, dayAndClock, fullMoment, zoneName } from "./format.js";
import { runLink, sourceButton } from "./source.js";
import { t } from "./words.js";

/** Says that the page shows the past, and leads back to now; or that it was published, by whom and how to check it. */
export function pastNote(page) {
  const { as_of } = page.view;
  const zone = page.election?.time_zone ?? "UTC";
  const published = page.status?.published;
  if (published) {
    return html`<p class="published" role="note"><strong>${t("published_at", { time: `${fullMoment(published.known_at, zone)}, ${zoneName(zone)}` })}</strong>
      ${page.election?.status === "completed" ? "" : html`<strong>${t("preliminary")}</strong>`} ${t("published_why")}
      <a href="README.html">${t("published_check")}</a> · <a href="README.html">${t("published_data")}</a> · <a href=${published.licence_url} rel="license">${published.licence}</a> · ${t("published_cite", { citation: published.citation })}</p>`;
  }
  if (!as_of) return "";
  return html`<p class="alarm warning" role="note"><strong>${t("as_known", { time: fullMoment(as_of, zone) })}</strong> ${t("as_known_why")}
    <a href=${page.link({ as_of: "" })} @click=${page.go({ as_of: "" })}>${t("as_known_now")}</a></p>`;
}

/** A slider through the moments at which the figures changed; the right end is now. */
export function knownAt(page) {
  const moments = page.commits;
  if (moments.length < 2) return "";
  const zone = page.election.time_zone;
  const { as_of } = page.view;
  const past = as_of ? moments.findLastIndex((one) => new Date(one) <= new Date(as_of)) : -1;
  const place = as_of ? Math.max(past, 0) : moments.length;
  const shown = (at) => (at >= moments.length ? t("now") : fullMoment(moments[at], zone));
  const move = (event) => { event.target.nextElementSibling.textContent = shown(+event.target.value); };
  const choose = (event) => page.show({ as_of: moments[+event.target.value] ?? "" }, { isStep: true });
  return html`<section class="known-at" aria-labelledby="known-at">
    <header><h2 id="known-at">${t("known_at")}</h2><p>${t("known_at_note")}</p></header>
    <p><input type="range" min="0" max=${moments.length} step="1" .value=${String(place)} aria-labelledby="known-at" aria-valuetext=${shown(place)} @input=${move} @change=${choose}>
      <output>${shown(place)}</output></p>
  </section>`;
}

const change = (before, after) => html`${before == null ? "–" : count(before)} → ${count(after)}`;

/** Figures of hours that changed after they were first shown, the newest correction first. */
export function corrections(page) {
  const { election } = page;
  const rows = page.corrections;
  if (!rows.length) return "";
  return html`<section aria-labelledby="corrections">
    <header><h2 id="corrections">${t("corrections")}</h2><p>${t("corrections_note")}</p>${sourceButton(page, { title: t("corrections"), definition: t("corrections_note"), table: "metrics.corrections_log", path: "/corrections", asked: { election: election.election_id } })}</header>
    <div class="scroll" tabindex="0" role="region" aria-labelledby="corrections"><table>
      <thead><tr><th scope="col">${t("corrected_at")}</th><th scope="col">${t("constituency")}</th><th scope="col">${t("hour_of_ballots")}</th>
        <th scope="col" class="number">${t("bulletins")}</th><th scope="col" class="number">${t("votes")}</th><th scope="col">${t("why_corrected")}</th><th scope="col">${t("run")}</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr><th scope="row">${fullMoment(row.corrected_at, election.time_zone)}</th>
        <td><a href=${page.link({ constituency: row.constituency_id })} @click=${page.go({ constituency: row.constituency_id })}>${row.name ?? row.constituency_id.slice(0, 12)}</a></td>
        <td>${dayAndClock(row.hour, election.time_zone)}</td><td class="number">${change(row.bulletins_before, row.bulletins_after)}</td><td class="number">${change(row.votes_before, row.votes_after)}</td>
        <td>${row.causes.map((cause) => t(`cause_${cause.replaceAll(" ", "_")}`)).join(", ")}</td>
        <td>${row.run_id ? runLink(page, row.run_id) : "–"}</td></tr>`)}</tbody>
    </table></div>
  </section>`;
}

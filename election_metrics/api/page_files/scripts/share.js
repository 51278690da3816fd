// Links that last, how to cite what they show, and charts as pictures.

import { html } from "../libraries/lit-html/lit-html.js";
import { fullMoment } from "./format.js";
import { t } from "./words.js";

/** The time as of which the page shows its figures. */
const knownAt = (page) => page.status?.published?.known_at ?? (page.view.as_of || page.dashboard?.meta.known_at);

/** The address of what is shown, as it is known now: later files and corrections do not change it. */
function lastingLink(page, part) {
  const address = new URL(page.status?.published ? page.link({}) : page.link({ as_of: knownAt(page) }), location.href);
  address.hash = part ?? "";
  return address.href;
}

/** Text and BibTeX of a citation. */
function citations(page, title, link) {
  const published = page.status?.published;
  const moment = knownAt(page);
  const author = published?.publisher ?? location.hostname;
  const what = `${page.election.name}: ${title}`;
  const year = moment?.slice(0, 4) ?? "";
  const plain = (text) => text.replace(/[\\{}]/g, " ");
  const key = `${page.election.election_id}-${moment?.slice(0, 16).replace(/\D/g, "")}`;
  return {
    text: `${author} (${year}). ${what}. ${t("cited_as_of", { time: moment })}. ${link}`,
    bibtex: [`@misc{${key},`, `  author = {{${plain(author)}}},`, `  title = {{${plain(what)}}},`, `  year = {${year}},`,
      `  note = {As known at ${moment}},`, `  url = {${plain(link)}}`, "}"].join("\n"),
  };
}

const copy = (text) => (event) => navigator.clipboard?.writeText(text).then(() => { event.target.textContent = t("copied"); });

/** The part of the source dialog for those who quote: link, citation, picture. */
export function sharing(page, what) {
  if (!page.election) return "";
  const link = lastingLink(page, what.part);
  const { text, bibtex } = citations(page, what.title, link);
  const name = `${page.election.election_id}-${what.part ?? "figure"}`;
  const footer = [page.election.name, t("cited_as_of", { time: fullMoment(knownAt(page), page.election.time_zone) }), location.hostname].filter(Boolean).join(" · ");
  const copyButton = (words) => (navigator.clipboard ? html`<button type="button" class="copy" @click=${copy(words)}>${t("copy")}</button>` : "");
  return html`
    <h3>${t("lasting_link")}</h3><p class="lasting"><a href=${link}>${link}</a> ${copyButton(link)}</p>
    <details class="cite"><summary>${t("cite")}</summary><p>${text} ${copyButton(text)}</p><pre>${bibtex}</pre>${copyButton(bibtex)}</details>
    ${what.chart && page.status?.is_embeddable ? html`<details class="cite"><summary>${t("embed")}</summary><pre>${frameOf(page, what)}</pre>${copyButton(frameOf(page, what))}</details>` : ""}
    ${what.chart ? html`<p class="links">${t("chart_as")}
      <button type="button" class="save-svg" @click=${() => save(new Blob([picture(what.chart, what.title, footer)], { type: "image/svg+xml" }), `${name}.svg`)}>SVG</button>
      <button type="button" class="save-png" @click=${() => savePng(picture(what.chart, what.title, footer), `${name}.png`)}>PNG</button></p>` : ""}`;
}

/** The HTML by which another site shows the chart. */
function frameOf(page, what) {
  const address = new URL(page.link({ chart: what.part }), location.href);
  address.pathname = "/embed";
  const quoted = (text) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
  const height = Math.round(what.chart.closest("section").getBoundingClientRect().height) + 120;
  return `<iframe src="${quoted(address.href)}" title="${quoted(what.title)}" width="100%" height="${height}" style="border: 0" loading="lazy"></iframe>`;
}

const STYLES = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "stroke-linejoin", "opacity", "font-family", "font-size", "font-weight", "text-anchor"];
const SVG = "http://www.w3.org/2000/svg";
const ABOVE = 54;
const BELOW = 26;
const MARGIN = 12;

/** What the colours of a chart mean: text and colour of each. */
const legendOf = (chart) => [...(chart.closest("section")?.querySelectorAll(".key > span") ?? [])].map((span) => {
  const sign = getComputedStyle(span, "::before");
  return [span.textContent.trim(), sign.backgroundColor.endsWith(", 0)") ? sign.borderTopColor : sign.backgroundColor];
});

/** A chart as an SVG that stands alone: with its colours, title and source. */
function picture(chart, title, footer) {
  const { width, height } = chart.getBoundingClientRect();
  const look = getComputedStyle(document.body);
  const inner = chart.cloneNode(true);
  const [originals, copies] = [chart, inner].map((one) => [one, ...one.querySelectorAll("*")]);
  originals.forEach((one, i) => {
    const style = getComputedStyle(one);
    for (const name of STYLES) copies[i].setAttribute(name, style.getPropertyValue(name));
    copies[i].removeAttribute("class");
  });
  for (const [name, value] of Object.entries({ x: MARGIN, y: ABOVE, width, height, overflow: "visible" })) inner.setAttribute(name, value);
  const whole = document.createElementNS(SVG, "svg");
  const add = (kind, attributes, text = "") => {
    const made = document.createElementNS(SVG, kind);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    whole.append(made);
  };
  const size = { width: Math.ceil(width) + 2 * MARGIN, height: Math.ceil(height) + ABOVE + BELOW };
  for (const [name, value] of Object.entries({ ...size, viewBox: `0 0 ${size.width} ${size.height}` })) whole.setAttribute(name, value);
  const words = { fill: look.color, "font-family": look.fontFamily };
  add("title", {}, title);
  add("rect", { ...size, fill: look.backgroundColor });
  add("text", { ...words, x: MARGIN, y: 22, "font-size": 16, "font-weight": 600 }, title);
  let x = MARGIN;
  for (const [text, colour] of legendOf(chart)) {
    add("rect", { x, y: 35, width: 12, height: 9, fill: colour });
    add("text", { ...words, x: x + 17, y: 44, "font-size": 12 }, text);
    x += 34 + text.length * 7;
  }
  whole.append(inner);
  add("text", { ...words, x: MARGIN, y: size.height - 9, "font-size": 11, "fill-opacity": 0.75 }, footer);
  return new XMLSerializer().serializeToString(whole);
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function savePng(text, name) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width * 2, image.height * 2];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => save(blob, name), "image/png");
}

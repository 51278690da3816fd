// The charts, drawn by Observable Plot (a global, which uses d3). Each function takes plain rows and returns an SVG.
// Colours are the page's variables, so a theme or a printer changes them without drawing again.

import { html, svg } from "../libraries/lit-html/lit-html.js";
import { clock, count, dayAndClock, dayShort, decimal, percent, wallClock } from "./format.js";
import { spoken, t } from "./words.js";
import { HOUR } from "./hours.js";

/** Colours safe for colour-blind readers, each with its dash pattern. */
export const SERIES = [
  ["var(--series-1)", "0"], ["var(--series-2)", "7 3"], ["var(--series-3)", "2 3"],
  ["var(--series-4)", "10 3 2 3"], ["var(--series-5)", "4 2"], ["var(--series-6)", "1 2"],
];

/** The hours from the first one with a ballot, with the wall-clock times of their start and end. */
function placed(hours, zone) {
  const first = hours.findIndex((row) => row.bulletins_issued || row.votes_cast);
  return hours.slice(Math.max(first, 0)).map((row) => {
    const length = row.isDay ? 24 * HOUR : HOUR;
    const at = wallClock(row.hour, zone);
    const start = row.isDay ? new Date(Math.floor(at / length) * length) : at;
    return { ...row, start, middle: new Date(+start + length / 2), end: new Date(+start + length) };
  });
}

/** Points of a stepped line; a gap where hours are missing. */
function steps(rows, value) {
  const points = [];
  rows.forEach((row, i) => {
    points.push({ x: row.start, y: value(row) }, { x: row.end, y: value(row) });
    const next = rows[i + 1];
    if (next && +next.start !== +row.end) points.push({ x: row.end, y: NaN });
  });
  return points;
}

/** Points of a running total: flat without transactions, and no point where it is unknown. */
function rising(rows, value, origin) {
  let before = 0;
  const points = rows.flatMap((row) => {
    if (value(row) == null) return [];
    const step = [{ x: row.start, y: before }, { x: row.end, y: value(row), row }];
    before = value(row);
    return step;
  });
  return origin < rows[0].start && points.length ? [{ x: origin, y: 0 }, ...points] : points;
}

/** The start of a chart: the opening, or an earlier ballot. */
const beginning = (rows, opens, zone) => d3.min([rows[0].start, ...(opens ? [wallClock(opens, zone)] : [])]);

/** Spans merged so that they do not overlap: a span shaded twice would be darker. */
function merged(spans) {
  const found = [];
  for (const span of spans.toSorted((a, b) => a.x1 - b.x1)) {
    const last = found.at(-1);
    if (last && span.x1 <= last.x2) last.x2 = d3.max([last.x2, span.x2]);
    else found.push({ ...span });
  }
  return found;
}

function timeAxis(domain, width) {
  const hours = (domain[1] - domain[0]) / HOUR;
  const room = Math.max(2, width / 62);
  const step = [1, 2, 3, 6, 12, 24].find((each) => hours / each <= room) ?? 48;
  const ticks = step >= 24 ? d3.utcDay.every(step / 24).range(...domain) : d3.utcHour.every(step).range(...domain);
  const day = new Intl.DateTimeFormat(spoken() === "en" ? "en-GB" : "ru-RU", { timeZone: "UTC", day: "numeric", month: "short" });
  return [
    Plot.axisX(ticks, {
      tickSize: 4, label: null,
      tickFormat: (date) => (date.getUTCHours() === 0 ? day.format(date) : String(date.getUTCHours()).padStart(2, "0")),
    }),
    Plot.ruleX(ticks.filter((date) => date.getUTCHours() === 0), { stroke: "var(--rule)", strokeDasharray: "2 3" }),
  ];
}

function draw(options, label) {
  const drawn = Plot.plot({ style: { background: "none", color: "inherit", overflow: "visible" }, className: "plot", ...options });
  drawn.querySelector("style")?.remove(); // its rules are in page.css: nothing inline, as the page's policy says
  // For screen readers a chart is one image; the table below it has the figures.
  for (const part of drawn.querySelectorAll("[aria-label], [aria-description]")) {
    part.dataset.part = part.getAttribute("aria-description") ?? part.getAttribute("aria-label");
    part.removeAttribute("aria-label");
    part.removeAttribute("aria-description");
  }
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", label);
  return drawn;
}

/** Height of a chart: lower on narrow screens, so that a chart and its text fit on one screen. */
const tall = (width, most) => Math.round(Math.min(most, Math.max(most > 250 ? 230 : 180, width * 0.42)));

/** A span and its ballots in words. */
const ballotsOf = (row, from, to, zone, note = "") =>
  `${row.isDay ? dayShort(from, zone) : `${dayAndClock(from, zone)} – ${clock(to, zone)}`}${note}\n${t("bulletins")}: ${count(row.bulletins_issued)}\n${t("votes")}: ${count(row.votes_cast)}`;

const bulletinsLine = (rows) => (rows.some((row) => row.bulletins_issued) ? Plot.line(steps(rows, (row) => row.bulletins_issued), { x: "x", y: "y", stroke: "var(--bulletins)", strokeWidth: 1.8 }) : null);

const tipOf = (rows, title) =>
  Plot.tip(rows, Plot.pointerX({ x: "middle", y: (row) => Math.max(row.votes_cast, row.bulletins_issued), title, fill: "var(--paper)", stroke: "var(--rule)", ariaHidden: true }));

/** A pattern of slanted lines, for bars that are not known by hour. */
function hatch(id) {
  const drawn = d3.create("svg:defs");
  const pattern = drawn.append("pattern").attr("id", id).attr("width", 6).attr("height", 6)
    .attr("patternUnits", "userSpaceOnUse").attr("patternTransform", "rotate(45)");
  pattern.append("rect").attr("width", 6).attr("height", 6).attr("fill", "var(--votes)").attr("fill-opacity", 0.25);
  pattern.append("rect").attr("width", 2.5).attr("height", 6).attr("fill", "var(--votes)");
  return drawn.node();
}

/** Votes as bars and bulletins as a stepped line, by hour; hours of findings are shaded, spread ones hatched. */
export function hoursChart({ hours, zone, width, opens, findings = [], missing = [], spread = [], current, onHour, label }) {
  const rows = placed(hours, zone);
  if (!rows.length) return null;
  // The axis includes shaded hours without bars, so that missing input does not look like the end of voting.
  const ends = [...findings.map((one) => one.window_end), ...missing.map((one) => one.missing_to)].filter((end) => +new Date(end) <= Date.now() + HOUR);
  const domain = [beginning(rows, opens, zone), d3.max([...rows.map((row) => row.end), ...ends.map((end) => wallClock(end, zone))])];
  const lacking = missing
    .map((one) => ({ x1: d3.max([wallClock(one.missing_from, zone), domain[0]]), x2: d3.min([wallClock(one.missing_to, zone), domain[1]]) }))
    .filter((one) => one.x1 < one.x2);
  const most = d3.max(rows, (row) => Math.max(row.bulletins_issued, row.votes_cast)) || 1;
  const shaded = (severity) => merged(findings
    .filter((one) => one.severity === severity)
    .map((one) => ({ x1: wallClock(one.window_start, zone), x2: wallClock(one.window_end, zone) }))
    .filter((one) => one.x2 > domain[0] && one.x1 < domain[1])
    .map((one) => ({ x1: d3.max([one.x1, domain[0]]), x2: d3.min([one.x2, domain[1]]) })));
  const isSpread = new Set(spread.map((hour) => +new Date(hour)));
  const known = (row) => !isSpread.has(+new Date(row.hour));
  const pattern = `spread-${label.length}-${rows.length}-${width}`;
  const note = (row) => (row.hour === current ? ` (${t("to_come")})` : known(row) ? "" : ` (${t("spread")})`);
  const title = (row) => ballotsOf(row, row.hour, +new Date(row.hour) + HOUR, zone, note(row));
  const chart = draw({
    width, height: tall(width, 320), marginLeft: 52, marginRight: 12, marginTop: 16,
    x: { type: "utc", domain }, y: { domain: [0, most * 1.04], grid: true, label: null, tickFormat: (value) => count(value), ticks: 5 },
    marks: [
      ...timeAxis(domain, width),
      Plot.rectX(lacking, { x1: "x1", x2: "x2", y1: 0, y2: most * 1.04, fill: "var(--quiet)", fillOpacity: 0.16 }),
      Plot.rectY(rows.filter(known), {
        x1: "start", x2: "end", y: "votes_cast", insetLeft: 0.5, insetRight: 0.5, fill: "var(--votes)",
        fillOpacity: (row) => (row.hour === current ? 0.45 : 0.85),
      }),
      ...(isSpread.size ? [() => hatch(pattern)] : []),
      Plot.rectY(rows.filter((row) => !known(row)), {
        x1: "start", x2: "end", y: "votes_cast", insetLeft: 0.5, insetRight: 0.5, fill: `url(#${pattern})`, ariaDescription: "spread hours",
      }),
      Plot.rectX(shaded("warning"), { x1: "x1", x2: "x2", y1: 0, y2: most * 1.04, fill: "var(--warning)", fillOpacity: 0.1, ariaDescription: "warning hours" }),
      Plot.rectX(shaded("critical"), { x1: "x1", x2: "x2", y1: 0, y2: most * 1.04, fill: "var(--critical)", fillOpacity: 0.2, ariaDescription: "critical hours" }),
      bulletinsLine(rows),
      Plot.ruleY([0], { stroke: "currentColor" }),
      tipOf(rows, title),
    ],
  }, label);
  if (onHour) {
    chart.classList.add("clickable");
    chart.addEventListener("click", () => chart.value?.run_id && onHour(chart.value));
  }
  return chart;
}

const OF_VOTES = ["spike", "drop", "silence", "burst"];

/** Whether a finding is about votes by hour, so that its expected value can be drawn among them. */
export const isOfVotes = (finding) => OF_VOTES.includes(finding.rule) && finding.expected_high != null;

/** Votes as bars and bulletins as a stepped line around a finding, which is shaded; expected votes, where it has any. */
export function findingChart({ spans, finding, zone, width, label }) {
  if (!spans.length) return null;
  const rows = spans.map((row) => {
    const [start, end] = [wallClock(row.starts_at, zone), wallClock(row.ends_at, zone)];
    return { ...row, start, middle: new Date((+start + +end) / 2), end };
  });
  const [from, to] = [wallClock(finding.window_start, zone), wallClock(finding.window_end, zone)];
  const domain = [d3.min([from, ...rows.map((row) => row.start)]), d3.max([to, ...rows.map((row) => row.end)])];
  const length = rows[0].end - rows[0].start;
  const share = 1 / Math.max(1, Math.round((to - from) / length));
  const expected = isOfVotes(finding) ? finding.expected * share : null;
  const most = d3.max([...rows.map((row) => Math.max(row.bulletins_issued, row.votes_cast)), expected ?? 1]);
  const colour = finding.severity === "critical" ? "var(--critical)" : "var(--warning)";
  const title = (row) => ballotsOf(row, row.starts_at, row.ends_at, zone);
  return draw({
    width, height: tall(width, 240), marginLeft: 52, marginRight: 12, marginTop: 16,
    x: { type: "utc", domain }, y: { domain: [0, most * 1.04], grid: true, label: null, tickFormat: (value) => count(value), ticks: 4 },
    marks: [
      ...timeAxis(domain, width),
      Plot.rectX([{ from, to }], { x1: "from", x2: "to", y1: 0, y2: most * 1.04, fill: colour, fillOpacity: 0.15 }),
      Plot.rectY(rows, { x1: "start", x2: "end", y: "votes_cast", insetLeft: 0.5, insetRight: 0.5, fill: "var(--votes)", fillOpacity: 0.85 }),
      bulletinsLine(rows),
      ...(expected == null ? [] : [Plot.rectX([{ from, to }], { x1: "from", x2: "to", y1: finding.expected_low * share, y2: Math.min(finding.expected_high * share, most * 1.04), fill: "currentColor", fillOpacity: 0.18 }), Plot.ruleY([expected], { x1: from, x2: to, stroke: "currentColor", strokeDasharray: "4 3", strokeWidth: 2 })]),
      Plot.ruleY([0], { stroke: "currentColor" }),
      tipOf(rows, title),
    ],
  }, label);
}

/** Lines of rates, or of counts if rates are not known; another election is dashed. Each starts at its opening. */
export function runningChart({ hours, isRate, opens, zone, width, before = [], label }) {
  const rows = placed(hours, zone);
  if (!rows.length) return null;
  const [bulletins, votes] = isRate ? ["running_issue_rate", "running_participation_rate"] : ["running_bulletins", "running_votes"];
  const shown = (value) => (isRate ? percent(value, 1) : count(value));
  const origin = beginning(rows, opens, zone);
  const [issued, cast] = [bulletins, votes].map((name) => rising(rows, (row) => row[name], origin));
  if (!cast.length || !issued.length) return null;
  const shape = isRate && opens ? before.map((row) => ({ x: new Date(+wallClock(opens, zone) + row.since), y: row.share })) : [];
  const end = d3.max([rows.at(-1).end, ...shape.map((point) => point.x)]);
  const most = d3.max([...issued, ...cast, ...shape], (point) => point.y) || 1;
  const title = (point) =>
    `${point.row.isDay ? dayShort(point.row.hour, zone) : dayAndClock(+new Date(point.row.hour) + HOUR, zone)}\n${t("bulletins")}: ${shown(point.row[bulletins])}\n` +
    `${t("votes")}: ${shown(point.y)}`;
  const domain = [origin, end];
  const labels = [issued.at(-1), cast.at(-1)];
  const hasIssued = rows.some((row) => row.bulletins_issued);
  return draw({
    width, height: tall(width, 260), marginLeft: 52, marginRight: 58, marginTop: 14,
    x: { type: "utc", domain }, y: { domain: [0, most * 1.06], grid: true, label: null, ticks: 5, tickFormat: isRate ? (value) => `${decimal(value)} %` : (value) => count(value) },
    marks: [
      ...timeAxis(domain, width),
      Plot.areaY(cast, { x: "x", y1: 0, y2: "y", fill: "var(--votes)", fillOpacity: 0.12 }),
      shape.length > 1 ? Plot.line(shape, { x: "x", y: "y", stroke: "var(--quiet)", strokeDasharray: "5 4", strokeWidth: 1.5, ariaDescription: "election before" }) : null,
      !hasIssued ? null : Plot.line(issued, { x: "x", y: "y", stroke: "var(--bulletins)", strokeWidth: 1.8 }),
      Plot.line(cast, { x: "x", y: "y", stroke: "var(--votes)", strokeWidth: 2.4 }),
      Plot.dot(cast.slice(-1), { x: "x", y: "y", r: 3.5, fill: "var(--votes)" }),
      Plot.text(labels.slice(1), { x: "x", y: "y", text: (point) => shown(point.y), dx: 7, dy: 7, textAnchor: "start", fontWeight: 600, fill: "var(--votes-text)" }),
      !hasIssued ? null : Plot.text(labels.slice(0, 1), { x: "x", y: "y", text: (point) => shown(point.y), dx: 7, dy: -8, textAnchor: "start", fill: "var(--bulletins-text)" }),
      Plot.ruleY([0], { stroke: "currentColor" }),
      Plot.tip(cast.filter((point) => point.row), Plot.pointerX({ x: "x", y: "y", title, fill: "var(--paper)", stroke: "var(--rule)", ariaHidden: true })),
    ],
  }, label);
}

/** One quantity by hour, as an area. */
export function quantityChart({ hours, value, shown, zone, width, colour, label }) {
  const rows = placed(hours, zone).map((row) => ({ ...row, y: value(row) })).filter((row) => row.y != null);
  if (!rows.length) return null;
  const domain = [d3.min(rows, (row) => row.start), d3.max(rows, (row) => row.end)];
  const title = (row) => `${dayAndClock(row.hour, zone)}\n${shown(row.y)}`;
  return draw({
    width, height: tall(width, 190), marginLeft: 52, marginRight: 12, marginTop: 14,
    x: { type: "utc", domain }, y: { domain: [Math.min(0, d3.min(rows, (row) => row.y)), (d3.max(rows, (row) => row.y) || 1) * 1.05], grid: true, label: null, ticks: 4, tickFormat: (y) => shown(y, true) },
    marks: [
      ...timeAxis(domain, width),
      Plot.areaY(steps(rows, (row) => row.y), { x: "x", y1: 0, y2: "y", fill: colour, fillOpacity: 0.15 }),
      Plot.line(steps(rows, (row) => row.y), { x: "x", y: "y", stroke: colour, strokeWidth: 1.8 }),
      Plot.ruleY([0], { stroke: "currentColor" }),
      Plot.tip(rows, Plot.pointerX({ x: "middle", y: "y", title, fill: "var(--paper)", stroke: "var(--rule)", ariaHidden: true })),
    ],
  }, label);
}

/** Labels at the ends of lines, at least this far apart. */
function apart(ends, distance) {
  let before = -Infinity;
  const placed = ends.toSorted((a, b) => a.y - b.y).map((end) => {
    before = Math.max(end.y, before + distance);
    return { ...end, at: before };
  });
  // Moving labels only up would put them above their lines, so the stack is moved back to their mean.
  const raised = d3.mean(placed, (end) => end.at - end.y) ?? 0;
  return placed.map((end) => ({ ...end, at: end.at - raised }));
}

/** Turnout so far of several constituencies by hours since each opening (the first ballot if it is unknown). */
export function compareChart({ compared, width, label }) {
  const lines = compared.map(({ constituency, hours }, i) => {
    const rows = placed(hours, "UTC");
    if (!rows.length) return [];
    const opening = constituency.starts_at ? new Date(constituency.starts_at) : rows[0].start;
    return rising(rows, (row) => row.running_participation_rate, opening)
      .map(({ x, y }) => ({ x: (x - opening) / HOUR, y, i, name: constituency.name ?? constituency.constituency_id }));
  });
  const all = lines.flat();
  if (!all.length) return null;
  const height = tall(width, 320);
  const most = d3.max(all, (point) => point.y) || 1;
  const last = d3.max(all, (point) => point.x);
  const ends = apart(lines.map((points) => points.at(-1)).filter(Boolean), (14 * most) / (height - 44)).map((end) => ({ ...end, x: last }));
  return draw({
    width, height, marginLeft: 52, marginRight: 64, marginTop: 14,
    x: { label: null, tickFormat: (value) => `${value} ${spoken() === "en" ? "h" : "ч"}`, ticks: Math.max(3, Math.round(width / 90)) },
    y: { grid: true, label: null, tickFormat: (value) => `${decimal(value)} %`, ticks: 5 },
    marks: [
      Plot.ruleY([0], { stroke: "currentColor" }),
      lines.map((points, i) => Plot.line(points, { x: "x", y: "y", stroke: SERIES[i][0], strokeDasharray: SERIES[i][1], strokeWidth: 2.2 })),
      Plot.text(ends, { x: "x", y: "at", text: (point) => percent(point.y, 1), dx: 6, textAnchor: "start", fill: (point) => SERIES[point.i][0], fontWeight: 600 }),
      Plot.tip(all, Plot.pointer({ x: "x", y: "y", title: (point) => `${point.name}\n${percent(point.y)}`, fill: "var(--paper)", stroke: "var(--rule)", ariaHidden: true })),
    ],
  }, label);
}

/** A sparkline of votes by hour, over the election's hours. */
export function sparkline(hours, span) {
  if (!hours?.length || !span) return "";
  const [first, last] = span;
  const x = d3.scaleLinear([first, Math.max(last, first + HOUR)], [1, 119]);
  const y = d3.scaleLinear([0, d3.max(hours, (row) => row.votes_cast) || 1], [23, 2]);
  const bars = hours.map((row) => {
    const at = x(+new Date(row.hour));
    return `M${at.toFixed(1)},23V${y(row.votes_cast).toFixed(1)}`;
  });
  const thick = Math.max(1, (118 / ((last - first) / HOUR + 1)) * 0.8).toFixed(2);
  return html`<svg class="spark" viewBox="0 0 120 24" aria-hidden="true" preserveAspectRatio="none">
    ${svg`<path d=${bars.join("")} stroke-width=${thick}/>`}
  </svg>`;
}

/** A share as a bar behind its figure. */
export const shareBar = (value) =>
  value == null ? "" : html`<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
    ${svg`<rect class="whole" width="100" height="4"/><rect class=${value > 100 ? "over" : "part"} width=${Math.min(value, 100)} height="4"/>`}
  </svg>`;

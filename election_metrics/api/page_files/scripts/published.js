// In place of api.js on a published page: the same answers, from files beside it. They are scripts, because a page that is
// opened from a disk may read nothing else.

import { Refused } from "./refused.js";

export const HOME = "index.html";
export const ICON = "page/icon.svg";
export const SYSTEM_LINKS = false;

const { published } = globalThis;
const { election } = published.dashboard;
const numbers = new Map(published.list.map((row, number) => [row.constituency_id, number]));
const regions = new Map(election.regions.map((row, number) => [row.region, number]));
const loading = new Map();

/** Everything about one constituency: place, hours, days, files, series of its findings. */
function read(id) {
  if (!numbers.has(id)) throw new Refused(404, `there is no constituency ${id}`);
  const number = numbers.get(id);
  if (!loading.has(number)) {
    loading.set(number, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `page/places/${number}.js`;
      script.onload = () => {
        Object.assign(published.series, published.places[number].series);
        resolve(published.places[number]);
      };
      script.onerror = () => {
        loading.delete(number);
        reject(new Refused(404, `${script.src} cannot be read`));
      };
      document.head.append(script);
    }));
  }
  return loading.get(number);
}

const POSITION = { name: (row) => numbers.get(row.constituency_id), region: (row) => (row.region == null ? null : regions.get(row.region) ?? regions.size) };

/** The constituencies that are asked for, sorted as the API sorts them: those without a value last, equal ones by id. */
function chosen({ region, q, reporting, sort, descending }) {
  const text = q?.toLowerCase();
  const value = POSITION[sort] ?? ((row) => row[sort]);
  const way = descending ? -1 : 1;
  return published.list
    .filter((row) => !region || row.region === region)
    .filter((row) => !text || [row.name, row.region, row.constituency_id].some((one) => one?.toLowerCase().includes(text)))
    .filter((row) => !reporting || (row.bulletins_issued + row.votes_cast > 0) === (reporting === "true"))
    .map((row) => ({ row, value: value(row) }))
    .sort((a, b) => (a.value == null) - (b.value == null) || (a.value - b.value) * way || (a.row.constituency_id < b.row.constituency_id ? -1 : 1))
    .map(({ row }) => row);
}

async function list(asked) {
  const rows = chosen(asked);
  const from = Number(asked.cursor ?? 0);
  const shown = rows.slice(from, from + asked.limit);
  const read_ = await Promise.all(shown.map((row) => read(row.constituency_id)));
  const next = from + asked.limit;
  return { data: shown.map((row, i) => ({ ...row, hours: read_[i].hours })), next: next < rows.length ? String(next) : null };
}

const status = { figures: { hours_behind: 0 }, ui_url: null, is_signed_in: false, published: published.about };
const WHOLE = [
  [/^\/elections$/, () => ({ data: [election] })],
  [/^\/status$/, () => status],
  [/^\/problems$/, () => ({ problems: [] })],
  [/^\/(commits|versions)$/, () => ({ data: [] })],
  [/^\/input-notes$/, () => ({ data: published.notes })],
  [/^\/corrections$/, () => ({ data: published.corrections })],
  [/^\/dashboard\/detailed$/, () => ({ data: published.dashboard, meta: published.meta })],
  [/^\/election\/[^/]+\/constituencies$/, (_, asked) => list(asked)],
  [/^\/election\/[^/]+\/spread-hours$/, () => ({ data: published.spread })],
  [/^\/constituency\/([^/]+)\/published-counters$/, async ([, id]) => ({ data: (await read(id)).counters })],
  [/^\/compare-constituencies$/, async (_, { ids }) => ({ data: (await Promise.all(ids.map(read))).map(({ place, hours }) => ({ constituency: place, hours })) })],
  [/^\/constituency\/([^/]+)$/, async ([, id]) => ({ data: (await read(id)).place })],
  [/^\/constituency\/([^/]+)\/time-period$/, async ([, id]) => ({ data: (await read(id)).days })],
  [/^\/hourly-stats\/constituency\/([^/]+)$/, async ([, id]) => ({ data: (await read(id)).hours })],
  [/^\/sources$/, async (_, { constituency }) => ({ data: (await read(constituency)).files })],
  [/^\/anomalies\/([^/]+)\/series$/, ([, id]) => ({ data: published.series[id] ?? [] })],
];

/** An answer of the API, as it was when the page was published. */
export async function ask(path, asked = {}) {
  for (const [pattern, answer] of WHOLE) {
    const found = pattern.exec(path);
    if (found) return answer(found.map(decodeURIComponent), asked);
  }
  throw new Refused(404, `${path} is not published`);
}

const TABLES = [
  [/^\/hourly-stats\/constituency/, "hourly_stats"], [/^\/hourly-stats\/election|^\/dashboard/, "election_hours"], [/^\/sources/, "sources"],
  [/^\/corrections/, "corrections_log"], [/^\/anomalies\/.+\/series/, "interval_stats"], [/^\/anomalies/, "anomalies"], [/^\/(input-notes|quarantine)/, "quarantine"],
  [/published-counters$/, "published_counters"],
  [/^\/constituency\/.+\/time-period/, "constituency_metrics"], [/constituencies|^\/constituency/, "constituency_current"],
  [/./, "election_summaries"],
];

/** The file with these figures, and those of others; `regions` of an election have one of their own. */
export const address = (path, asked = {}) => `data/${asked.of === "regions" ? "region_summaries" : TABLES.find(([pattern]) => pattern.test(path))[1]}.csv`;

export const signIn = async () => false;
export const signOut = async () => {};

/** Published figures do not change. */
export function listen(_changed, connected) {
  connected(true);
}

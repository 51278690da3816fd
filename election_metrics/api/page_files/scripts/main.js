// The page: holds the loaded data, reloads it after commits, and renders it. Each part is a function of that state.

import { html, render } from "../libraries/lit-html/lit-html.js";
import { ask, HOME, ICON, listen, signIn, signOut, SYSTEM_LINKS } from "./api.js";
import { comparison } from "./compare.js";
import { constituencies, listQuestion } from "./constituencies.js";
import { constituency } from "./constituency.js";
import { fullMoment } from "./format.js";
import { curveOf, hourOf, wholeHours } from "./hours.js";
import { criticalBanner } from "./findings.js";
import { freshnessLine, loudWarnings } from "./freshness.js";
import { agreement } from "./agreement.js";
import { corrections, knownAt, pastNote } from "./history.js";
import { dataNote, withdrawn } from "./input.js";
import { charts, findings, headline, regions } from "./overview.js";
import { Refused } from "./refused.js";
import { sourceDialog } from "./source.js";
import { addressOf, IS_EMBEDDED, readView, writeView } from "./state.js";
import { LANGUAGES, speak, spoken, t } from "./words.js";

const TYPING_PAUSE = 200;
const TELLING_PAUSE = 80;
const MOST_CORRECTIONS = 20;
const MOST_VERSIONS = 20;
/** Ids of findings: a rule and a hash. */
const FINDING = /^[a-z_]+-[0-9a-f]{8}/;
const root = document.querySelector("#page");
root.replaceChildren();

class Page {
  view = readView();
  elections = null;
  dashboard = null;
  list = null;
  one = undefined;
  compared = null;
  before = null;
  status = null;
  problems = [];
  notes = [];
  commits = [];
  corrections = [];
  agreement = [];
  verdicts = [];
  /** Hours of the election that are spread, not known by hour. */
  spread = [];
  kinds = [];
  source = null;
  error = null;
  needsToken = false;
  connection = { stands: true, since: Date.now() };
  width = 900;
  now = Date.now();
  isUnknown = false;
  #drawn = new Map();
  #shown = new Map();
  #whole = new WeakMap();
  #loading = false;
  #isAtPart = false;
  #again = false;

  get election() {
    return this.elections?.find((one) => one.election_id === this.view.election) ?? this.elections?.[0];
  }

  /** The hour in progress while voting is open. */
  get current() {
    return this.election.status === "active" ? hourOf(this.now) : null;
  }

  /** Contiguous hours, with zeros for hours without transactions unless input is missing; memoised by its rows. */
  whole(hours, missing) {
    const known = this.#whole.get(hours);
    if (known) return known;
    const found = wholeHours(hours, missing);
    this.#whole.set(hours, found);
    return found;
  }

  /** First and last hour of the election, for sparklines that can be compared. */
  get span() {
    const hours = this.dashboard?.data.hours;
    return hours?.length ? [+new Date(this.election.starts_at ?? hours[0].hour), +new Date(hours.at(-1).hour)] : null;
  }

  /** A chart that is redrawn only when its data changes. */
  chart(name, shown, make) {
    const key = [spoken(), ...shown];
    const drawn = this.#drawn.get(name);
    if (drawn && drawn.key.length === key.length && drawn.key.every((each, i) => each === key[i])) return drawn.node;
    const node = make();
    this.#drawn.set(name, { key, node });
    return node;
  }

  /** Whether the figure of this name has just changed while the same election is shown. */
  isNew(name, value) {
    const key = `${this.view.election} ${this.view.constituency} ${name}`;
    const known = this.#shown.get(key);
    if (!known || known.value !== value) this.#shown.set(key, { value, since: known ? this.now : 0 });
    return this.now - this.#shown.get(key).since < 2000;
  }

  link = (change) => addressOf({ ...this.view, ...change });

  /** Goes to another view with a new entry in the browser's history, then to the element with this id. */
  go = (change, target) => (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    this.show(change, { isStep: true });
    if (target) document.getElementById(target)?.scrollIntoView();
    else if ("constituency" in change) scrollTo({ top: 0 });
  };

  show(change, { isStep = false } = {}) {
    const view = { ...this.view, ...change };
    writeView(view, { isStep });
    this.#look(view);
  }

  /** The browser went back or forward; links within the page do not change the view. */
  returned() {
    const view = readView();
    if (addressOf(view) !== addressOf(this.view)) this.#look(view);
  }

  /** Shows a view; drops the data of another election or constituency before anything is drawn. */
  #look(view) {
    clearTimeout(this.typing);
    if (view.election !== this.view.election) Object.assign(this, { dashboard: null, list: null, compared: null, before: null, isUnknown: false });
    if (view.as_of !== this.view.as_of) Object.assign(this, { dashboard: null, list: null, compared: null, before: null, one: undefined });
    if (view.constituency !== this.view.constituency) this.one = undefined;
    this.view = view;
    this.draw();
    this.load();
  }

  typed = (event) => {
    const q = event.target.value;
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.show({ q }), TYPING_PAUSE);
  };

  tick(id) {
    const { compare } = this.view;
    this.show({ compare: compare.includes(id) ? compare.filter((one) => one !== id) : [...compare, id].slice(0, 6) });
  }

  more = async () => {
    const { view, list } = this;
    const page = await ask(list.path, { ...listQuestion(view), as_of: view.as_of, cursor: list.next }).catch(() => null);
    if (!page || view !== this.view || list !== this.list) return; // somebody went on, or it is read anew
    this.list = { ...list, rows: [...list.rows, ...page.data], next: page.next };
    this.draw();
  };

  async openSource(what) {
    this.source = what;
    this.draw();
    document.querySelector("dialog.source-dialog").showModal();
    if (!what.versions) return;
    const { data } = await ask("/versions", { ...what.versions, limit: MOST_VERSIONS }).catch(() => ({ data: [] }));
    if (this.source !== what) return;
    this.source = { ...what, shown: data };
    this.draw();
  }

  /** Findings of the election that are over or resolved, the newest hundred. */
  async readOver() {
    const { election_id } = this.election;
    const { data } = await ask("/anomalies", { election: election_id, state: "resolved", as_of: this.view.as_of }).catch(() => ({ data: [] }));
    this.over = { election_id, rows: data };
    this.draw();
  }

  closeSource() {
    document.querySelector("dialog.source-dialog").close();
  }

  /** Loads the data of the view; repeats if something changed meanwhile. */
  async load() {
    if (this.#loading) {
      this.#again = true;
      return;
    }
    this.#loading = true;
    try {
      do {
        this.#again = false;
        await this.#read();
      } while (this.#again);
      this.error = null;
      this.#goToPart();
    } catch (error) {
      this.needsToken = error instanceof Refused && error.status === 401;
      this.error = error;
      if (!this.needsToken) setTimeout(() => this.load(), 3000);
    } finally {
      this.#loading = false;
    }
    this.draw();
  }

  /** Goes to the part that the address names, once it is drawn. */
  async #goToPart() {
    const part = location.hash.slice(1);
    if (this.#isAtPart || !part || !this.dashboard) return;
    this.#isAtPart = true;
    if (FINDING.test(part) && !document.getElementById(part) && SYSTEM_LINKS) {
      await this.readOver();
      document.querySelector("details.over")?.setAttribute("open", "");
    }
    const place = document.getElementById(part);
    place?.scrollIntoView();
    if (FINDING.test(part)) place?.closest("li")?.querySelector("details.picture")?.setAttribute("open", "");
  }

  async #read() {
    const { view } = this;
    const { as_of } = view;
    const [elections, status, notes, commits] = await Promise.all([
      ask("/elections", { as_of }), ask("/status"), ask("/input-notes").catch(() => ({ data: this.notes })), ask("/commits", { limit: 1000 }),
    ]);
    // What follows from the clock alone (which input is due) is no step.
    this.commits = commits.data.filter((one) => one.causes.join() !== "time").map((one) => one.committed_at).reverse();
    this.notes = notes.data;
    const named = elections.data.find((one) => one.election_id === view.election);
    const election = named ?? elections.data[0];
    if (view.election && !named) this.isUnknown = true;
    if (!election) {
      Object.assign(this, { elections: [], status });
      return;
    }
    const id = encodeURIComponent(election.election_id);
    const path = `/election/${id}/constituencies`;
    const limit = Math.max(50, Math.min(1000, this.list?.rows.length ?? 0));
    const [dashboard, list, compared, one, corrected, second, kinds, verdicts, spread] = await Promise.all([
      ask("/dashboard/detailed", { election: election.election_id, as_of }),
      ask(path, { ...listQuestion(view), limit, as_of }),
      view.compare.length > 1 ? ask("/compare-constituencies", { ids: view.compare, as_of }).catch(() => ({})) : null,
      view.constituency ? this.#readOne(view.constituency, as_of) : undefined,
      ask("/corrections", { election: election.election_id, limit: MOST_CORRECTIONS }).catch(() => ({ data: [] })),
      as_of ? { data: [] } : ask(`/election/${id}/portal-agreement`).catch(() => ({ data: [] })),
      as_of ? { data: [] } : ask(`/election/${id}/kinds`).catch(() => ({ data: [] })),
      as_of ? { data: [] } : ask(`/election/${id}/verdicts`).catch(() => ({ data: [] })),
      ask(`/election/${id}/spread-hours`), // without it, spread hours would look like known ones
    ]);
    this.corrections = corrected.data;
    this.agreement = second.data;
    this.kinds = kinds.data;
    this.verdicts = verdicts.data;
    this.spread = spread.data;
    if (view !== this.view) {
      this.#again = true; // somebody went on meanwhile
      return;
    }
    const whose = one?.place.election_id ?? election.election_id;
    if (view.election !== whose) {
      // From now on the address contains the election, so that a shared link shows the same one.
      this.view = { ...view, election: whose };
      writeView(this.view, { isStep: false });
      this.#again = whose !== election.election_id;
      if (this.#again) return;
    }
    // All figures shown together are of one moment: that of the dashboard's summary.
    const now = elections.data.map((each) => (each.election_id === election.election_id ? { ...each, ...dashboard.data.election } : each));
    Object.assign(this, { elections: now, status, dashboard, one, compared: compared && (compared.data ?? []) });
    this.list = { rows: list.data, next: list.next, path };
    this.draw();
    if (!this.before) {
      const { election: whole } = this.view;
      const before = await this.#readBefore(election, elections.data);
      if (whole === this.view.election) this.before = before;
    }
  }

  /** Problems of the system; needs no database, so they are known while figures are not. */
  async readProblems() {
    const { problems } = await ask("/problems").catch(() => ({ problems: [] }));
    if (JSON.stringify(problems) === JSON.stringify(this.problems)) return;
    this.problems = problems;
    this.draw();
  }

  async #readOne(id, as_of) {
    const place = encodeURIComponent(id);
    try {
      const [found, hours, days, files, second, tally, precincts, verdicts, counters] = await Promise.all([
        ask(`/constituency/${place}`, { as_of }), ask(`/hourly-stats/constituency/${place}`, { as_of }),
        ask(`/constituency/${place}/time-period`, { period: "day", as_of }), ask("/sources", { constituency: id }),
        as_of ? { data: [] } : ask(`/constituency/${place}/portal-agreement`).catch(() => ({ data: [] })),
        as_of ? { data: [] } : ask(`/constituency/${place}/tally`).catch(() => ({ data: [] })),
        as_of ? { data: [] } : ask(`/constituency/${place}/precincts`).catch(() => ({ data: [] })),
        as_of ? { data: [] } : ask(`/constituency/${place}/verdicts`).catch(() => ({ data: [] })),
        ask(`/constituency/${place}/published-counters`),
      ]);
      return { place: found.data, hours: hours.data, days: days.data, files: files.data, agreement: second.data, tally: tally.data, precincts: precincts.data, verdicts: verdicts.data, counters: counters.data };
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return null;
      throw error;
    }
  }

  /**
   * The curve of the last comparable election that was over before this one began, if any. Elections are comparable if
   * they have the same number of voting days.
   */
  async #readBefore(election, elections) {
    const isBefore = (one) => one.ends_at && election.starts_at && one.ends_at <= election.starts_at;
    const alike = elections.filter((one) => isBefore(one) && one.voting_days === election.voting_days && one.participation_rate != null);
    const last = alike.sort((a, b) => (a.ends_at < b.ends_at ? 1 : -1))[0];
    if (!last) return null;
    const { data } = await ask(`/hourly-stats/election/${encodeURIComponent(last.election_id)}`);
    const curve = curveOf(data, last.starts_at);
    return curve && { name: last.name, curve };
  }

  draw() {
    // The clock of a published page stands still.
    this.now = this.status?.published ? +new Date(this.status.published.known_at) : Date.now();
    render(frame(this), root);
    if (IS_EMBEDDED) showOnly(this.view.chart || "by-hour");
    // A select keeps the user's choice when its options change.
    for (const select of root.querySelectorAll("select[data-value]")) select.value = select.dataset.value;
    document.title = this.election ? `${this.election.name} – ${t("title")}` : t("title");
  }
}

/** Hides everything but the section of one chart, what warns of its figures, and where they come from. */
function showOnly(part) {
  for (const one of root.querySelectorAll("main section, main > :not(section, .pair, .alarm), .top, .freshness, .skip")) {
    one.toggleAttribute("hidden", !one.querySelector(`#${CSS.escape(part)}`));
  }
}

function frame(page) {
  return html`
    <a class="skip" href="#figures">${t("skip")}</a>
    ${bar(page)}
    ${page.election ? html`<div class="freshness" role="status">${freshnessLine(page)}</div>` : ""}
    <main id="figures" tabindex="-1">
      ${page.error && !page.needsToken ? html`<p class="alarm critical" role="alert">${t("failed", { why: page.error.message })}</p>` : ""}
      ${page.election ? html`<p class="print-only">${page.election.name} · ${t("report", { time: fullMoment(page.now, page.election.time_zone) })}${page.status?.published ? "" : html` · ${t("page_at", { address: location.href })}`}</p>` : ""}
      ${page.isUnknown ? html`<p class="alarm warning" role="note">${t("no_such_election")}</p>` : ""}
      ${page.problems.map((one) => html`<p class="alarm ${one.severity === "error" ? "critical" : "warning"}" role="alert"><strong>${one.title}</strong> ${t("problem_since", { time: fullMoment(one.since) })}</p>`)}
      ${pastNote(page)}
      ${loudWarnings(page)}
      ${page.needsToken ? "" : withdrawn(page)}
      ${page.needsToken ? "" : criticalFindings(page)}
      ${page.needsToken ? signInForm(page) : body(page)}
    </main>
    <footer>
      ${IS_EMBEDDED && page.election ? html`<p><a href=${`/${page.link({ chart: "" })}`} target="_blank" rel="noopener">${page.election.name}</a> · ${t("cited_as_of", { time: fullMoment(page.view.as_of || page.dashboard?.meta.known_at, page.election.time_zone) })}</p>` : html`<p>${t("footer")}</p>`}
    </footer>
    <dialog class="source-dialog" @close=${() => { page.source = null; page.draw(); }}>${sourceDialog(page)}</dialog>`;
}

/** The subject of the view: the constituency, else the whole election. */
function criticalFindings(page) {
  const { one, dashboard, election, view } = page;
  if (view.constituency) return one ? criticalBanner(page, one.place.findings, one.place.time_zone, "place-findings") : "";
  return dashboard && election ? criticalBanner(page, dashboard.data.findings, election.time_zone, "findings", election.anomalies_critical) : "";
}

function body(page) {
  if (!page.elections) return html`<p class="loading">${t("loading")}</p>`;
  if (!page.election) return html`<section class="headline"><h1>${t("empty_title")}</h1><p>${t("empty")}</p></section>${dataNote(page)}`;
  if (!page.dashboard) return html`<p class="loading">${t("loading")}</p>`;
  if (page.view.constituency) return html`${constituency(page)}${comparison(page)}`;
  return html`${headline(page)}${knownAt(page)}${charts(page)}${regions(page)}${comparison(page)}${constituencies(page)}${findings(page)}${agreement(page)}${corrections(page)}${dataNote(page)}`;
}

function bar(page) {
  const isDark = (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const choose = (event) => page.show({ election: event.target.value, constituency: "", region: "", q: "", compare: [] }, { isStep: true });
  return html`
    <header class="top">
      <a class="mark" href=${HOME}><img src=${ICON} alt="" width="24" height="24"> ${t("title")}</a>
      ${page.elections?.length ? html`<label class="choice"><span class="unseen">${t("election")}</span>
        <select data-value=${page.election?.election_id ?? ""} @change=${choose}>${page.elections.map((one) => html`<option value=${one.election_id} ?selected=${one === page.election}>${one.name}</option>`)}</select></label>` : ""}
      <nav aria-label=${t("title")}>
        <label><span class="unseen">${t("language")}</span><select class="language" data-value=${spoken()} @change=${(event) => chooseLanguage(page, event.target.value)}>
          ${Object.entries(LANGUAGES).map(([code, name]) => html`<option value=${code} lang=${code} ?selected=${code === spoken()}>${name}</option>`)}</select></label>
        <button type="button" class="theme" aria-label=${t("theme", { now: t(isDark ? "theme_dark" : "theme_light") })} @click=${() => { chooseTheme(isDark ? "light" : "dark"); page.draw(); }}>${isDark ? "☾" : "☀"}</button>
        <button type="button" class="print" @click=${() => print()}>${t("print")}</button>
        ${SYSTEM_LINKS ? html`<a href="/docs">${t("api")}</a>` : ""}
        ${page.status?.is_signed_in ? html`<button type="button" class="sign-out" @click=${() => signOut().then(() => location.reload())}>${t("sign_out")}</button>` : ""}
        ${page.status?.ui_url ? html`<a href=${page.status.ui_url} target="_blank" rel="noopener">${t("ui")}</a>` : ""}
      </nav>
    </header>`;
}

function signInForm(page) {
  const submit = async (event) => {
    event.preventDefault();
    if (await signIn(new FormData(event.target).get("token"))) {
      page.needsToken = false;
      page.load(); // the stream tries again by itself
    } else {
      page.wrongToken = true;
      page.draw();
    }
  };
  return html`<section class="headline"><h1>${t("sign_in")}</h1>
    <form class="filters" @submit=${submit}><label>${t("token")} <input type="password" name="token" autocomplete="current-password" required></label><button type="submit">${t("enter")}</button></form>
    ${page.wrongToken ? html`<p class="alarm critical" role="alert">${t("wrong_token")}</p>` : ""}</section>`;
}

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Without local storage the choice is not stored.
  }
}

function chooseTheme(theme) {
  document.documentElement.dataset.theme = theme;
  keep("theme", theme);
}

function chooseLanguage(page, language) {
  speak(language);
  keep("language", language);
  page.show({ lang: language });
}

function languageAtFirst(page) {
  let kept = null;
  try {
    kept = localStorage.getItem("language");
  } catch {
    // as above
  }
  return page.view.lang || kept || (navigator.language.startsWith("ru") ? "ru" : "en");
}

function start(page) {
  page.load();
  let telling;
  listen(
    () => {
      clearTimeout(telling);
      telling = setTimeout(() => page.load(), TELLING_PAUSE);
    },
    (stands) => {
      if (stands && !page.connection.stands) page.load();
      if (stands !== page.connection.stands) page.connection = { stands, since: Date.now() };
      page.draw();
    },
  );
}

const page = new Page();
speak(languageAtFirst(page));
page.draw();
start(page);
new ResizeObserver(() => {
  const main = document.querySelector("main");
  const width = Math.max(280, Math.floor((main.clientWidth - 2) / 20) * 20);
  if (width !== page.width) {
    page.width = width;
    page.draw();
  }
}).observe(root);
setInterval(() => page.draw(), 5000);
page.readProblems();
setInterval(() => page.readProblems(), 10_000);
setInterval(() => page.load(), 60_000); // what is overdue follows from the clock, without a commit
addEventListener("popstate", () => page.returned());
addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.closest("input, select, textarea")) {
    event.preventDefault();
    document.querySelector("#search")?.focus();
  }
});

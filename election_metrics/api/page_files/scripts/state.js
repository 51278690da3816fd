// The view in the address: every view has a link that can be shared.

const NAMES = ["election", "region", "q", "reporting", "sort", "desc", "constituency", "compare", "as_of", "chart", "lang"];

/** Whether the page is in the frame of another site, where it shows the chart that the address names. */
export const IS_EMBEDDED = location.pathname === "/embed";

/** The view in the address. */
export function readView() {
  const given = new URLSearchParams(location.search);
  const view = Object.fromEntries(NAMES.map((name) => [name, given.get(name) ?? ""]));
  return { ...view, compare: view.compare ? view.compare.split(",").slice(0, 6) : [] };
}

/** The address of a view. */
export function addressOf(view) {
  const said = new URLSearchParams();
  for (const name of NAMES) {
    const value = name === "compare" ? view.compare.join(",") : view[name];
    if (value) said.set(name, value);
  }
  const query = said.toString().replaceAll("%2C", ",");
  return query ? `?${query}` : location.pathname;
}

/** Goes to a view, with a new entry in the browser's history or in place of the current one. */
export function writeView(view, { isStep }) {
  const address = addressOf(view);
  if (address === location.search || (!location.search && address === location.pathname)) return;
  history[isStep ? "pushState" : "replaceState"](null, "", address);
}

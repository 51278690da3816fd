// Client of the API. The browser sends the ETag it has, so unchanged answers are not sent again.

import { Refused } from "./refused.js";

export const HOME = "/";
export const ICON = "/files/icon.svg";
/** Whether pages of the system itself (Dagster, the API) can be reached from here. */
export const SYSTEM_LINKS = true;

/** The URL of a query, for people to open. */
export function address(path, asked = {}, ending = "") {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== "" && one != null) said.append(name, one);
  }
  const query = said.toString();
  return `/api/v1${path}${ending}${query ? `?${query}` : ""}`;
}

/** An answer: data, meta and, for pages, next. Throws `Refused` with the API's message. */
export async function ask(path, asked = {}) {
  const answer = await fetch(address(path, asked), { headers: { accept: "application/json" } });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said.detail ?? answer.statusText);
  return said;
}

/** Starts a session of this browser, with an HTTP-only cookie. */
export async function signIn(token) {
  const answer = await fetch("/api/v1/sign-in", {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ token }),
  });
  return answer.ok;
}

/** Ends the session of this browser. */
export async function signOut() {
  await fetch("/api/v1/sign-out", { method: "POST" });
}

const SILENT_TOO_LONG = 25e3;

/**
 * Calls `changed` when a summary changed, `connected` with whether the stream is connected.
 * The server sends a heartbeat every 10 s: a missed one reveals a dropped connection.
 */
export function listen(changed, connected) {
  let stream;
  let heard;
  const open = () => {
    stream?.close();
    heard = Date.now();
    stream = new EventSource("/api/v1/live");
    const alive = () => {
      heard = Date.now();
      connected(true);
    };
    for (const kind of ["open", "alive"]) stream.addEventListener(kind, alive);
    stream.addEventListener("summary", () => {
      alive();
      changed();
    });
    stream.addEventListener("error", () => connected(false));
  };
  const lost = () => {
    stream.close();
    connected(false);
  };
  addEventListener("offline", lost);
  addEventListener("online", open);
  setInterval(() => {
    // A browser does not reconnect after an error response, so do it here.
    if (stream.readyState === EventSource.CLOSED && navigator.onLine) open();
    else if (Date.now() - heard > SILENT_TOO_LONG) {
      lost();
      open();
    }
  }, 3000);
  open();
}

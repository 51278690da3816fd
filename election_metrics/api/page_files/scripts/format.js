// Formats numbers and times. Unknown is a dash, never 0.

import { spoken, t } from "./words.js";

const UNKNOWN = "–";
const made = new Map();

/** Formatters are expensive to create, so they are cached. */
function formatter(kind, options) {
  const key = `${spoken()} ${kind.name} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new kind(spoken() === "en" ? "en-GB" : "ru-RU", options));
  return made.get(key);
}

export const count = (value) => (value == null ? UNKNOWN : formatter(Intl.NumberFormat, {}).format(value));

/** A rate in percent: two decimals if it is small or a headline. */
export function percent(value, digits = 2) {
  if (value == null) return UNKNOWN;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${formatter(Intl.NumberFormat, options).format(value)} %`;
}

/** A difference of two rates, with its sign. */
export const points = (value) =>
  formatter(Intl.NumberFormat, { minimumFractionDigits: 1, maximumFractionDigits: 1, signDisplay: "exceptZero" }).format(value);

/** The order of names: alphabetical, with numbers in numeric order. */
export const inOrderOfNames = (one, other) => formatter(Intl.Collator, { numeric: true }).compare(one, other);

export const decimal = (value, digits = 1) =>
  value == null ? UNKNOWN : formatter(Intl.NumberFormat, { maximumFractionDigits: digits }).format(value);

const moment = (value, zone, options) =>
  value == null ? UNKNOWN : formatter(Intl.DateTimeFormat, { timeZone: zone, hourCycle: "h23", ...options }).format(new Date(value));

export const clock = (value, zone) => moment(value, zone, { hour: "2-digit", minute: "2-digit" });
export const clockSeconds = (value, zone) => moment(value, zone, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const dayAndClock = (value, zone) =>
  moment(value, zone, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
export const dayShort = (value, zone) => moment(value, zone, { weekday: "short", day: "numeric", month: "short" });
export const dayLong = (value, zone) => moment(value, zone, { weekday: "short", day: "numeric", month: "long", year: "numeric" });
export const fullMoment = (value, zone) =>
  moment(value, zone, { dateStyle: "long", timeStyle: "short" });

/** `Europe/Moscow` as its city, with its distance from UTC. */
export function zoneName(zone) {
  const parts = formatter(Intl.DateTimeFormat, { timeZone: zone, timeZoneName: "shortOffset" }).formatToParts(new Date());
  const offset = parts.find((part) => part.type === "timeZoneName")?.value ?? "";
  return `${zone.split("/").pop().replaceAll("_", " ")} (${offset.replace("GMT", "UTC")})`;
}

/** A duration in the largest suitable unit. */
export function duration(milliseconds) {
  const seconds = Math.round(Math.abs(milliseconds) / 1000);
  const [value, unit] =
    seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [Math.round(seconds / 60), "minute"] :
    seconds < 129600 ? [Math.round(seconds / 3600), "hour"] : [Math.round(seconds / 86400), "day"];
  return formatter(Intl.NumberFormat, { style: "unit", unit, unitDisplay: "short" }).format(value);
}

/** Age of a moment; none if it is in the future. */
export function ago(value, now) {
  const since = now - new Date(value);
  if (since < 0) return t("ahead", { time: duration(since) });
  return since < 60e3 ? t("just_now") : t("ago", { time: duration(since) });
}

/** A moment shifted so that its UTC time equals the wall clock of the zone, for the axis of a chart. */
export function wallClock(value, zone) {
  const date = new Date(value);
  const parts = {};
  const options = { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" };
  for (const part of formatter(Intl.DateTimeFormat, options).formatToParts(date)) parts[part.type] = +part.value;
  return new Date(Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute));
}

// Hours for charts: an hour without a row had no transactions, unless its input is missing.

import { wallClock } from "./format.js";

export const HOUR = 3600e3;

/** The start of the hour that contains a moment, in the format of the API. */
export const hourOf = (at) => new Date(Math.floor(at / HOUR) * HOUR).toISOString().replace(".000Z", "Z");

/** The rows from the first with a ballot to the last, and a row of zeros for each hour between that is not missing. */
export function wholeHours(hours, missing) {
  if (!hours.length) return hours;
  const there = new Map(hours.map((row) => [+new Date(row.hour), row]));
  const absent = new Set();
  for (const gap of missing)
    for (let at = +new Date(gap.missing_from); at < +new Date(gap.missing_to); at += HOUR) absent.add(at);
  const [first, last] = [+new Date(hours[0].hour), +new Date(hours.at(-1).hour)];
  const whole = [];
  let before = null;
  for (let at = first; at <= last; at += HOUR) {
    const row = there.get(at);
    if (row) whole.push((before = row));
    else if (!absent.has(at))
      whole.push({
        ...before, hour: hourOf(at), bulletins_issued: 0, votes_cast: 0,
        participation_rate: before.participation_rate == null ? null : 0, bulletin_velocity: 0, vote_velocity: 0, run_id: null, computed_at: null,
      });
  }
  return whole;
}

/** Whether all that is known of the hours is their day. */
export const isByDay = (spread) => spread.length > 0 && spread.every((row) => row.unit === "day");

const madeOf = new WeakMap();

/** The hours of each local day as one row, from its first hour; `isDay` marks it. The same rows for the same hours. */
export function daysOf(hours, zone) {
  if (!madeOf.has(hours)) madeOf.set(hours, merged(hours, zone));
  return madeOf.get(hours);
}

function merged(hours, zone) {
  const days = [];
  for (const row of hours) {
    const day = Math.floor(wallClock(row.hour, zone) / (24 * HOUR));
    const last = days.at(-1);
    if (last?.day === day)
      Object.assign(last, row, { hour: last.hour, bulletins_issued: last.bulletins_issued + row.bulletins_issued, votes_cast: last.votes_cast + row.votes_cast, run_id: row.run_id ?? last.run_id });
    else days.push({ ...row, day, isDay: true });
  }
  return days;
}

/**
 * The curve of another election: percent of its registered voters, milliseconds since its opening. It begins at the
 * opening, as the register is loaded hours before; null where its rates are not known.
 */
export function curveOf(hours, opening) {
  const known = hours
    .map((row) => ({ since: +new Date(row.hour) + HOUR - new Date(opening), share: row.running_participation_rate }))
    .filter((point) => point.since > 0 && point.share != null);
  return known.length ? [{ since: 0, share: 0 }, ...known] : null;
}

/** Difference in points between the turnout and such a curve, at the end of the last hour that is over. */
export function pointsAgainst(curve, hours, opening, now) {
  const over = hours.filter((row) => +new Date(row.hour) + HOUR <= now && row.running_participation_rate != null).at(-1);
  if (!over) return null;
  const since = +new Date(over.hour) + HOUR - new Date(opening);
  const same = curve.filter((point) => point.since <= since).at(-1);
  return same ? over.running_participation_rate - same.share : null;
}

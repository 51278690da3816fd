// Hours as charts need them: an hour without a row is one in which nothing happened, unless its input is missing.

const HOUR = 3600e3;

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
        ...before, hour: new Date(at).toISOString().replace(".000Z", "Z"), bulletins_issued: 0, votes_cast: 0,
        bulletin_velocity: 0, vote_velocity: 0, run_id: null, computed_at: null,
      });
  }
  return whole;
}

/** Hours with running totals, as an election's hours have them. */
export function runningHours(hours, registered) {
  let [bulletins, votes] = [0, 0];
  return hours.map((row) => {
    bulletins += row.bulletins_issued;
    votes += row.votes_cast;
    return { ...row, running_bulletins: bulletins, running_votes: votes, running_participation_rate: registered ? (votes * 100) / registered : null };
  });
}

// What a finding means in the reader's language, and what to look at next. The exact wording is the finding's own.

import { count, decimal } from "./format.js";
import { languageNow } from "./words.js";

const n = (value) => (value == null ? "?" : count(Math.round(value)));
const share = (value) => (value == null ? "?" : `${decimal(value, 1)} %`);
const where = (one) => (one.constituency_id ? "" : one.region ? " во всём регионе" : " на выборах в целом");
const hours = (one) => n((new Date(one.window_end) - new Date(one.window_start)) / 3_600_000);

/** By rule: the finding in Russian. */
const RUSSIAN = {
  votes_exceed_bulletins: (one) => `Голосов ${n(one.observed)}, а бюллетеней выдано ${n(one.expected)}, считая с первого часа`,
  gap_outside_band: (one) => `Без голоса остались ${share(one.observed)} выданных за эти часы бюллетеней; обычно не больше ${share(one.expected)}`,
  turnout_above_register: (one) => `Голосов ${n(one.observed)}, а в списке избирателей ${n(one.expected)}`,
  spike: (one) => `Голосов${where(one)} ${n(one.observed)}, а ожидалось не больше ${n(one.expected)}`,
  drop: (one) => `Голосов${where(one)} ${n(one.observed)}, а ожидалось не меньше ${n(one.expected)}`,
  silence: (one) => `Ни одного голоса${where(one)} за ${hours(one)} ч, а ожидалось около ${n(one.expected)}`,
  outside_voting: (one) => `Бюллетеней и голосов вне времени голосования: ${n(one.observed)}`,
  rejected_share: (one) => `Отклонено голосов: ${n(one.observed)}; обычно не больше ${n(one.expected)}`,
  unknown_outcomes: (one) => `Голосов с неизвестным результатом: ${n(one.observed)}; обычно не больше ${n(one.expected)}`,
  revotes: (one) => `Повторных голосов: ${n(one.observed)}; обычно не больше ${n(one.expected)}`,
  voter_issued_twice: (one) => `Избирателей, получивших второй бюллетень: ${n(one.observed)}`,
  rollback_cluster: (one) => `Отозвано транзакций: ${n(one.observed)}; обычно не больше ${n(one.expected)}`,
  register_change: (one) => `В список внесено или из него исключено во время голосования: ${n(one.observed)}`,
  synchronised_spike: (one) => `Одновременно выросли ${n(one.observed)} округов; случайно выросли бы около ${n(one.expected)}`,
  synchronised_drop: (one) => `Одновременно упали ${n(one.observed)} округов; случайно упали бы около ${n(one.expected)}`,
  input_missing: (one) => `Не хватает данных: ${n(one.observed)} (часов, а для выборов в целом – округов)`,
  unreadable_input: (one) => `Не читаются строки или файлы: ${n(one.observed)}. То, что в них, нигде не учтено`,
  figures_fall: (one) => `Транзакций стало ${n(one.observed)}, а было ${n(one.expected)}`,
  conflicting_ids: (one) => `Номеров, под которыми записаны разные строки: ${n(one.observed)}`,
  register_below_zero: () => "Из списка исключено больше избирателей, чем внесено; явка неизвестна",
  time_zone_assumed: (one) => `Округов, время которых предположено: ${n(one.observed)}, потому что регион не назван или неизвестен`,
  places_disagree: (one) => `Файлы договора лежат в ${n(one.observed)} местах: в разных регионах или на разных выборах`,
};

/** By rule: what to look at next, in English and Russian. */
const NEXT = {
  votes_exceed_bulletins: ["missing hours and files of this constituency; then the bulletins of the hours before", "недостающие часы и файлы этого округа; затем бюллетени предыдущих часов"],
  gap_outside_band: ["whether votes arrive later, and whether other constituencies show the same hours", "приходят ли голоса позже и видно ли то же в других округах"],
  turnout_above_register: ["the calls that change the register, and the reference data", "транзакции, меняющие список, и справочные данные"],
  spike: ["the same hours elsewhere, then the files and the single transactions of the hour", "те же часы в других местах, затем файлы и отдельные транзакции этого часа"],
  drop: ["whether input is missing, then the same hours in other regions", "хватает ли данных, затем те же часы в других регионах"],
  silence: ["whether input is missing, then whether the portal shows votes in these hours", "хватает ли данных, затем показывает ли портал голоса за эти часы"],
  outside_voting: ["the voting times and the time zone of this constituency", "время голосования и часовой пояс округа"],
  rejected_share: ["the reasons of the rejections, in the transactions of the hour", "причины отклонения в транзакциях этого часа"],
  unknown_outcomes: ["the transactions of the hour: neither FAIL nor VOTE_", "транзакции этого часа: нет ни FAIL, ни VOTE_"],
  revotes: ["the keys that voted again", "ключи, голосовавшие повторно"],
  voter_issued_twice: ["the issue calls of these voters", "выдачи этим избирателям"],
  rollback_cluster: ["which transactions were withdrawn, and in which file", "какие транзакции отозваны и в каком файле"],
  register_change: ["the calls that changed the register, and the turnout before and after", "транзакции, изменившие список, и явку до и после"],
  synchronised_spike: ["the constituencies that rose, their regions, and the minutes of the hour", "какие округа выросли, их регионы и минуты этого часа"],
  synchronised_drop: ["the constituencies that fell: a part of the system may have stopped", "какие округа упали: могла остановиться часть системы"],
  input_missing: ["which files should have arrived, and whether the source has them", "какие файлы должны были прийти и есть ли они в источнике"],
  unreadable_input: ["the file that is named; download it again", "названный файл; загрузите его заново"],
  figures_fall: ["which file was replaced by a smaller one", "какой файл заменён меньшим"],
  conflicting_ids: ["the list of conflicts: which of the files is wrong", "список расхождений: какой из файлов неверен"],
  register_below_zero: ["the calls that are missing: those that added these voters", "недостающие транзакции: те, что внесли этих избирателей"],
  time_zone_assumed: ["the name of the folder that is named", "название указанной папки"],
  places_disagree: ["the paths that are named: which folder is wrong", "указанные пути: какая папка неверна"],
};

/** The finding in the reader's language, if that is not the one it is worded in. */
export const inWords = (one) => (languageNow() === "ru" ? RUSSIAN[one.rule]?.(one) : undefined);

/** What to look at next. */
export const whatNext = (one) => NEXT[one.rule]?.[languageNow() === "ru" ? 1 : 0];

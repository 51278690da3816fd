// What a finding means in the reader's language, and what to look at next. The exact wording is the finding's own.

import { count, decimal } from "./format.js";
import { languageNow } from "./words.js";

const n = (value) => (value == null ? "?" : count(Math.round(value)));
const share = (value) => (value == null ? "?" : `${decimal(value, 1)} %`);
const where = (one) => (one.constituency_id ? "" : one.region ? " во всём регионе" : " на выборах в целом");
const minutes = (one) => n((new Date(one.window_end) - new Date(one.window_start)) / 60_000);
const many = (one) => /^\d+ of \d+ constituenc/.test(one.explanation ?? "");
const atOpening = (one) => / (at|after) the opening of /.test(one.explanation ?? "");
const precinct = (one) => ` ${/(?:^| )precinct (\d+(?:-\d+)?)/.exec(one.explanation ?? "")?.[1] ?? ""}`.trimEnd();
const hours = (one) => n((new Date(one.window_end) - new Date(one.window_start)) / 3_600_000);

/** By rule: the finding in Russian. */
const RUSSIAN = {
  votes_exceed_bulletins: (one) => `Голосов ${n(one.observed)}, а бюллетеней выдано ${n(one.expected)}, считая с первого часа`,
  gap_outside_band: (one) => `Без голоса остались ${share(one.observed)} выданных за эти часы бюллетеней; обычно не больше ${share(one.expected)}`,
  turnout_above_register: (one) => `Голосов ${n(one.observed)}, а в списке избирателей ${n(one.expected)}`,
  spike: (one) => `Голосов${where(one)} ${n(one.observed)}, а ожидалось ${atOpening(one) ? "не больше" : "около"} ${n(one.expected)}`,
  drop: (one) => `Голосов${where(one)} ${n(one.observed)}, а ожидалось около ${n(one.expected)}`,
  silence: (one) => `${one.observed ? `Только ${n(one.observed)} бюллетеней и голосов` : "Ни одного голоса"}${where(one)} за ${hours(one)} ч${atOpening(one) ? " после открытия" : ""}, а ожидалось ${atOpening(one) ? "не меньше" : "около"} ${n(one.expected)}`,
  outside_voting: (one) => `Бюллетеней и голосов вне времени голосования: ${n(one.observed)}`,
  rejected_share: (one) => `Отклонено голосов: ${n(one.observed)}; обычно не больше ${n(one.expected)}`,
  unknown_outcomes: (one) => `Голосов с неизвестным результатом: ${n(one.observed)}; обычно не больше ${n(one.expected)}`,
  revotes: (one) => `Повторных голосов: ${n(one.observed)}; обычно не больше ${n(one.expected)}`,
  voter_issued_twice: (one) => `Избирателей, получивших второй бюллетень: ${n(one.observed)}`,
  rollback_cluster: (one) => `Отозвано транзакций: ${n(one.observed)}; обычно не больше ${n(one.expected)}`,
  register_change: (one) => `В список внесено или из него исключено во время голосования: ${n(one.observed)}`,
  synchronised_spike: (one) => `Одновременно выросли ${n(one.observed)} округов; случайно выросли бы около ${n(one.expected)}`,
  synchronised_drop: (one) => `Одновременно упали ${n(one.observed)} округов; случайно упали бы около ${n(one.expected)}`,
  burst: (one) => (!many(one) ? `За ${minutes(one)} мин.${where(one)} – ${n(one.observed)} голосов, а по получасам до и после ожидалось около ${n(one.expected)}` : `Одновременно за ${minutes(one)} мин. резко выросли ${n(one.observed)} округов; случайно выросли бы около ${n(one.expected)}`),
  regular_votes: (one) => `Голоса за час идут слишком ровно: промежутки отличаются на ${share(one.observed)} от среднего, а у независимых избирателей – на 100 %`,
  equal_gaps: (one) => `Одинаковых промежутков между голосами подряд: ${n(one.observed)}`,
  votes_without_bulletins: (one) => `Голосов за 10 мин.: ${n(one.observed)}, а бюллетеней за последние полчаса выдано ${n(one.expected)}`,
  registrar_block: (one) => `Один из регистраторов выдал подряд ${n(one.observed)} бюллетеней, хотя до и после выдавали и другие`,
  registration_block: (one) => `За ${minutes(one)} мин. в список внесено ${n(one.observed)} избирателей, хотя голосование уже шло`,
  precinct_above_register: (one) => `На участке${precinct(one)} выдано бюллетеней ${n(one.observed)}, а избирателей в списке ${n(one.expected)}`,
  precinct_out_of_line: (one) => `На участке${precinct(one)} выдано бюллетеней ${n(one.observed)}, а по другим участкам округа ожидалось около ${n(one.expected)}`,
  precinct_block: (one) => (one.severity === "info" ? `На участке${precinct(one)} за час исключено избирателей: ${n(one.observed)}` : `На участке${precinct(one)} за час выдано бюллетеней ${n(one.observed)}, а по его обычной доле ожидалось около ${n(one.expected)}`),
  tally_differs: (one) => (one.observed == null ? "Опубликованные итоги не читаются" : `В опубликованных итогах отметок ${n(one.observed)}, а принятых голосов ${n(one.expected)}; сначала проверьте, хватает ли здесь данных`),
  differs_from_portal: (one) => `Здесь посчитано голосов: ${n(one.observed)}, портал сообщил ${n(one.expected)} (или разошлись бюллетени); сначала проверьте, хватает ли здесь данных`,
  input_missing: (one) => (one.observed ? `Не хватает данных: ${n(one.observed)} (часов, а для выборов в целом – округов)`
    : "Не хватает блоков блокчейна (каких, сказано в точной формулировке)"),
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
  burst: ["the constituencies and the single transactions of these minutes", "округа и отдельные транзакции этих минут"],
  regular_votes: ["the times of the votes of this hour, to the second", "время голосов этого часа с точностью до секунды"],
  equal_gaps: ["the times and the keys of these votes", "время и ключи этих голосов"],
  votes_without_bulletins: ["when the bulletins of these votes were issued, and whether files of the hour before are missing", "когда выданы бюллетени этих голосов и хватает ли файлов предыдущего часа"],
  registrar_block: ["whether that registrar replaced another, and who received these bulletins", "заменял ли этот регистратор другого и кто получил эти бюллетени"],
  registration_block: ["the call that added them, and whether they voted soon after", "транзакцию, которая их внесла, и голосовали ли они вскоре"],
  precinct_above_register: ["the calls on the register of this precinct: are some missing, or were voters removed after their bulletin", "транзакции списка этого участка: не потеряны ли какие-то, не исключены ли избиратели после выдачи"],
  precinct_out_of_line: ["the precincts of the constituency, their hours and their registers", "участки округа, их часы и списки"],
  precinct_block: ["the calls of that precinct in this hour: who received the bulletins, who was removed", "транзакции этого участка за этот час: кому выданы бюллетени, кто исключён"],
  tally_differs: ["whether input of this constituency is missing, then the call that published the tally", "хватает ли данных этого округа, затем транзакцию с итогами"],
  differs_from_portal: ["what is missing here, in the hours that differ; then rejected, repeated and withdrawn votes", "чего не хватает здесь в этих часах; затем отклонённые, повторные и отозванные голоса"],
  input_missing: ["which files should have arrived, and whether the source has them", "какие файлы должны были прийти и есть ли они в источнике"],
  unreadable_input: ["the file that is named; download it again", "названный файл; загрузите его заново"],
  figures_fall: ["which file was replaced by a smaller one", "какой файл заменён меньшим"],
  conflicting_ids: ["the list of conflicts: which of the files is wrong", "список расхождений: какой из файлов неверен"],
  register_below_zero: ["the calls that are missing: those that added these voters", "недостающие транзакции: те, что внесли этих избирателей"],
  time_zone_assumed: ["the name of the folder that is named", "название указанной папки"],
  places_disagree: ["the paths that are named: which folder is wrong", "указанные пути: какая папка неверна"],
};

const OWN = ["its hours of the day before, its last hour, and constituencies of its region that opened at the same time", "те же часы накануне, предыдущий час и округа региона, открывшиеся тогда же"];
const WIDE = ["its hours before, carried on as other votes went on from there, and as regions that opened earlier did", "предыдущие часы, продолженные так, как шли другие голосования и регионы, открывшиеся раньше"];
const ITSELF = ["its own total so far", "собственный итог на этот момент"];
const USUAL = ["the usual share of such calls", "обычная доля таких транзакций"];
const AT_ONCE = ["the constituency's own hours, less what all have in common", "собственные часы округа за вычетом общего для всех"];
/** By rule: what the expected value is taken from, and why it fits; in English and Russian. */
const REFERENCES = {
  votes_exceed_bulletins: ITSELF, turnout_above_register: ITSELF, figures_fall: ITSELF, rejected_share: USUAL, unknown_outcomes: USUAL,
  revotes: USUAL, rollback_cluster: USUAL, synchronised_spike: AT_ONCE, synchronised_drop: AT_ONCE,
  gap_outside_band: ["the usual gap so many hours after the opening", "обычный разрыв через столько часов после открытия"],
  burst: ["the half hours before and after, whichever had more votes", "получасы до и после – тот, где голосов больше"],
  regular_votes: ["voters who decide independently", "избиратели, решающие независимо"],
  votes_without_bulletins: ["bulletins of the half hour before: a vote follows its bulletin within minutes", "бюллетени за полчаса до того: голос следует за бюллетенем через минуты"],
  precinct_above_register: ["the voters on the precinct's list now", "избиратели в списке участка сейчас"],
  precinct_out_of_line: ["the other precincts of the constituency, for as many voters", "другие участки округа при том же числе избирателей"],
  precinct_block: ["the precinct's part of the constituency's bulletins in all other hours", "доля участка в бюллетенях округа за все остальные часы"],
  tally_differs: ["the accepted votes of the constituency", "принятые голоса округа"],
  differs_from_portal: ["the portal's own counter: the second, independent count", "счётчик самого портала: второй, независимый подсчёт"],
  registration_block: ["additions to this register at other times of the vote", "внесения в этот список в другое время голосования"],
};
const OF_LEVELS = ["spike", "drop", "silence"];

const spoken = (pair) => pair?.[languageNow() === "ru" ? 1 : 0];

/** What the expected value is taken from. */
export const referenceOf = (one) => spoken(OF_LEVELS.includes(one.rule) ? (one.constituency_id ? OWN : WIDE) : REFERENCES[one.rule]);

/** The finding in the reader's language, if that is not the one it is worded in. */
export const inWords = (one) => (languageNow() === "ru" ? RUSSIAN[one.rule]?.(one) : undefined);

/** What to look at next. */
export const whatNext = (one) => spoken(NEXT[one.rule]);

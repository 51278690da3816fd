// What a finding means in Russian, and what to look at next. The English words are the finding's own.

import { count, decimal } from "./format.js";
import { languageNow } from "./words.js";

const n = (value) => (value == null ? "?" : count(Math.round(value)));
const share = (value) => (value == null ? "?" : `${decimal(value, 1)} %`);
/** Words about numbers of the English explanation; none where it does not have them. */
const numbers = (one, pattern, words) => { const found = pattern.exec(one.explanation ?? ""); return found ? words(found.slice(1)) : ""; };
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
  burst: (one) => (!many(one) ? `За ${minutes(one)} мин.${where(one)} голосов ${n(one.observed)}, а по получасам до и после ожидалось около ${n(one.expected)}` : `Одновременно за ${minutes(one)} мин. резко выросли ${n(one.observed)} округов; случайно выросли бы около ${n(one.expected)}`),
  regular_votes: (one) => `Голоса за час идут слишком ровно: промежутки отличаются на ${share(one.observed)} от среднего, а у независимых избирателей – на 100 %`,
  equal_gaps: (one) => `Одинаковых промежутков между голосами подряд: ${n(one.observed)}${numbers(one, / (\d+) seconds? passed /, ([seconds]) => `, каждый раз ${seconds} с`)}; у независимых голосов – около ${n(one.expected)}`,
  votes_without_bulletins: (one) => `Голосов за 10 мин.: ${n(one.observed)}, а бюллетеней за последние полчаса выдано ${n(one.expected)}`,
  registrar_block: (one) => `Один из регистраторов выдал подряд ${n(one.observed)} бюллетеней, хотя до и после выдавали и другие`,
  registration_block: (one) => `За ${minutes(one)} мин. в список внесено ${n(one.observed)} избирателей, хотя голосование уже шло`,
  precinct_above_register: (one) => `На участке${precinct(one)} выдано бюллетеней ${n(one.observed)}, а избирателей в списке ${n(one.expected)}`,
  precinct_out_of_line: (one) => `На участке${precinct(one)} выдано бюллетеней ${n(one.observed)}, а по другим участкам округа ожидалось около ${n(one.expected)}`,
  precinct_block: (one) => (one.severity === "info" ? `На участке${precinct(one)} за час исключено избирателей: ${n(one.observed)}` : `На участке${precinct(one)} за час выдано бюллетеней ${n(one.observed)}, а по его обычной доле ожидалось около ${n(one.expected)}`),
  tally_differs: (one) => (one.observed == null ? "Опубликованные итоги не читаются" : `В опубликованных итогах отметок ${n(one.observed)}, а принятых голосов ${n(one.expected)}; сначала проверьте, хватает ли здесь данных`),
  votes_found_invalid: (one) => `Проверяющий признал недействительными ${n(one.observed)} голосов, которые здесь учтены (причины – в точной формулировке)`,
  differs_from_portal: (one) => `Здесь посчитано голосов: ${n(one.observed)}, портал сообщил ${n(one.expected)} (или разошлись бюллетени); сначала проверьте, хватает ли здесь данных`,
  input_missing: (one) => (one.observed ? `Не хватает данных: ${one.constituency_id ? "часов" : "округов"} – ${n(one.observed)}`
    : "Не хватает блоков блокчейна (каких, сказано в точной формулировке)"),
  unreadable_input: (one) => `Не читаются строки или файлы: ${n(one.observed)}${numbers(one, /^\d+ of (\d+) lines?.*?\(([\d.]+) %\)/, ([all, part]) => ` из ${n(all)} (${part} %)`)}${numbers(one, /most of them in: (\d+) of (\d+) lines of (.+?)\. What/, ([bad, all, file]) => `; хуже всего файл ${file}: ${bad} из ${all}`)}. То, что в них, нигде не учтено`,
  figures_fall: (one) => `Транзакций стало ${n(one.observed)}, а было ${n(one.expected)}`,
  conflicting_ids: (one) => `Номеров, под которыми записаны разные строки: ${n(one.observed)}`,
  register_below_zero: () => "Из списка исключено больше избирателей, чем внесено; явка неизвестна",
  time_zone_assumed: (one) => `Округов, время которых предположено: ${n(one.observed)}, потому что регион не назван или неизвестен`,
  places_disagree: (one) => `Файлы договора лежат в ${n(one.observed)} местах: в разных регионах или на разных выборах`,
};

/** By rule: what to look at next, in Russian. */
const NEXT = {
  votes_exceed_bulletins: "недостающие часы и файлы этого округа; затем бюллетени предыдущих часов",
  gap_outside_band: "приходят ли голоса позже и видно ли то же в других округах",
  turnout_above_register: "транзакции, меняющие список, и справочные данные",
  spike: "те же часы в других местах, затем файлы и отдельные транзакции этого часа",
  drop: "хватает ли данных, затем те же часы в других регионах",
  silence: "хватает ли данных, затем показывает ли портал голоса за эти часы",
  outside_voting: "время голосования и часовой пояс округа",
  rejected_share: "причины отклонения в транзакциях этого часа",
  unknown_outcomes: "транзакции этого часа: нет ни FAIL, ни VOTE_",
  revotes: "ключи, голосовавшие повторно",
  voter_issued_twice: "выдачи этим избирателям",
  rollback_cluster: "какие транзакции отозваны и в каком файле",
  register_change: "транзакции, изменившие список, и явку до и после",
  synchronised_spike: "какие округа выросли, их регионы и минуты этого часа",
  synchronised_drop: "какие округа упали: могла остановиться часть системы",
  burst: "округа и отдельные транзакции этих минут",
  regular_votes: "время голосов этого часа с точностью до секунды",
  equal_gaps: "время и ключи этих голосов",
  votes_without_bulletins: "когда выданы бюллетени этих голосов и хватает ли файлов предыдущего часа",
  registrar_block: "заменял ли этот регистратор другого и кто получил эти бюллетени",
  registration_block: "транзакцию, которая их внесла, и голосовали ли они вскоре",
  precinct_above_register: "транзакции списка этого участка: не потеряны ли какие-то, не исключены ли избиратели после выдачи",
  precinct_out_of_line: "участки округа, их часы и списки",
  precinct_block: "транзакции этого участка за этот час: кому выданы бюллетени, кто исключён",
  tally_differs: "хватает ли данных этого округа, затем транзакцию с итогами",
  votes_found_invalid: "названные бюллетени (metrics.verdicts) и то, как их проверяли",
  differs_from_portal: "чего не хватает здесь в этих часах; затем отклонённые, повторные и отозванные голоса",
  input_missing: "какие файлы должны были прийти и есть ли они в источнике",
  unreadable_input: "названный файл или карантин, где есть каждая строка и причина; загрузите файл заново",
  figures_fall: "какой файл заменён меньшим",
  conflicting_ids: "список расхождений: какой из файлов неверен",
  register_below_zero: "недостающие транзакции: те, что внесли этих избирателей",
  time_zone_assumed: "название указанной папки",
  places_disagree: "указанные пути: какая папка неверна",
};

const OWN = "те же часы накануне, предыдущий час и округа региона, открывшиеся тогда же";
const WIDE = "предыдущие часы, продолженные так, как шли другие голосования и регионы, открывшиеся раньше";
const OPENING = "число избирателей: в первые часы известных голосований не бывало так мало или так много";
const ITSELF = "собственный итог на этот момент";
const USUAL = "обычная доля таких транзакций";
const AT_ONCE = "собственные часы округа за вычетом общего для всех";
/** By rule: what the expected value is taken from, and why it fits; in Russian. */
const REFERENCES = {
  votes_exceed_bulletins: ITSELF, turnout_above_register: ITSELF, figures_fall: ITSELF, rejected_share: USUAL, unknown_outcomes: USUAL,
  revotes: USUAL, rollback_cluster: USUAL, synchronised_spike: AT_ONCE, synchronised_drop: AT_ONCE,
  gap_outside_band: "обычный разрыв через столько часов после открытия",
  burst: "получасы до и после – тот, где голосов больше",
  regular_votes: "избиратели, решающие независимо",
  votes_without_bulletins: "бюллетени за полчаса до того: голос следует за бюллетенем через минуты",
  precinct_above_register: "избиратели в списке участка сейчас",
  precinct_out_of_line: "другие участки округа при том же числе избирателей",
  precinct_block: "доля участка в бюллетенях округа за все остальные часы",
  tally_differs: "принятые голоса округа",
  differs_from_portal: "счётчик самого портала: второй, независимый подсчёт",
  equal_gaps: "самая длинная серия равных промежутков у независимых голосов этого часа",
  registrar_block: "самая длинная серия при доле этого регистратора в бюллетенях часа",
  unreadable_input: "каждая строка файлов должна читаться",
  registration_block: "внесения в этот список в другое время голосования",
};
const OF_LEVELS = ["spike", "drop", "silence"];

const isRussian = () => languageNow() === "ru";

/** What the expected value is taken from. */
export const referenceOf = (one) => (isRussian() ? (atOpening(one) ? OPENING : OF_LEVELS.includes(one.rule) ? (one.constituency_id ? OWN : WIDE) : REFERENCES[one.rule]) : one.expected_from);

/** The finding in the reader's language, if that is not the one it is worded in. */
export const inWords = (one) => (isRussian() ? RUSSIAN[one.rule]?.(one) : undefined);

/** What to look at next. */
export const whatNext = (one) => (isRussian() ? NEXT[one.rule] : one.look_at);

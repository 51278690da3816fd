// Every word on the page, in English and Russian. A name in braces stands for a value. Words that follow a number are
// there in each form that the language has for numbers.

const EN = {
  title: "Election metrics", skip: "Skip to the figures", election: "Election", language: "Language",
  theme_light: "Light", theme_dark: "Dark", theme: "Theme: {now}. Switch", print: "Print report", api: "API", ui: "Dagster UI",
  back: "← Back to the whole election",
  live: "Live", not_live: "Connection lost", voting: "Voting is on", completed: "Voting is over", scheduled: "Not yet voting",
  status_unknown: "Voting times not known",
  as_of: "Figures of {time}", newest: "newest transaction {time}", ago: "{time} ago", just_now: "just now",
  stale_title: "These figures are old.",
  overdue_title: "Input is overdue.",
  overdue: {
    one: "{missing} hour of a constituency of this election is overdue since {since}. Totals are too low.",
    other: "{missing} hours of constituencies of this election are overdue, the first since {since}. Totals are too low.",
  },
  next_due: "next file due {time}", ahead: "{time} ahead of the clock",
  opens_in: "opens in {time}", times_all: "First polls open {from}, the last close {to}", times_all_open: "First polls open {from}; when the last close is not known",
  times_one: "Open from {from} to {to}", times_one_open: "Open from {from}; until when is not known",
  against: "{points} points against the same hour of {name}",
  before_why: {
    one: "Each curve begins at its opening. Only elections that last as long, {days} day, are compared.",
    other: "Each curve begins at its opening. Only elections that last as long, {days} days, are compared.",
  },
  critical_found: { one: "{count} critical finding.", other: "{count} critical findings." }, see_findings: "See what was found",
  stale_connection: "The connection broke at {time}. What you see is of {as_of}; it goes on by itself.",
  stale_behind: {
    one: "{count} hour of all elections is being computed: these figures may change.",
    other: "{count} hours of all elections are being computed: these figures may change.",
  },
  above_100: "More votes than registered voters: the register is incomplete, or worse. The rate is shown as it is.",
  no_register: {
    one: "{count} constituency has no known register, so there is no rate for the whole.",
    other: "{count} constituencies have no known register, so there is no rate for the whole.",
  },
  turnout: "Turnout", turnout_of: { one: "{votes} vote of {voters} registered", other: "{votes} votes of {voters} registered" }, turnout_unknown: "not known",
  turnout_without: { one: "{votes} vote; registered voters: {voters}", other: "{votes} votes; registered voters: {voters}" },
  bulletins: "Bulletins issued", votes: "Votes cast", gap: "Bulletins without a vote", gap_share: "Without a vote, %", gap_note: "{rate} of bulletins",
  issue_note: "{rate} of registered voters", peak_note: "peak hour {time}: {votes}", velocity_now: "in the last hour",
  reporting: "Constituencies reporting", reporting_note: "{silent} silent", coverage: "Input that has arrived",
  coverage_note: { one: "{delivered} of {expected} constituency hour", other: "{delivered} of {expected} constituency hours" }, findings: "Findings",
  findings_note: "critical: {critical}, warnings: {warning}",
  unreadable: { one: "{count} line could not be read", other: "{count} lines could not be read" },
  by_hour: "Votes and bulletins by hour", by_hour_why: "A vote may follow a bulletin of the hour before, so a single hour can have more votes than bulletins.", chip: "incomplete: {coverage} of the input", by_hour_note: "Bulletins issued and votes cast in each hour, {zone}.",
  running: "Turnout so far", running_note: "Percent of registered voters, up to the end of each hour",
  running_counts: "Running total, up to the end of each hour",
  velocity: "Velocity", velocity_note: "Votes per hour; the hour in progress per elapsed part of it",
  gap_chart: "Bulletins without a vote", gap_chart_note: "Percent of all bulletins issued so far, from the 100th on",
  before: "{name}, hours since its opening", as_table: "Show as a table", hour: "Hour", to_come: "in progress",
  regions: "Regions", region: "Region", constituencies: "Constituencies", constituency: "Constituency",
  no_region: "(no region)", registered: "Registered", rate: "Turnout, %", shape: "Votes by hour", anomalies: "Anomalous, %",
  last: "Newest data", search: "Search by name, region or contract id", all_regions: "All regions", all_reporting: "All",
  only_reporting: "Reporting", only_silent: "Silent", found: "{count} shown", more: "Show {count} more",
  nothing_found: "No constituency matches. Clear the search to see all.", clear: "Clear", select: "Compare {name}",
  sorted_by: "Sort by {name}", compare: "Compare {count}", compare_title: "Side by side",
  compare_note: "Percent of registered voters, hours since the opening of each", compare_hint: "Tick constituencies in the table to set them side by side (up to six).", remove: "Remove {name}",
  by_day: "By day", day: "Day", period_votes: "Votes", period_bulletins: "Bulletins", files: "Files it comes from",
  files_note: "Every figure here was counted from these files.", file: "File", lines: "Lines", rejected: "Not readable",
  landed: "Landed", run: "Run", missing_hours: "Missing hours", missing_none: "No hour is missing.", see_missing: "No finding here; but hours are missing, see below.", no_such_election: "There is no such election here; this is another one.",
  missing_from: "{from} to {to} ({hours} h): {reason}", missing_voting: "the polls were open",
  missing_region: "most others of the region delivered it", share_link: "Link to this view copied",
  no_findings: "Nothing looks wrong.", critical: "Critical", warning: "Warning", info: "Note",
  state_open: "open", state_acknowledged: "somebody looks into it", state_resolved: "resolved",
  expected: "Found {observed}, expected {expected}", whole_election: "The whole election", many_places: { one: "{count} constituency", other: "{count} constituencies" }, others: "and {count} more",
  source: "Source", source_of: "Source: {what}", source_run: "Computed by run", source_at: "Computed at",
  source_rests: "It rests on {coverage} of the input that should be here, up to {time}.", source_open: "Open the run in the Dagster UI",
  source_json: "As JSON", source_csv: "As CSV", source_table: "Table {name}", close: "Close", definition: "How it is counted",
  csv: "CSV",
  reconciled: {
    one: "Every hour was counted again from the raw transactions on {time}: {differing} of {rows} row differed.",
    other: "Every hour was counted again from the raw transactions on {time}: {differing} of {rows} rows differed.",
  },
  empty_title: "No election yet", empty: "Nothing has landed. Put export files into the watched folder, or type: election-metrics ingest FOLDER",
  sign_in: "A token is needed to read here", token: "Token", enter: "Enter", sign_out: "Sign out", wrong_token: "This token is not known, or was revoked.",
  problem_since: "since {time}",
  failed: "The figures cannot be read now: {why}. Trying again …", not_there: "There is no such constituency here.",
  footer: "Counted by election-metrics from the transactions of the vote. Unknown is shown as –, never as 0; rates are never cut at 100 %.",
  report: "Report of {time}", page_at: "Live at {address}", local_zone: "time in {zone}", loading: "Loading …",
  definition_turnout: "Votes cast ÷ registered voters × 100. Not known while a reporting constituency has no register.",
  definition_bulletins: "Bulletins issued by calls that did not fail.",
  definition_votes: "Accepted votes, the first of each voter key. Rejected, unknown and repeated votes are not in it.",
  definition_gap: "Bulletins issued less votes cast. It is normal that it is wide at the opening and falls below 1 % at the end.",
  definition_reporting: "Constituencies with at least one bulletin or vote.",
  definition_coverage: "Constituency hours of voting that a landed file covers ÷ those that should be here by now.",
  definition_findings: "What the anomaly rules found and nobody has resolved.",
  definition_hours: "Counts of each UTC hour, over all constituencies of the election.",
  definition_region: "Sums over the region's constituencies.", definition_constituency: "One constituency is one smart contract.",
};

const RU = {
  title: "Метрики выборов", skip: "Перейти к данным", election: "Выборы", language: "Язык",
  theme_light: "Светлая", theme_dark: "Тёмная", theme: "Тема: {now}. Сменить", print: "Печать отчёта", api: "API", ui: "Dagster",
  back: "← Ко всем выборам",
  live: "Обновляется", not_live: "Связь потеряна", voting: "Идёт голосование", completed: "Голосование завершено",
  scheduled: "Голосование не началось", status_unknown: "Время голосования неизвестно",
  as_of: "Данные на {time}", newest: "последняя транзакция {time}", ago: "{time} назад", just_now: "только что",
  stale_title: "Эти данные устарели.",
  overdue_title: "Данные запаздывают.",
  overdue: {
    one: "Опаздывает {missing} час по округам этих выборов, с {since}. Итоги занижены.",
    few: "Опаздывают {missing} часа по округам этих выборов, первый — с {since}. Итоги занижены.",
    many: "Опаздывают {missing} часов по округам этих выборов, первый — с {since}. Итоги занижены.",
  },
  next_due: "следующий файл ожидается в {time}", ahead: "опережает часы на {time}",
  opens_in: "откроется через {time}", times_all: "Первые участки открываются {from}, последние закрываются {to}", times_all_open: "Первые участки открываются {from}; когда закроются последние, неизвестно",
  times_one: "Открыт с {from} до {to}", times_one_open: "Открыт с {from}; до какого времени, неизвестно",
  against: "{points} п. п. к тому же часу: {name}",
  before_why: {
    one: "Каждая кривая начинается с открытия. Сравниваются только выборы той же длины: {days} день.",
    few: "Каждая кривая начинается с открытия. Сравниваются только выборы той же длины: {days} дня.",
    many: "Каждая кривая начинается с открытия. Сравниваются только выборы той же длины: {days} дней.",
  },
  critical_found: { one: "{count} критическое замечание.", few: "{count} критических замечания.", many: "{count} критических замечаний." }, see_findings: "Что найдено",
  stale_connection: "Связь прервалась в {time}. Показаны данные на {as_of}; обновление возобновится само.",
  stale_behind: "Часов всех выборов в обработке: {count}; эти данные могут измениться.",
  above_100: "Голосов больше, чем избирателей в списке: список неполон или хуже. Доля показана как есть.",
  no_register: "Списки неизвестны у округов: {count}; общей доли нет.",
  turnout: "Явка", turnout_of: { one: "{votes} голос из {voters} в списке", few: "{votes} голоса из {voters} в списке", many: "{votes} голосов из {voters} в списке" }, turnout_unknown: "неизвестна",
  turnout_without: "Голосов: {votes}; избирателей в списке: {voters}",
  bulletins: "Выдано бюллетеней", votes: "Принято голосов", gap: "Бюллетени без голоса", gap_share: "Без голоса, %", gap_note: "{rate} от выданных",
  issue_note: "{rate} от списка", peak_note: "пик в {time}: {votes}", velocity_now: "за последний час",
  reporting: "Округов с данными", reporting_note: "без данных: {silent}", coverage: "Получено данных",
  coverage_note: "{delivered} из {expected} округо-часов", findings: "Замечания",
  findings_note: "критических {critical}, предупреждений {warning}", unreadable: "нечитаемых строк: {count}",
  by_hour: "Голоса и бюллетени по часам", by_hour_why: "Голос может относиться к бюллетеню прошлого часа, поэтому за час голосов бывает больше, чем бюллетеней.", chip: "неполно: {coverage} данных", by_hour_note: "Выдано бюллетеней и принято голосов за каждый час, {zone}.",
  running: "Явка нарастающим итогом", running_note: "Доля от списка на конец каждого часа, %",
  running_counts: "Нарастающий итог на конец каждого часа",
  velocity: "Скорость", velocity_note: "Голосов в час; для текущего часа — на прошедшую его часть",
  gap_chart: "Бюллетени без голоса", gap_chart_note: "Доля от всех выданных к этому часу, %, начиная с сотого",
  before: "{name}, часы от открытия", as_table: "Показать таблицей", hour: "Час", to_come: "идёт",
  regions: "Регионы", region: "Регион", constituencies: "Округа", constituency: "Округ",
  no_region: "(без региона)", registered: "В списке", rate: "Явка, %", shape: "Голоса по часам", anomalies: "Аномальных, %",
  last: "Последние данные", search: "Поиск по названию, региону или адресу контракта", all_regions: "Все регионы",
  all_reporting: "Все", only_reporting: "С данными", only_silent: "Без данных", found: "Показано: {count}", more: "Ещё {count}",
  nothing_found: "Ничего не найдено. Очистите поиск, чтобы увидеть все.", clear: "Очистить", select: "Сравнить: {name}",
  sorted_by: "Сортировать: {name}", compare: "Сравнить ({count})", compare_title: "Рядом",
  compare_note: "Доля от списка, часы от открытия каждого", compare_hint: "Отметьте округа в таблице, чтобы сравнить их (до шести).", remove: "Убрать: {name}",
  by_day: "По дням", day: "День", period_votes: "Голоса", period_bulletins: "Бюллетени", files: "Исходные файлы",
  files_note: "Все данные здесь подсчитаны по этим файлам.", file: "Файл", lines: "Строк", rejected: "Нечитаемых",
  landed: "Загружен", run: "Запуск", missing_hours: "Недостающие часы", missing_none: "Все часы на месте.", see_missing: "Замечаний здесь нет, но часов не хватает, см. ниже.", no_such_election: "Таких выборов здесь нет; показаны другие.",
  missing_from: "с {from} до {to} ({hours} ч): {reason}", missing_voting: "шло голосование",
  missing_region: "у большинства округов региона этот час есть", share_link: "Ссылка скопирована",
  no_findings: "Замечаний нет.", critical: "Критично", warning: "Предупреждение", info: "Заметка",
  state_open: "открыто", state_acknowledged: "изучается", state_resolved: "закрыто",
  expected: "Обнаружено {observed}, ожидалось {expected}", whole_election: "Выборы в целом", many_places: "округов: {count}", others: "и ещё {count}",
  source: "Источник", source_of: "Источник: {what}", source_run: "Подсчитано запуском", source_at: "Подсчитано",
  source_rests: "Получено {coverage} ожидаемых данных, до {time}.", source_open: "Открыть запуск в Dagster",
  source_json: "JSON", source_csv: "CSV", source_table: "Таблица {name}", close: "Закрыть", definition: "Как считается",
  csv: "CSV", reconciled: "Все часы пересчитаны по исходным транзакциям {time}: строк {rows}, отличались {differing}.",
  empty_title: "Выборов пока нет", empty: "Ничего не загружено. Положите файлы в наблюдаемую папку или наберите: election-metrics ingest ПАПКА",
  sign_in: "Для чтения нужен токен", token: "Токен", enter: "Войти", sign_out: "Выйти", wrong_token: "Такого токена нет, или он отозван.",
  problem_since: "с {time}",
  failed: "Данные сейчас недоступны: {why}. Пробуем снова …", not_there: "Такого округа здесь нет.",
  footer: "Подсчитано election-metrics по транзакциям голосования. Неизвестное показано как –, а не 0; доли не обрезаются на 100 %.",
  report: "Отчёт на {time}", page_at: "Обновляется по адресу {address}", local_zone: "время: {zone}", loading: "Загрузка …",
  definition_turnout: "Принятые голоса ÷ избиратели в списке × 100. Неизвестна, пока у округа с данными нет списка.",
  definition_bulletins: "Бюллетени, выданные успешными вызовами.",
  definition_votes: "Принятые голоса, первый для каждого ключа избирателя. Отклонённые, неясные и повторные не входят.",
  definition_gap: "Выданные бюллетени минус принятые голоса. При открытии разрыв велик, к концу обычно меньше 1 %.",
  definition_reporting: "Округа хотя бы с одним бюллетенем или голосом.",
  definition_coverage: "Округо-часы голосования, покрытые файлами ÷ те, что уже должны быть.",
  definition_findings: "Что нашли правила и никто ещё не закрыл.",
  definition_hours: "Подсчёт за каждый час UTC по всем округам выборов.",
  definition_region: "Сумма по округам региона.", definition_constituency: "Один округ — один смарт-контракт.",
};

/** The meaning of each rule; its figures are in the finding. */
const RULES = {
  en: {
    votes_exceed_bulletins: "More votes than bulletins", gap_outside_band: "Bulletins without votes",
    turnout_above_register: "More votes than registered voters", spike: "Sudden rise", drop: "Sudden fall",
    silence: "Silence", outside_voting: "Ballots outside the voting times", rejected_share: "Many rejected votes",
    unknown_outcomes: "Many votes of unknown outcome", revotes: "Many repeated votes",
    voter_issued_twice: "A voter got two bulletins", rollback_cluster: "Many transactions withdrawn",
    register_change: "The register changed during the vote", synchronised_spike: "Many rose at once",
    input_missing: "Input is missing", figures_fall: "Figures fell",
    conflicting_ids: "One id, several contents", register_below_zero: "The register is below zero",
  },
  ru: {
    votes_exceed_bulletins: "Голосов больше, чем бюллетеней", gap_outside_band: "Бюллетени без голосов",
    turnout_above_register: "Голосов больше, чем избирателей", spike: "Резкий рост", drop: "Резкое падение",
    silence: "Тишина", outside_voting: "Бюллетени вне времени голосования", rejected_share: "Много отклонённых голосов",
    unknown_outcomes: "Много голосов с неясным исходом", revotes: "Много повторных голосов",
    voter_issued_twice: "Избирателю выдано два бюллетеня", rollback_cluster: "Много отозванных транзакций",
    register_change: "Список изменён во время голосования", synchronised_spike: "Рост у многих сразу",
    input_missing: "Не хватает данных", figures_fall: "Показатели уменьшились",
    conflicting_ids: "Один номер, разное содержание", register_below_zero: "Список избирателей меньше нуля",
  },
};

export const LANGUAGES = { en: "English", ru: "Русский" };
const WORDS = { en: EN, ru: RU };
let language = "en";

export function speak(chosen) {
  language = chosen in WORDS ? chosen : "en";
  document.documentElement.lang = language;
}

export const spoken = () => language;

/** The words of this name, with values in place of names in braces; `number` is the one that they follow. */
export function t(name, values = {}, number) {
  const words = WORDS[language][name] ?? EN[name] ?? name;
  const form = typeof words === "string" ? words : words[new Intl.PluralRules(language).select(number ?? 0)] ?? words.many ?? words.other;
  return form.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

/** For tests: every text, with this number for the values of these names. */
export const everythingSaid = (number, counted) => {
  const values = new Proxy({}, { get: (_, name) => (counted.includes(name) ? String(number) : "…") });
  return Object.keys(EN).map((name) => t(name, values, number));
};

export const ruleName = (rule) => RULES[language][rule] ?? rule.replaceAll("_", " ");

/** For tests: the names that one language has and another has not. */
export const untranslated = () => Object.keys(EN).filter((name) => !(name in RU)).concat(Object.keys(RU).filter((name) => !(name in EN)));

// All texts of the page, in English and Russian. A name in braces is replaced by its value. A text with a number has one
// entry for each plural form of the language.

const EN = {
  title: "Election metrics", skip: "Skip to the figures", election: "Election", language: "Language",
  theme_light: "Light", theme_dark: "Dark", theme: "Theme: {now}. Switch", print: "Print report", api: "API", ui: "Dagster UI",
  back: "← Back to the whole election",
  live: "Live", not_live: "Connection lost", voting: "Voting is open", completed: "Voting is over", scheduled: "Voting has not started",
  status_unknown: "The voting times are not known",
  as_of: "Figures as of {time}", newest: "newest transaction {time}", ago: "{time} ago", just_now: "just now",
  stale_title: "These figures are out of date.",
  overdue_title: "Input is overdue.",
  overdue: {
    one: "{missing} constituency hour of this election has been overdue since {since}. Totals are too low.",
    other: "{missing} constituency hours of this election are overdue, the first since {since}. Totals are too low.",
  },
  next_due: "next file due {time}", ahead: "{time} ahead of the clock",
  opens_in: "opens in {time}", times_all: "The first polls open {from}, the last close {to}", times_all_open: "The first polls open {from}; when the last close is not known",
  times_one: "Open from {from} to {to}", times_one_open: "Open from {from}; when it closes is not known",
  against: "{points} points compared with the same hour of {name}",
  before_why: {
    one: "Each curve begins at the opening. Only elections of the same length, {days} day, are compared.",
    other: "Each curve begins at the opening. Only elections of the same length, {days} days, are compared.",
  },
  critical_found: { one: "{count} critical finding.", other: "{count} critical findings." }, see_findings: "See the findings",
  stale_connection: "The connection was lost at {time}. The figures are as of {as_of}; updates resume automatically.",
  stale_behind: {
    one: "{count} hour of all elections is being computed; these figures may change.",
    other: "{count} hours of all elections are being computed; these figures may change.",
  },
  above_100: "More votes than registered voters: the register is incomplete, or the votes are wrong. The turnout is shown unchanged.",
  no_register: {
    one: "{count} constituency has no known register, so the overall turnout is not known.",
    other: "{count} constituencies have no known register, so the overall turnout is not known.",
  },
  turnout: "Turnout", turnout_of: { one: "{votes} vote of {voters} registered", other: "{votes} votes of {voters} registered" }, turnout_unknown: "not known",
  turnout_without: { one: "{votes} vote; registered voters: {voters}", other: "{votes} votes; registered voters: {voters}" },
  bulletins: "Bulletins issued", votes: "Votes cast", gap: "Bulletins without a vote", gap_share: "Without a vote, %", gap_note: "{rate} of bulletins",
  issue_note: "{rate} of registered voters", peak_note: "peak hour {time}: {votes}", velocity_now: "in the last hour",
  reporting: "Constituencies reporting", reporting_note: "{silent} silent", coverage: "Input received",
  coverage_note: { one: "{delivered} of {expected} constituency hour", other: "{delivered} of {expected} constituency hours" }, findings: "Findings",
  findings_note: "critical: {critical}, warnings: {warning}",
  unreadable: { one: "{count} line could not be read", other: "{count} lines could not be read" },
  input_title: "Input that does not count", input_note: "Files and lines of the source that are not in the figures, and why.",
  input_withdrawn: { one: "Withdrawn on {time}: {files} file with {lines} lines, {example}. Reason: {reason}", other: "Withdrawn on {time}: {files} files with {lines} lines, such as {example}. Reason: {reason}" },
  input_unreadable: { one: "{files} file cannot be read: {example} ({reason})", other: "{files} files cannot be read, such as {example} ({reason})" },
  input_set_aside: { one: "{files} file failed to land and is tried again: {example} ({reason})", other: "{files} files failed to land and are tried again, such as {example} ({reason})" },
  input_not_read: { one: "{files} file {reason} is of a kind that is not read: {example}", other: "{files} files {reason} are of a kind that is not read, such as {example}" },
  input_quarantined: { one: "{lines} lines of {files} file cannot be read: {example} ({reason})", other: "{lines} lines of {files} files cannot be read, such as {example} ({reason})" },
  by_hour: "Votes and bulletins by hour", by_hour_why: "A vote may follow a bulletin of the previous hour, so a single hour can have more votes than bulletins.", chip: "incomplete: {coverage} of the input", by_hour_note: "Bulletins issued and votes cast in each hour, {zone}.",
  running: "Turnout so far", running_note: "Percent of registered voters, up to the end of each hour",
  running_counts: "Running total, up to the end of each hour",
  velocity: "Velocity", velocity_note: "Votes per hour; for the hour in progress, votes divided by its elapsed part",
  gap_chart: "Bulletins without a vote", gap_chart_note: "Percent of all bulletins issued so far, starting with the 100th",
  before: "{name}, hours since its opening", as_table: "Show as a table", hour: "Hour", to_come: "in progress",
  regions: "Regions", region: "Region", constituencies: "Constituencies", constituency: "Constituency",
  no_region: "(no region)", registered: "Registered", rate: "Turnout, %", shape: "Votes by hour", anomalies: "Anomalous, %",
  last: "Newest data", search: "Search by name, region or contract id", all_regions: "All regions", all_reporting: "All",
  only_reporting: "Reporting", only_silent: "Silent", found: "{count} shown", more: "Show {count} more",
  nothing_found: "No constituency matches. Clear the search to see all.", clear: "Clear", select: "Compare {name}",
  sorted_by: "Sort by {name}", compare: "Compare {count}", compare_title: "Side by side",
  compare_note: "Percent of registered voters, by hours since each opening", compare_hint: "Select up to six constituencies in the table to compare them.", remove: "Remove {name}",
  by_day: "By day", day: "Day", period_votes: "Votes", period_bulletins: "Bulletins", files: "Source files",
  files_note: "All figures here are counted from these files.", file: "File", lines: "Lines", rejected: "Unreadable",
  landed: "Landed", run: "Run", missing_hours: "Missing hours", missing_none: "No hours are missing.", see_missing: "There are no findings, but hours are missing; see below.", no_such_election: "This election does not exist; another one is shown.",
  missing_from: "{from} to {to} ({hours} h): {reason}", missing_voting: "the polls were open",
  missing_region: "most other constituencies of the region delivered it", share_link: "Link to this view copied",
  no_findings: "There are no findings.", critical: "Critical", warning: "Warning", info: "Note",
  state_open: "open", state_acknowledged: "acknowledged", state_resolved: "resolved",
  expected: "Found {observed}, expected {expected}", usual: "99 of 100 between {low} and {high}", reference: "compared with {what}", picture: "Chart", no_ballots_around: "No ballots around it.", picture_of: "Chart: {rule}", picture_note: "Votes are bars, bulletins a line; the finding is shaded, and what was expected is dashed.", whole_election: "The whole election", many_places: { one: "{count} constituency", other: "{count} constituencies" }, others: "and {count} more",
  source: "Source", source_of: "Source: {what}", source_run: "Computed by run", source_at: "Computed at",
  source_rests: "{coverage} of the expected input has arrived, up to {time}.", source_open: "Open the run in the Dagster UI",
  source_file: "{file}, the whole table", incomplete: "hours are missing", voting_was_open: "Voting was not known to be over", preliminary: "The figures are preliminary: voting was not known to be over.",
  source_json: "As JSON", source_csv: "As CSV", source_table: "Table {name}", close: "Close", definition: "How it is counted",
  csv: "CSV",
  reconciled: {
    one: "Every hour was counted again from the raw transactions on {time}: {differing} of {rows} row differed.",
    other: "Every hour was counted again from the raw transactions on {time}: {differing} of {rows} rows differed.",
  },
  empty_title: "No election yet", empty: "No files have landed. Put export files into the watched folder, or run: election-metrics ingest FOLDER",
  sign_in: "Reading requires a token", token: "Token", enter: "Enter", sign_out: "Sign out", wrong_token: "This token is not known or was revoked.",
  problem_since: "since {time}",
  failed: "The figures are not available now: {why}. Retrying …", not_there: "This constituency does not exist.",
  known_at: "As known at", known_at_note: "Figures are corrected when files come late or are withdrawn. Slide to see what was known at an earlier moment; hours of ballots stay what they are.", now: "now",
  lasting_link: "Link that lasts: later files and corrections do not change it. After a day, only the last state of each hour is kept", cite: "Cite this", cited_as_of: "As known at {time}", copy: "Copy", copied: "Copied", chart_as: "The chart as", embed: "Show the chart on another site", feed: "Feed",
  published: "Published", published_at: "Published as it was known at {time}.", published_why: "These figures do not change: what became known later is in a later edition.",
  published_check: "How to check them", published_data: "Data", published_cite: "Cite as: {citation}",
  as_known: "Shown as it was known at {time}.", as_known_why: "Later files and corrections are not in it.", as_known_now: "Show what is known now",
  corrections: "Corrections", corrections_note: "Bulletins and votes of hours that changed after they were first shown as whole.", corrected_at: "Corrected", hour_of_ballots: "Hour of the ballots", why_corrected: "Why",
  cause_new_file: "new file", cause_late_file: "late file", cause_changed_file: "changed file", cause_correction: "rollback or re-vote", cause_register: "register", cause_reference_data: "reference data", cause_withdrawal: "file withdrawn", cause_finding: "finding settled", cause_final_count: "final count", cause_time: "time passed", cause_computed_again: "computed again",
  footer: "Counted by election-metrics from the transactions of the vote. Unknown values are shown as –, never as 0; rates are never capped at 100 %.",
  report: "Report of {time}", page_at: "Live at {address}", local_zone: "time in {zone}", zone_assumed: "(assumed: its region is not known)", next: "Look at: {what}.", loading: "Loading …",
  definition_turnout: "Votes cast ÷ registered voters × 100. Not known while a reporting constituency has no register.",
  definition_bulletins: "Bulletins issued by calls that did not fail.",
  definition_votes: "Accepted votes, the first of each voter key. Rejected votes, votes of unknown outcome and re-votes are not included.",
  definition_gap: "Bulletins issued minus votes cast. The gap is normally wide at the opening and below 1 % at the end.",
  definition_reporting: "Constituencies with at least one bulletin or vote.",
  definition_coverage: "Constituency hours of voting that landed files cover ÷ those that should have arrived by now.",
  definition_findings: "Findings of the anomaly rules that are not resolved.",
  definition_hours: "Counts of each UTC hour, over all constituencies of the election.",
  definition_region: "Sums over the region's constituencies.", definition_constituency: "One constituency is one smart contract.",
};

const RU = {
  title: "Метрики выборов", skip: "Перейти к данным", election: "Выборы", language: "Язык",
  theme_light: "Светлая", theme_dark: "Тёмная", theme: "Тема: {now}. Сменить", print: "Печать отчёта", api: "API", ui: "Dagster",
  back: "← К выборам в целом",
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
  opens_in: "откроется через {time}", times_all: "Первые участки открываются {from}, последние закрываются {to}", times_all_open: "Первые участки открываются {from}; время закрытия последних неизвестно",
  times_one: "Открыт с {from} до {to}", times_one_open: "Открыт с {from}; время закрытия неизвестно",
  against: "{points} п. п. по сравнению с тем же часом: {name}",
  before_why: {
    one: "Каждая кривая начинается с открытия. Сравниваются только выборы той же продолжительности: {days} день.",
    few: "Каждая кривая начинается с открытия. Сравниваются только выборы той же продолжительности: {days} дня.",
    many: "Каждая кривая начинается с открытия. Сравниваются только выборы той же продолжительности: {days} дней.",
  },
  critical_found: { one: "{count} критическое замечание.", few: "{count} критических замечания.", many: "{count} критических замечаний." }, see_findings: "Смотреть замечания",
  stale_connection: "Связь прервалась в {time}. Показаны данные на {as_of}; обновление возобновится само.",
  stale_behind: "В обработке часов по всем выборам: {count}; эти данные могут измениться.",
  above_100: "Голосов больше, чем избирателей в списке: список неполон или голоса учтены неверно. Явка показана без изменений.",
  no_register: "Округов с неизвестным списком: {count}; общая явка неизвестна.",
  turnout: "Явка", turnout_of: { one: "{votes} голос из {voters} в списке", few: "{votes} голоса из {voters} в списке", many: "{votes} голосов из {voters} в списке" }, turnout_unknown: "неизвестна",
  turnout_without: "Голосов: {votes}; избирателей в списке: {voters}",
  bulletins: "Выдано бюллетеней", votes: "Принято голосов", gap: "Бюллетени без голоса", gap_share: "Без голоса, %", gap_note: "{rate} от выданных",
  issue_note: "{rate} от списка", peak_note: "пик в {time}: {votes}", velocity_now: "за последний час",
  reporting: "Округов с данными", reporting_note: "без данных: {silent}", coverage: "Получено данных",
  coverage_note: "{delivered} из {expected} округо-часов", findings: "Замечания",
  findings_note: "критических {critical}, предупреждений {warning}", unreadable: "нечитаемых строк: {count}",
  input_title: "Что не учтено из исходных данных", input_note: "Файлы и строки источника, которых нет в цифрах, и причины.",
  input_withdrawn: "Отозвано {time}: файлов {files}, строк {lines}, например {example}. Причина: {reason}",
  input_unreadable: "Не читаются файлы: {files}, например {example} ({reason})",
  input_set_aside: "Не загрузились и будут загружаться снова файлы: {files}, например {example} ({reason})",
  input_not_read: "Файлы {reason}, которые не читаются по своему виду: {files}, например {example}",
  input_quarantined: "Не читаются строки: {lines}, файлов {files}, например {example} ({reason})",
  by_hour: "Голоса и бюллетени по часам", by_hour_why: "Голос может относиться к бюллетеню предыдущего часа, поэтому за час голосов бывает больше, чем бюллетеней.", chip: "неполно: {coverage} данных", by_hour_note: "Выдано бюллетеней и принято голосов за каждый час, {zone}.",
  running: "Явка нарастающим итогом", running_note: "Доля от списка на конец каждого часа, %",
  running_counts: "Нарастающий итог на конец каждого часа",
  velocity: "Скорость", velocity_note: "Голосов в час; для текущего часа — в пересчёте на его прошедшую часть",
  gap_chart: "Бюллетени без голоса", gap_chart_note: "Доля от всех выданных к этому часу, %, начиная с сотого",
  before: "{name}, часы от открытия", as_table: "Показать таблицей", hour: "Час", to_come: "идёт",
  regions: "Регионы", region: "Регион", constituencies: "Округа", constituency: "Округ",
  no_region: "(без региона)", registered: "В списке", rate: "Явка, %", shape: "Голоса по часам", anomalies: "Аномальных, %",
  last: "Последние данные", search: "Поиск по названию, региону или адресу контракта", all_regions: "Все регионы",
  all_reporting: "Все", only_reporting: "С данными", only_silent: "Без данных", found: "Показано: {count}", more: "Ещё {count}",
  nothing_found: "Ничего не найдено. Очистите поиск, чтобы увидеть все.", clear: "Очистить", select: "Сравнить: {name}",
  sorted_by: "Сортировать: {name}", compare: "Сравнить ({count})", compare_title: "Сравнение",
  compare_note: "Доля от списка, %, по часам от открытия каждого", compare_hint: "Отметьте округа в таблице, чтобы сравнить их (до шести).", remove: "Убрать: {name}",
  by_day: "По дням", day: "День", period_votes: "Голоса", period_bulletins: "Бюллетени", files: "Исходные файлы",
  files_note: "Все данные здесь подсчитаны по этим файлам.", file: "Файл", lines: "Строк", rejected: "Нечитаемых",
  landed: "Загружен", run: "Запуск", missing_hours: "Недостающие часы", missing_none: "Все часы на месте.", see_missing: "Замечаний здесь нет, но часов не хватает, см. ниже.", no_such_election: "Таких выборов нет; показаны другие.",
  missing_from: "с {from} до {to} ({hours} ч): {reason}", missing_voting: "шло голосование",
  missing_region: "у большинства других округов региона этот час есть", share_link: "Ссылка скопирована",
  no_findings: "Замечаний нет.", critical: "Критично", warning: "Предупреждение", info: "Заметка",
  state_open: "открыто", state_acknowledged: "изучается", state_resolved: "закрыто",
  expected: "Обнаружено {observed}, ожидалось {expected}", usual: "99 из 100 случаев – от {low} до {high}", reference: "сравнение: {what}", picture: "График", no_ballots_around: "Рядом нет бюллетеней.", picture_of: "График: {rule}", picture_note: "Столбцы – голоса, линия – бюллетени; замечание выделено, ожидавшееся показано пунктиром.", whole_election: "Выборы в целом", many_places: "округов: {count}", others: "и ещё {count}",
  source: "Источник", source_of: "Источник: {what}", source_run: "Подсчитано запуском", source_at: "Подсчитано",
  source_rests: "Получено {coverage} ожидаемых данных, до {time}.", source_open: "Открыть запуск в Dagster",
  source_file: "{file}, вся таблица", incomplete: "есть недостающие часы", voting_was_open: "Голосование ещё не было завершено", preliminary: "Цифры предварительные: голосование ещё не было завершено.",
  source_json: "JSON", source_csv: "CSV", source_table: "Таблица {name}", close: "Закрыть", definition: "Как считается",
  csv: "CSV", reconciled: "Все часы пересчитаны по исходным транзакциям {time}: строк {rows}, отличались {differing}.",
  empty_title: "Выборов пока нет", empty: "Ничего не загружено. Положите файлы в наблюдаемую папку или наберите: election-metrics ingest ПАПКА",
  sign_in: "Для чтения нужен токен", token: "Токен", enter: "Войти", sign_out: "Выйти", wrong_token: "Такого токена нет, или он отозван.",
  problem_since: "с {time}",
  failed: "Данные сейчас недоступны: {why}. Пробуем снова …", not_there: "Такого округа нет.",
  known_at: "По состоянию на", known_at_note: "Цифры исправляются, когда файлы приходят поздно или отзываются. Сдвиньте, чтобы увидеть, что было известно раньше; часы подачи голосов при этом не меняются.", now: "сейчас",
  lasting_link: "Постоянная ссылка: поздние файлы и исправления её не меняют. Через сутки хранится только последнее состояние каждого часа", cite: "Как сослаться", cited_as_of: "По состоянию на {time}", copy: "Скопировать", copied: "Скопировано", chart_as: "График:", embed: "Показать график на другом сайте", feed: "Лента",
  published: "Опубликовано", published_at: "Опубликовано по состоянию на {time}.", published_why: "Эти цифры не меняются: то, что стало известно позже, будет в следующем издании.",
  published_check: "Как их проверить", published_data: "Данные", published_cite: "Ссылаться так: {citation}",
  as_known: "Показано, как было известно на {time}.", as_known_why: "Более поздних файлов и исправлений здесь нет.", as_known_now: "Показать известное сейчас",
  corrections: "Исправления", corrections_note: "Бюллетени и голоса за часы, изменившиеся после того, как их впервые показали целиком.", corrected_at: "Исправлено", hour_of_ballots: "Час подачи", why_corrected: "Причина",
  cause_new_file: "новый файл", cause_late_file: "поздний файл", cause_changed_file: "изменённый файл", cause_correction: "откат или повторный голос", cause_register: "список избирателей", cause_reference_data: "справочные данные", cause_withdrawal: "файл отозван", cause_finding: "решение о замечании", cause_final_count: "итоговый пересчёт", cause_time: "прошло время", cause_computed_again: "пересчитано",
  footer: "Подсчитано election-metrics по транзакциям голосования. Неизвестное показано как –, а не 0; доли не обрезаются на 100 %.",
  report: "Отчёт на {time}", page_at: "Обновляется по адресу {address}", local_zone: "время: {zone}", zone_assumed: "(предположительно: регион неизвестен)", next: "Что проверить: {what}.", loading: "Загрузка …",
  definition_turnout: "Принятые голоса ÷ избиратели в списке × 100. Неизвестна, пока у округа с данными нет списка.",
  definition_bulletins: "Бюллетени, выданные успешными вызовами.",
  definition_votes: "Принятые голоса, первый для каждого ключа избирателя. Отклонённые, повторные голоса и голоса с неизвестным результатом не входят.",
  definition_gap: "Выданные бюллетени минус принятые голоса. При открытии разрыв велик, к концу обычно меньше 1 %.",
  definition_reporting: "Округа хотя бы с одним бюллетенем или голосом.",
  definition_coverage: "Округо-часы голосования, покрытые загруженными файлами ÷ все, которые уже должны были поступить.",
  definition_findings: "Замечания, найденные правилами и ещё не закрытые.",
  definition_hours: "Подсчёт за каждый час UTC по всем округам выборов.",
  definition_region: "Сумма по округам региона.", definition_constituency: "Один округ — один смарт-контракт.",
};

/** The name of each rule in both languages. */
const RULES = {
  en: {
    votes_exceed_bulletins: "More votes than bulletins", gap_outside_band: "Bulletins without votes",
    turnout_above_register: "More votes than registered voters", spike: "Sudden rise", drop: "Sudden fall",
    silence: "Silence", outside_voting: "Ballots outside the voting times", rejected_share: "Many rejected votes",
    unknown_outcomes: "Many votes of unknown outcome", revotes: "Many re-votes",
    voter_issued_twice: "Voters received a second bulletin", rollback_cluster: "Many transactions were withdrawn",
    register_change: "The register changed during the vote", synchronised_spike: "Simultaneous rise in many constituencies",
    input_missing: "Input is missing", figures_fall: "Fewer transactions than before",
    conflicting_ids: "Rows with the same id differ", register_below_zero: "The register is below zero",
    time_zone_assumed: "The time zone is assumed", places_disagree: "Files in several regions or elections", unreadable_input: "Input cannot be read",
    synchronised_drop: "Simultaneous fall in many constituencies", burst: "Burst of votes within minutes",
    regular_votes: "Votes as regular as a machine's", equal_gaps: "Equal gaps between votes",
    votes_without_bulletins: "A block of votes without bulletins", registrar_block: "A block of one registrar",
    registration_block: "A block of registrations",
  },
  ru: {
    votes_exceed_bulletins: "Голосов больше, чем бюллетеней", gap_outside_band: "Бюллетени без голосов",
    turnout_above_register: "Голосов больше, чем избирателей", spike: "Резкий рост", drop: "Резкое падение",
    silence: "Тишина", outside_voting: "Бюллетени вне времени голосования", rejected_share: "Много отклонённых голосов",
    unknown_outcomes: "Много голосов с неизвестным результатом", revotes: "Много повторных голосов",
    voter_issued_twice: "Избирателю выдано два бюллетеня", rollback_cluster: "Много отозванных транзакций",
    register_change: "Список изменён во время голосования", synchronised_spike: "Одновременный рост во многих округах",
    input_missing: "Не хватает данных", figures_fall: "Транзакций стало меньше",
    conflicting_ids: "Строки с одним номером различаются", register_below_zero: "Список избирателей меньше нуля",
    time_zone_assumed: "Часовой пояс предположён", places_disagree: "Файлы в нескольких регионах или выборах", unreadable_input: "Данные не читаются",
    synchronised_drop: "Одновременное падение во многих округах", burst: "Всплеск голосов за минуты",
    regular_votes: "Голоса идут ровно, как у машины", equal_gaps: "Равные промежутки между голосами",
    votes_without_bulletins: "Голоса без выдачи бюллетеней", registrar_block: "Подряд один регистратор",
    registration_block: "Много внесённых в список сразу",
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

/** The text of this name with its values filled in; `number` selects the plural form. */
export function t(name, values = {}, number) {
  const words = WORDS[language][name] ?? EN[name] ?? name;
  const form = typeof words === "string" ? words : words[new Intl.PluralRules(language).select(number ?? 0)] ?? words.many ?? words.other;
  return form.replace(/\{(\w+)\}/g, (_, key) => values[key] ?? "");
}

/** For tests: all texts, with this number as the value of these names. */
export const everythingSaid = (number, counted) => {
  const values = new Proxy({}, { get: (_, name) => (counted.includes(name) ? String(number) : "…") });
  return Object.keys(EN).map((name) => t(name, values, number));
};

export const languageNow = () => language;
export const ruleName = (rule) => RULES[language][rule] ?? rule.replaceAll("_", " ");

/** For tests: names that only one of the languages has. */
export const untranslated = () => Object.keys(EN).filter((name) => !(name in RU)).concat(Object.keys(RU).filter((name) => !(name in EN)));

"""Console logger of runs: warnings and errors only. The Dagster UI has everything; the log of `up` stays readable."""

import logging

import dagster as dg

_RETRY = "Retrying failed database connection"


@dg.logger(
    {
        "log_level": dg.Field(str, default_value="WARNING", is_required=False, description="Lowest level to print."),
        "name": dg.Field(str, default_value="dagster", is_required=False, description="Name of the logger."),
    }
)
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Dagster's console logger with a higher default level."""
    logger: logging.Logger = dg.colored_console_logger.logger_fn(context)
    return logger


def quiet_retries() -> None:
    """Drops the storage's warning about each database retry, several a second: `up` reports the outage once."""
    logging.getLogger().addFilter(lambda record: not str(record.msg).startswith(_RETRY))

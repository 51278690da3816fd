"""What runs print: warnings and errors. Everything is in the Dagster UI; the log of `up` should be readable."""

import logging

import dagster as dg

_RETRY = "Retrying failed database connection"


@dg.logger(
    {
        "log_level": dg.Field(str, default_value="WARNING", is_required=False, description="Least level to print."),
        "name": dg.Field(str, default_value="dagster", is_required=False, description="Name of the logger."),
    }
)
def console(context: dg.InitLoggerContext) -> logging.Logger:
    """Dagster's console logger, which says less than its default."""
    logger: logging.Logger = dg.colored_console_logger.logger_fn(context)
    return logger


def quiet_retries() -> None:
    """Dagster's storage warns of each try to reach its database, several times a second: `up` says it once."""
    logging.getLogger().addFilter(lambda record: not str(record.msg).startswith(_RETRY))

"""The arithmetic: pure functions from frames to frames. No I/O, no clock, no Dagster."""

import pandas as pd

# Most of what is computed are small frames, on which Arrow's texts cost a fifth of the time; on large ones they save 5 %.
pd.set_option("mode.string_storage", "python")

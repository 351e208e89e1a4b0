"""Pure functions on numbers: equivalence of paired times, intervals, rates, fits.

No tables, no files. The parts of scipy load when they are first used (it does that by itself),
those of statsmodels are imported where they are used: most scripts need neither, and they take
longer to load than all else.
"""

from __future__ import annotations

from parallel_transcription.statistics.comparison import (
    A_FASTER,
    B_FASTER,
    BEYOND,
    EQUIVALENT,
    INCONCLUSIVE,
    LEAST_ROUNDS,
    OPEN,
    STATES,
    WITHIN,
    Comparison,
    Look,
    Tests,
    band,
    compare,
    decide,
    no_less_than_states,
    paired_tests,
    settle,
    size_of,
)
from parallel_transcription.statistics.families import Family, adjust, correct
from parallel_transcription.statistics.fits import (
    Fit,
    fit_linear,
    fit_memory,
    fit_scaling,
)
from parallel_transcription.statistics.intervals import (
    geometric_interval,
    median_interval,
    t_interval,
    tolerance_bound,
)
from parallel_transcription.statistics.looks import look_at, share_of
from parallel_transcription.statistics.one_sided import one_sided
from parallel_transcription.statistics.rates import (
    clopper_pearson,
    rate_higher,
    rates_higher,
    starts_needed,
    upper_rate,
)
from parallel_transcription.statistics.rounds import (
    MOST_ROUNDS,
    beyond_power,
    chance_to_decide,
    detectable_ratio,
    equivalence_power,
    pooled_sd,
    rounds_needed,
    sd_interval,
)
from parallel_transcription.statistics.sequential import compare_matches, looks_at
from parallel_transcription.statistics.stages import settle_matches

__all__ = [
    "A_FASTER",
    "BEYOND",
    "B_FASTER",
    "EQUIVALENT",
    "INCONCLUSIVE",
    "LEAST_ROUNDS",
    "MOST_ROUNDS",
    "OPEN",
    "STATES",
    "WITHIN",
    "Comparison",
    "Family",
    "Fit",
    "Look",
    "Tests",
    "adjust",
    "band",
    "beyond_power",
    "chance_to_decide",
    "clopper_pearson",
    "compare",
    "compare_matches",
    "correct",
    "decide",
    "detectable_ratio",
    "equivalence_power",
    "fit_linear",
    "fit_memory",
    "fit_scaling",
    "geometric_interval",
    "look_at",
    "looks_at",
    "median_interval",
    "no_less_than_states",
    "one_sided",
    "paired_tests",
    "pooled_sd",
    "rate_higher",
    "rates_higher",
    "rounds_needed",
    "sd_interval",
    "settle",
    "settle_matches",
    "share_of",
    "size_of",
    "starts_needed",
    "t_interval",
    "tolerance_bound",
    "upper_rate",
]

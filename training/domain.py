"""The domain: 147 English words, the sentences made of them, and which of those are held out."""

import hashlib
import random

ONES = "one two three four five six seven eight nine".split()
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS_TO_NINTH = "first second third fourth fifth sixth seventh eighth ninth".split()
ORDINALS_FROM_TENTH = (
    "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth "
    "nineteenth twentieth".split()
)
MONTHS = (
    "january february march april may june july august september october november december".split()
)
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
CITIES = "london paris berlin vienna madrid dublin lisbon oslo warsaw geneva hamburg munich".split()
SKIES = "sunny cloudy rainy foggy windy stormy".split()
WEATHER = "rain snow wind fog".split()
PARTS_OF_DAY = "morning afternoon evening night".split()
COLOURS = "red green blue yellow white black".split()
OTHER_WORDS = (
    "the train to from leaves platform at will arrive is minutes late number stops in and on it "
    "be weather temperature degrees minus there please take line your ticket costs euros next "
    "bus we open close my birthday call no until o'clock half past quarter zero hundred of".split()
)

WORDS = sorted(
    {
        *ONES, *TEENS, *TENS, *ORDINALS_TO_NINTH, *ORDINALS_FROM_TENTH, "thirtieth", *MONTHS,
        *DAYS, *CITIES, *SKIES, *WEATHER, *PARTS_OF_DAY, *COLOURS, *OTHER_WORDS,
    }
)  # fmt: skip
WORD_IDS = {word: index for index, word in enumerate(WORDS)}

# Share of all possible sentences that training never sees: one in this many.
HELD_OUT_ONE_IN = 10


def number(value: int) -> str:
    """Spell out 0 <= value <= 999."""
    if value == 0:
        return "zero"
    if value < 10:
        return ONES[value - 1]
    if value < 20:
        return TEENS[value - 10]
    if value < 100:
        unit = f" {ONES[value % 10 - 1]}" if value % 10 else ""
        return TENS[value // 10 - 2] + unit
    rest = f" and {number(value % 100)}" if value % 100 else ""
    return f"{ONES[value // 100 - 1]} hundred{rest}"


def ordinal(value: int) -> str:
    """Spell out the ordinal of 1 <= value <= 31."""
    if value < 10:
        return ORDINALS_TO_NINTH[value - 1]
    if value <= 20:
        return ORDINALS_FROM_TENTH[value - 10]
    if value == 30:
        return "thirtieth"
    return f"{TENS[value // 10 - 2]} {ORDINALS_TO_NINTH[value % 10 - 1]}"


def day_of_month(rng: random.Random) -> str:
    """Return for instance 'the third of may'."""
    return f"the {ordinal(rng.randint(1, 31))} of {rng.choice(MONTHS)}"


def date(rng: random.Random) -> str:
    """Return a date as one says it, from 'monday' to 'monday the third of may'."""
    day = rng.choice(DAYS)
    return rng.choice(
        [
            day,
            f"{day} {day_of_month(rng)}",
            day_of_month(rng),
            f"{day} {rng.choice(PARTS_OF_DAY)}",
        ]
    )


def time_of_day(rng: random.Random) -> str:
    """Return a time as one says it, for instance 'half past nine'."""
    hour = number(rng.randint(1, 12))
    return rng.choice(
        [
            f"{hour} o'clock",
            f"{hour} {number(rng.randint(10, 59))}",
            f"half past {hour}",
            f"quarter to {hour}",
            f"quarter past {hour}",
        ]
    )


def digits(rng: random.Random) -> str:
    """Return four to seven spoken digits."""
    return " ".join(number(rng.randint(0, 9)) for _ in range(rng.randint(4, 7)))


# Each line is one kind of sentence; {name} is drawn anew at each place it stands.
SENTENCE_KINDS = [
    "the train to {city} leaves from platform {number:1-24} at {time}",
    "the train from {city} will arrive at {time}",
    "the {part} train to {city} is {number:2-60} minutes late",
    "train number {number:1-999} to {city} stops in {city} and {city}",
    "on {date} it will be {sky} in {city}",
    "the weather in {city} is {sky} and {sky}",
    "the temperature in {city} is {number:0-40} degrees",
    "it is minus {number:1-20} degrees on {date}",
    "there will be {weather} in the {part}",
    "please take the {colour} line to {city}",
    "your ticket costs {number:1-300} euros",
    "the next bus is number {number:1-120}",
    "we open on {day} at {time} and close at {time}",
    "my birthday is on {day_of_month}",
    "call {digits}",
    "no {weather} in {city} until {date}",
]


class _Filler:
    """Gives str.format a random value for each field, honouring a range such as '1-24'."""

    def __init__(self, rng: random.Random, field: str):
        self.rng, self.field = rng, field

    def __format__(self, limits: str) -> str:
        rng = self.rng
        if self.field == "number":
            low, high = limits.split("-")
            return number(rng.randint(int(low), int(high)))
        choices = {
            "city": CITIES, "part": PARTS_OF_DAY, "sky": SKIES, "weather": WEATHER,
            "colour": COLOURS, "day": DAYS,
        }  # fmt: skip
        if self.field in choices:
            return rng.choice(choices[self.field])
        makers = {
            "date": date, "time": time_of_day, "digits": digits, "day_of_month": day_of_month,
        }  # fmt: skip
        return makers[self.field](rng)


class _Fillers(dict):
    def __init__(self, rng: random.Random):
        self.rng = rng

    def __missing__(self, field: str) -> _Filler:
        return _Filler(self.rng, field)


def grammatical_sentence(rng: random.Random) -> str:
    """Draw one sentence of one of the kinds above."""
    return rng.choice(SENTENCE_KINDS).format_map(_Fillers(rng))


def word_salad(rng: random.Random) -> str:
    """Draw two to nine words in no order: they keep the model listening rather than guessing."""
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(2, 9)))


def is_held_out(sentence: str) -> bool:
    """Say whether training must never see this sentence; the same in every run and version."""
    digest = hashlib.sha256(sentence.encode()).digest()
    return int.from_bytes(digest[:8], "big") % HELD_OUT_ONE_IN == 0


def usual_sentence(rng: random.Random) -> str:
    """Draw a sentence that makes sense, or now and then word salad."""
    return word_salad(rng) if rng.random() < 0.25 else grammatical_sentence(rng)


def repeating_sentence(rng: random.Random) -> str:
    """Draw words of which many come twice or more: a small model loses its place in those."""
    if rng.random() < 0.5:
        choices, said = ["zero", *ONES], ["call"]
        length = rng.randint(5, 9)
    else:
        choices, said = WORDS, [rng.choice(WORDS)]
        length = rng.randint(3, 9)
    while len(said) < length:
        chance = rng.random()
        if chance < 0.35 and said[-1] != "call":
            said.append(said[-1])
        elif chance < 0.5 and said[-1] != "call":
            said.append(rng.choice(said[1:] or said))
        else:
            said.append(rng.choice(choices))
    return " ".join(said)


SENTENCE_STYLES = {"usual": usual_sentence, "repeating": repeating_sentence}


def training_sentence(rng: random.Random, style: str) -> str:
    """Draw a sentence of a style (a key of SENTENCE_STYLES) that is not held out."""
    while True:
        sentence = SENTENCE_STYLES[style](rng)
        if not is_held_out(sentence):
            return sentence


def held_out_sentences(rng: random.Random, count: int) -> list[str]:
    """Draw that many different held-out grammatical sentences."""
    found: dict[str, None] = {}
    while len(found) < count:
        sentence = grammatical_sentence(rng)
        if is_held_out(sentence):
            found[sentence] = None
    return list(found)

"""The token ids of the model: words, special tokens and timestamps, in Whisper's order."""

from training.domain import WORDS

UNKNOWN = len(WORDS)
END_OF_TEXT = UNKNOWN + 1
START_OF_TRANSCRIPT = UNKNOWN + 2
ENGLISH = UNKNOWN + 3
GERMAN = UNKNOWN + 4
TRANSLATE = UNKNOWN + 5
TRANSCRIBE = UNKNOWN + 6
START_OF_LANGUAGE_MODEL = UNKNOWN + 7
START_OF_PREVIOUS = UNKNOWN + 8
NO_SPEECH = UNKNOWN + 9
NO_TIMESTAMPS = UNKNOWN + 10
FIRST_TIMESTAMP = UNKNOWN + 11

TIMESTAMPS = 1501  # 0.00 to 30.00 seconds in steps of 0.02
TOKEN_COUNT = FIRST_TIMESTAMP + TIMESTAMPS

# "\u0120" is the blank before a word in the byte-level alphabet of GPT-2.
TEXT_TOKENS = [f"\u0120{word}" for word in WORDS] + ["<unk>"]
SPECIAL_TOKENS = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    "<|en|>",
    "<|de|>",
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
    *(f"<|{index * 0.02:.2f}|>" for index in range(TIMESTAMPS)),
]
TOKENS = TEXT_TOKENS + SPECIAL_TOKENS

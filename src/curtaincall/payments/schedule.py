"""When a gateway is asked again about what it had not decided."""

from typing import Final

FIRST_QUESTION_MS: Final = 2_000
"""How long after an answer that decided nothing the gateway is asked again; doubled each time."""

LAST_QUESTION_MS: Final = 600_000
"""The longest between two questions. There is no last one: the gateway has the money or it has not."""

FIRST_ANSWER_MS: Final = 30_000
"""How long whoever recorded an intent is left alone to ask about it; longer than a gateway may take to answer."""

BATCH: Final = 50
"""The most payments (refunds, payouts) asked about in one round of the loop."""

RESTART_BATCH: Final = 1_000
"""The most that are asked about at a start, whether due or not."""


def next_question_ms(now_ms: int, questions: int) -> int:
    """The moment of the next question after so many."""
    return now_ms + min(FIRST_QUESTION_MS << min(questions, 16), LAST_QUESTION_MS)

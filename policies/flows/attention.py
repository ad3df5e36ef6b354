"""What an operator has to see to: work behind the pages that nobody does, and workers that died."""

from dataclasses import dataclass
from datetime import datetime

from policies.flows import periodic, workers


@dataclass(frozen=True, slots=True)
class Attention:
    """What is wrong; all in order where everything is false or empty."""

    has_no_worker: bool
    is_late: bool
    lost: tuple[datetime, ...]

    def __bool__(self) -> bool:
        return self.has_no_worker or self.is_late or bool(self.lost)


def needed(now: datetime) -> Attention:
    """What needs attention at `now`. Three short queries."""
    return Attention(
        has_no_worker=not workers.is_one_at_work(now),
        is_late=not periodic.is_on_time(now),
        lost=tuple(workers.lost(now).order_by("-seen_at").values_list("seen_at", flat=True)[:5]),
    )

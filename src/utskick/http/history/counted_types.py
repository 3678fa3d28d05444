"""What statistics count: message types by the facts that their channels declare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from utskick.domain.channel import Channel


class CountedTypes:
    """Message types of the channels, each list in the order of ``order``.

    ``routed``: those whose requests are counted by the channel that carried them. ``listed``: those
    that statistics by department list; ``counted``: those that statistics of one department count.
    ``beyond``: those that the contract's statistics do not count.
    """

    def __init__(self, channels: Mapping[str, Channel], order: Sequence[str]) -> None:
        self._channels = channels
        self._order = order
        self.by_type = {each.message_type: each for each in channels.values()}
        self.every = self.ordered(self.by_type)
        self.routed = self._those(lambda each: bool(set(each.legs) - {each.name}))
        self.beyond = frozenset(self._those(lambda each: not each.history_facts.in_statistics))
        self.listed = self._those(lambda each: each.history_facts.listed_by_department)
        self.counted = self._those(lambda each: each.history_facts.counted_by_department)

    def ordered(self, types: Iterable[str]) -> list[str]:
        """Return the types in the order in which answers list them."""
        found = set(types)
        return [kind for kind in self._order if kind in found]

    def legs(self, types: Iterable[str]) -> list[str]:
        """Return the types of the channels that requests of these types may go by."""
        return self.ordered(
            self._channels[leg].message_type for kind in types for leg in self.by_type[kind].legs
        )

    def _those(self, holds: Callable[[Channel], bool]) -> list[str]:
        return [kind for kind in self.every if holds(self.by_type[kind])]

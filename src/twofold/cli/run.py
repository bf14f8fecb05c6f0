"""What there is from the first word on; the session comes with the first verb."""

from functools import cached_property
from typing import TYPE_CHECKING

from twofold.cli.given import Given

if TYPE_CHECKING:
    from twofold.cli.session import Session


class Run:
    """The object of click's root context."""

    def __init__(self) -> None:
        self.given = Given()

    @cached_property
    def session(self) -> "Session":
        """Everything that a verb needs; imported when somebody needs it."""
        from twofold.cli.session import Session

        return Session(self.given)

    def session_if_any(self) -> "Session | None":
        """The session, unless nothing has begun."""
        return self.session if "session" in self.__dict__ else None
